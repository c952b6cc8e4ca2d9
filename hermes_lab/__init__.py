"""hermes_lab: AI agents and people work on notebooks together, in JupyterLab."""

from typing import TYPE_CHECKING

from hermes_lab._version import __version__

if TYPE_CHECKING:
    from hermes_lab.executor import NotebookExecutor

__all__ = ["NotebookExecutor", "__version__"]


def __getattr__(name: str) -> object:
    """Import what is heavy when it is asked for: a kernel and a server import this package too."""
    if name == "NotebookExecutor":
        from hermes_lab.executor import NotebookExecutor  # noqa: PLC0415

        return NotebookExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    # The application pulls in all of the server; whoever imports the package need not.
    from hermes_lab.app import HermesLab  # noqa: PLC0415

    return [{"module": "hermes_lab", "app": HermesLab}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "hermes-lab"}]
