"""What the output notebook says about its run: papermill's metadata keys, and hermes' own beside them."""

from __future__ import annotations

from datetime import datetime

from nbformat import NotebookNode, from_dict

from hermes_lab.engines import papermill
from hermes_lab.model.runs import CellState, RunState


class RunRecord:
    """Writes the progress of one run into its notebook, from which what an earlier run has left is removed.

    Times are UTC, durations in seconds.
    """

    def __init__(self, notebook: NotebookNode, run_id: str) -> None:
        self._metadata = notebook.metadata
        self._metadata.papermill.update(start_time=None, end_time=None, duration=None, exception=None)
        self._metadata["hermes"] = from_dict({"run_id": run_id, "state": "pending", "cause": None})
        self._started_at: datetime | None = None
        for cell in notebook.cells:
            self._clear(cell)

    def _clear(self, cell: NotebookNode) -> None:
        nothing = {"exception": None, "start_time": None, "end_time": None, "duration": None}
        cell.metadata["papermill"] = from_dict({**nothing, "status": "pending"})
        if cell.cell_type == "code":
            cell.metadata["hermes"] = from_dict({"status": "not_run"})
            cell.metadata.pop("execution", None)
            cell.execution_count = None
            cell.outputs = []

    def run_started(self, at: datetime) -> None:
        """The run has left the queue."""
        self._started_at = at
        self._metadata.hermes["state"] = "running"
        self._metadata.papermill["start_time"] = at.isoformat()

    def run_ended(self, state: RunState, cause: str | None, at: datetime) -> None:
        """The run has ended."""
        self._metadata.hermes.update(state=state, cause=cause)
        self._metadata.papermill["end_time"] = at.isoformat()
        if self._started_at is not None:
            self._metadata.papermill["duration"] = (at - self._started_at).total_seconds()
        if state != "completed":
            self._metadata.papermill["exception"] = True

    def cell_started(self, cell: NotebookNode, at: datetime) -> None:
        """The cell was handed to the kernel; or, where it is no code cell, its turn has come."""
        if cell["cell_type"] == "code":
            cell["metadata"]["hermes"] = {}
        self._set(cell, "running")
        cell["metadata"]["papermill"].update(start_time=at.isoformat(), exception=False)

    def cell_ended(
        self, cell: NotebookNode, state: CellState, at: datetime, figures: dict[str, float | None] | None = None
    ) -> float:
        """The cell has ended; its duration. ``figures`` say what it cost; what is None is not known."""
        self._set(cell, state)
        if figures:
            known = {name: figure for name, figure in figures.items() if figure is not None}
            cell["metadata"]["hermes"].update(known)
        of_cell = cell["metadata"]["papermill"]
        duration = (at - datetime.fromisoformat(of_cell["start_time"])).total_seconds()
        of_cell.update(end_time=at.isoformat(), duration=duration, exception=state != "completed")
        return duration

    def _set(self, cell: NotebookNode, state: CellState) -> None:
        cell["metadata"]["papermill"]["status"] = papermill.STATUS[state]
        if cell["cell_type"] == "code":
            cell["metadata"]["hermes"]["status"] = state
