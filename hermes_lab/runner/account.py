"""The account of a run while it goes on: every change is told at once, and written into the notebook."""

from __future__ import annotations

from datetime import datetime

from nbformat import NotebookNode

from hermes_lab.model.payload import now
from hermes_lab.model.runs import CellState, CellTiming, FailedCell, Progress
from hermes_lab.runner.protocol import (
    ExecuteNotebook,
    ExecutionProgressed,
    ExecutionStarted,
    OnEvent,
    code_cells_of,
)
from hermes_lab.runner.record import RunRecord


class Account:
    """Counts and times the code cells of the input notebook; an injected cell is recorded, not counted."""

    def __init__(self, request: ExecuteNotebook, notebook: NotebookNode, on_event: OnEvent) -> None:
        self.record = RunRecord(notebook, request.run_id)
        self._run_id = request.run_id
        self._notebook = notebook
        self._on_event = on_event
        self._input_index = {cell["id"]: index for index, cell in enumerate(request.notebook["cells"])}
        self._timings = {timing.cell_id: timing for timing in code_cells_of(request.notebook)}
        self._passed_over: set[str] = set()

    @property
    def cells(self) -> list[CellTiming]:
        """All code cells of the input notebook."""
        return list(self._timings.values())

    @property
    def cells_executed(self) -> int:
        """Code cells that ended."""
        return sum(timing.state not in {"not_run", "running"} for timing in self._timings.values())

    @property
    def progress(self) -> Progress:
        """Cells that are done with: those that ended, and those that there was nothing to run in."""
        return Progress(cells_total=len(self._timings), cells_done=self.cells_executed + len(self._passed_over))

    def place(self, cell: NotebookNode, index: int) -> FailedCell:
        """Where the output's cell is in the INPUT notebook; an injected one is where the one before it is."""
        upto = [each.id for each in self._notebook.cells[: index + 1] if each.id in self._input_index]
        at = self._input_index[upto[-1]] if upto else 0
        return FailedCell(index=at, cell_id=cell.id, source=cell.source, ename="", evalue="")

    def run_started(self, at: datetime) -> None:
        """The run has left the queue."""
        self.record.run_started(at)
        self._on_event(ExecutionStarted(run_id=self._run_id, started_at=at, progress=self.progress, cells=self.cells))

    def cell_started(self, cell: NotebookNode) -> None:
        """The cell is handed to the kernel."""
        self.record.cell_started(cell, now())
        self._tell(cell, "running", None)

    def cell_ended(self, cell: NotebookNode, state: CellState) -> None:
        """The cell has ended."""
        self._tell(cell, state, self.record.cell_ended(cell, state, now()))

    def cell_passed(self, cell: NotebookNode) -> None:
        """The cell has nothing to run. papermill times text too; code that did not run stays `not_run`."""
        if cell.cell_type != "code":
            at = now()
            self.record.cell_started(cell, at)
            self.record.cell_ended(cell, "completed", at)
        elif cell.id in self._timings:
            self._passed_over.add(cell.id)
            self._tell(cell, "not_run", None)

    def _tell(self, cell: NotebookNode, state: CellState, duration: float | None) -> None:
        if cell.id not in self._timings:
            return
        timing = CellTiming(cell_id=cell.id, state=state, duration_seconds=duration)
        self._timings[cell.id] = timing
        self._on_event(ExecutionProgressed(run_id=self._run_id, progress=self.progress, cells=[timing]))
