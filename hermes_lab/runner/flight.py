"""A run as its supervisor sees it: what was asked, and the last that was heard."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from hermes_lab.model.payload import now
from hermes_lab.model.runs import CellState, CellTiming, Progress
from hermes_lab.runner.files import remove_leftover
from hermes_lab.runner.protocol import (
    ExecuteNotebook,
    ExecutionEnded,
    ExecutionEvent,
    ExecutionProgressed,
    ExecutionQueued,
    ExecutionStarted,
    OnEvent,
    code_cells_of,
)
from hermes_lab.runner.settling import settle, sources_of

_LOG = logging.getLogger(__name__)


class Flight:
    """One run on its way through a runner that may be lost."""

    def __init__(self, request: ExecuteNotebook, on_event: OnEvent) -> None:
        self.request = request
        self.started = False
        self.ended: asyncio.Future[ExecutionEnded] = asyncio.get_running_loop().create_future()
        self._on_event = on_event
        self._moved_to: str | None = None
        self._cells = {cell.cell_id: cell for cell in code_cells_of(request.notebook)}
        self._progress = Progress(cells_total=len(self._cells))

    def heard(self, event: ExecutionEvent | ExecutionEnded) -> None:
        """Take in an event, and pass it on."""
        if isinstance(event, ExecutionEnded):
            if not self.ended.done():
                self.ended.set_result(event)
            return
        if not isinstance(event, ExecutionQueued):
            self.started = self.started or isinstance(event, ExecutionStarted)
            self._progress = event.progress
            self._cells.update({cell.cell_id: cell for cell in event.cells})
            if isinstance(event, ExecutionProgressed):
                self._moved_to = event.output_path or self._moved_to
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - a listener that fails must not cost the other runs their ends
            _LOG.exception("An event of the run %s was not taken in.", self.request.run_id)

    def queued(self, position: int) -> None:
        """The run waits for a place, has moved up, or has got it."""
        self.heard(ExecutionQueued(run_id=self.request.run_id, position=position))

    def lost(self, message: str, runner_pid: int | None) -> ExecutionEnded:
        """The end of a run whose runner is gone. Also puts it into the output notebook, as far as that got."""
        cells = [_settled(cell) for cell in self._cells.values()]
        output_hash = None
        if self.started and runner_pid is not None:
            output = Path(self._moved_to or self.request.output_path)
            remove_leftover(output, runner_pid)
            output_hash = settle(output, self.request.run_id, cells, sources_of(self.request.notebook))
        return ExecutionEnded(
            run_id=self.request.run_id,
            state="failed",
            cause="interrupted",
            message=message,
            ended_at=now(),
            progress=self._progress,
            cells=cells,
            output_path=self._moved_to,
            output_hash=output_hash,
        )


def _settled(cell: CellTiming) -> CellTiming:
    state: CellState = "died" if cell.state == "running" else cell.state
    return cell.model_copy(update={"state": state})
