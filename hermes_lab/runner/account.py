"""The account of a run while it goes on: every change is told at once, and written into the notebook."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from nbformat import NotebookNode

from hermes_lab.model.payload import now
from hermes_lab.model.runs import CellTiming, FailedCell, Progress
from hermes_lab.runner.figures import Cost
from hermes_lab.runner.outcome import CellOutcome, Outcome
from hermes_lab.runner.outputs import CellOutputs
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
        self._record = RunRecord(notebook, request.run_id)
        self._run_id = request.run_id
        self._notebook = notebook
        self._on_event = on_event
        self._input_index = {cell["id"]: index for index, cell in enumerate(request.notebook["cells"])}
        self._timings = {timing.cell_id: timing for timing in code_cells_of(request.notebook)}
        self._cells_executed = 0
        self._passed_over: set[str] = set()
        self._untold: dict[str, CellTiming] = {}
        self._failures: list[FailedCell] = []

    @property
    def cells(self) -> list[CellTiming]:
        """All code cells of the input notebook."""
        return list(self._timings.values())

    @property
    def cells_executed(self) -> int:
        """Code cells that ended."""
        return self._cells_executed

    @property
    def failures(self) -> list[FailedCell]:
        """The cells that failed, in the order in which they ran."""
        return list(self._failures)

    @property
    def progress(self) -> Progress:
        """Cells that are done with: those that ended, and those that there was nothing to run in."""
        return Progress(cells_total=len(self._timings), cells_done=self.cells_executed + len(self._passed_over))

    def place(self, cell: NotebookNode, index: int) -> FailedCell:
        """Where the output's cell is in the INPUT notebook; an injected one is where the one before it is."""
        upto = [each["id"] for each in self._notebook["cells"][: index + 1] if each["id"] in self._input_index]
        at = self._input_index[upto[-1]] if upto else 0
        return FailedCell(index=at, cell_id=cell["id"], source=cell["source"], ename="", evalue="")

    def run_started(self, at: datetime) -> None:
        """The run has left the queue."""
        self._record.run_started(at)
        self._on_event(ExecutionStarted(run_id=self._run_id, started_at=at, progress=self.progress, cells=self.cells))

    def run_ended(self, outcome: Outcome, at: datetime) -> None:
        """The run has ended."""
        self.tell()
        self._record.run_ended(outcome.state, outcome.cause, at)

    def cell_started(self, cell: NotebookNode) -> None:
        """The cell is handed to the kernel. What was not told yet of the cells before it is told with it."""
        self._record.cell_started(cell, now())
        self._note(CellTiming(cell_id=cell["id"], state="running"))
        self.tell()

    def cell_ended(self, cell: NotebookNode, outcome: CellOutcome, cost: Cost, outputs: CellOutputs) -> None:
        """The cell has ended; told when the next one starts, or by `tell`."""
        cpu_seconds, peak_memory_bytes = cost
        figures = {"cpu_seconds": cpu_seconds, "peak_memory_bytes": peak_memory_bytes}
        duration = self._record.cell_ended(cell, outcome.state, now(), figures)
        if cell["id"] in self._timings:
            self._cells_executed += 1
        if outcome.failed_cell is not None:
            self._failures.append(outcome.failed_cell)
        timing = CellTiming(
            cell_id=cell["id"],
            state=outcome.state,
            duration_seconds=duration,
            cpu_seconds=cpu_seconds,
            peak_memory_bytes=peak_memory_bytes,
            output_bytes=outputs.output_bytes,
            spilled_to=outputs.spilled_to,
        )
        self._note(timing)

    def cell_passed(self, cell: NotebookNode) -> None:
        """The cell has nothing to run. papermill times text too; code that did not run stays `not_run`."""
        if cell["cell_type"] != "code":
            at = now()
            self._record.cell_started(cell, at)
            self._record.cell_ended(cell, "completed", at)
        elif cell["id"] in self._timings:
            self._passed_over.add(cell["id"])
            self._note(CellTiming(cell_id=cell["id"], state="not_run"))

    def recount(self, outputs: CellOutputs) -> None:
        """Output of the cell may have come after its end."""
        timing = self._timings.get(outputs.cell_id)
        if timing is not None and timing.output_bytes != outputs.output_bytes:
            counted = {"output_bytes": outputs.output_bytes, "spilled_to": outputs.spilled_to}
            self._note(timing.model_copy(update=counted))

    def tell(self) -> None:
        """Tell what has changed since the last time, all in one event."""
        if self._untold:
            cells = list(self._untold.values())
            self._untold = {}
            self._on_event(ExecutionProgressed(run_id=self._run_id, progress=self.progress, cells=cells))

    def moved(self, output: Path) -> None:
        """The output notebook is another file from now on."""
        cells = list(self._untold.values())
        self._untold = {}
        self._on_event(
            ExecutionProgressed(run_id=self._run_id, progress=self.progress, cells=cells, output_path=str(output))
        )

    def _note(self, timing: CellTiming) -> None:
        if timing.cell_id in self._timings:
            self._timings[timing.cell_id] = self._untold[timing.cell_id] = timing
