"""A run as its supervisor sees it: what was asked, and the last that was heard."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from pathlib import Path

from hermes_lab.engines.papermill import STATUS
from hermes_lab.model.payload import JsonObject, now
from hermes_lab.model.runs import CellState, CellTiming, Progress
from hermes_lab.runner.files import remove_leftover, write_whole
from hermes_lab.runner.protocol import (
    ExecuteNotebook,
    ExecutionEnded,
    ExecutionEvent,
    ExecutionQueued,
    ExecutionStarted,
    OnEvent,
    code_cells_of,
)

_LOG = logging.getLogger(__name__)


class Flight:
    """One run on its way through a runner that may be lost."""

    def __init__(self, request: ExecuteNotebook, on_event: OnEvent) -> None:
        self.request = request
        self.started = False
        self.ended: asyncio.Future[ExecutionEnded] = asyncio.get_running_loop().create_future()
        self._on_event = on_event
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
            output_hash = _settle(Path(self.request.output_path), runner_pid, cells)
        return ExecutionEnded(
            run_id=self.request.run_id,
            state="failed",
            cause="interrupted",
            message=message,
            ended_at=now(),
            progress=self._progress,
            cells=cells,
            output_hash=output_hash,
        )


def _settled(cell: CellTiming) -> CellTiming:
    state: CellState = "died" if cell.state == "running" else cell.state
    return cell.model_copy(update={"state": state})


def _settle(output: Path, runner_pid: int, cells: list[CellTiming]) -> str | None:
    """Write what was heard into the output notebook, which may lag behind by a save; its new sha256."""
    states = {cell.cell_id: cell.state for cell in cells}
    remove_leftover(output, runner_pid)
    try:
        notebook: JsonObject = json.loads(output.read_bytes())
        notebook["metadata"]["hermes"].update(state="failed", cause="interrupted")
        notebook["metadata"]["papermill"]["exception"] = True
        for cell in notebook["cells"]:
            if cell["id"] in states:
                _settle_cell(cell["metadata"], states[cell["id"]])
        content = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"
        write_whole(output, [content])
    except OSError:  # the run is lost, and so is its output; the answer says `output_hash: null`
        return None
    return hashlib.sha256(content).hexdigest()


def _settle_cell(metadata: JsonObject, state: CellState) -> None:
    metadata["hermes"] = {**metadata.get("hermes", {}), "status": state}
    metadata["papermill"].update(status=STATUS[state])
    if state != "not_run":
        metadata["papermill"].update(exception=state != "completed")
