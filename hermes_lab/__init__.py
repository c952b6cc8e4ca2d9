"""hermes_lab: AI agents and people work on notebooks together, in JupyterLab."""

from ._version import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    from .app import HermesLab

    return [{"module": "hermes_lab", "app": HermesLab}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "hermes-lab"}]
