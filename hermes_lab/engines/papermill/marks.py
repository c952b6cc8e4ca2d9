"""What papermill writes into the output of a run besides its parameters."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from hermes_lab.model.payload import JsonObject
from hermes_lab.model.runs import CellState

if TYPE_CHECKING:
    from nbformat import NotebookNode

STATUS: dict[CellState, str] = {
    "not_run": "pending",
    "running": "running",
    "completed": "completed",
    "failed": "failed",
    "died": "failed",
    "cancelled": "failed",
}
"""papermill's word, of its four, for what has become of a cell."""

_MARKER = "papermill-error-cell-tag"
"""papermill's `ERROR_MARKER_TAG`; most runs have none of these cells, and need no papermill to know it."""


def load() -> None:
    """Import papermill now, so that nobody waits for it later."""
    import papermill  # noqa: F401


def version() -> str:
    """The version of papermill whose formats are written."""
    return importlib.metadata.version("papermill")


def without_error_markers(notebook: NotebookNode) -> NotebookNode:
    """The notebook without the cells that papermill adds to the output of a failed run; changed in place."""
    notebook.cells = [cell for cell in notebook.cells if not is_error_marker(cell)]
    return notebook


def is_error_marker(cell: JsonObject) -> bool:
    """Whether papermill has added this cell to the output of a failed run."""
    tags: list[str] = cell["metadata"].get("tags", [])
    return _MARKER in tags


def add_error_markers(notebook: NotebookNode, index: int) -> None:
    """Add papermill's two marker cells for a failure of the cell at ``index``: at the top, and before it."""
    from nbformat.v4 import new_markdown_cell
    from papermill.execute import ERROR_ANCHOR_MSG, ERROR_MESSAGE_TEMPLATE

    top = ERROR_MESSAGE_TEMPLATE % notebook.cells[index].execution_count
    for position, text in ((index, ERROR_ANCHOR_MSG), (0, top)):
        notebook.cells.insert(position, new_markdown_cell(text, metadata={"tags": [_MARKER]}))


def hide_inputs(notebook: NotebookNode) -> None:
    """Have JupyterLab hide the source of every code cell, as papermill's report mode does; changed in place."""
    from nbformat import from_dict

    for cell in notebook.cells:
        if cell.cell_type == "code":
            # papermill drops what else was under this key
            cell.metadata["jupyter"] = from_dict({"source_hidden": True})
