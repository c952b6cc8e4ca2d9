"""hermes_lab: AI agents and people work on notebooks together, in JupyterLab."""

from importlib import import_module
from typing import TYPE_CHECKING

from hermes_lab._version import __version__

if TYPE_CHECKING:
    from hermes_lab.engines.scrapbook import read_scraps_of_file, read_scraps_of_folder
    from hermes_lab.executor import NotebookExecutor

__all__ = ["NotebookExecutor", "__version__", "read_scraps_of_file", "read_scraps_of_folder"]
_HOMES = {
    "NotebookExecutor": "hermes_lab.executor",
    "read_scraps_of_file": "hermes_lab.engines.scrapbook",
    "read_scraps_of_folder": "hermes_lab.engines.scrapbook",
}


def __getattr__(name: str) -> object:
    """Import what is heavy when it is asked for: a kernel and a server import this package too."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    # The application pulls in all of the server; whoever imports the package need not.
    from hermes_lab.app import HermesLab  # noqa: PLC0415

    return [{"module": "hermes_lab", "app": HermesLab}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "hermes-lab"}]
