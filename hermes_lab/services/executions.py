"""Carrying a stored run through the runner: the one place where a run's state moves on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hermes_lab.model.evidence import Environment
from hermes_lab.model.payload import Notebook, now
from hermes_lab.model.runs import ENDED, CellTiming, Run
from hermes_lab.runner.protocol import (
    ExecuteNotebook,
    ExecutionEnded,
    ExecutionEvent,
    ExecutionProgressed,
    ExecutionStarted,
    NotebookRunner,
)
from hermes_lab.services.events import Events
from hermes_lab.services.kernels import Kernels
from hermes_lab.store import Store


def _unseen(_run: Run) -> None:
    """Nobody watches the run."""


@dataclass(frozen=True)
class Workplace:
    """Where a run works: the folder it runs in, the file that its output notebook is written to, and what may be
    there already (see ExecuteNotebook)."""

    folder: Path
    output: Path
    replaces: str = "anything"


class Executions:
    """Hands runs to the runner and records what becomes of them."""

    def __init__(self, store: Store, events: Events, runner: NotebookRunner, kernels: Kernels) -> None:
        self._store = store
        self._events = events
        self._runner = runner
        self._kernels = kernels

    async def execute(
        self, run: Run, notebook: Notebook, workplace: Workplace, show: Callable[[Run], None] = _unseen
    ) -> tuple[Run, Environment | None]:
        """Execute the notebook as this stored run; answers the run as it ended, and what it ran in.

        ``show`` is called with the run at each change, the last one included.
        """
        environment = self._kernels.environment(
            run.run_id,
            origin="run",
            path=run.input_path,
            run_id=run.run_id,
            scratch_folder=workplace.folder if run.origin == "evidence" else None,
        )
        request = ExecuteNotebook(
            run_id=run.run_id,
            notebook=notebook,
            input_path=run.input_path,
            output_path=str(workplace.output),
            replaces=workplace.replaces,
            working_folder=str(workplace.folder),
            parameters=run.parameters,
            kernel_name=run.kernel_name,
            timeout_seconds=run.timeout_seconds,
            environment=environment,
        )
        try:
            ended = await self._runner.execute(request, lambda event: self._follow(event, show))
            final = self._end(ended, workplace.output)
        except Exception as error:
            broken = self._stored(run.run_id)
            if broken.state not in ENDED:  # nobody must wait for it for ever
                show(self.save(broken.moved("failed", now(), cause="interrupted", message=f"It broke off: {error}")))
            raise
        finally:
            self._kernels.end(run.run_id)
        show(final)
        return final, ended.environment

    async def cancel(self, run_id: str) -> None:
        """Ask the runner to stop the run."""
        await self._runner.cancel(run_id)

    def save(self, run: Run) -> Run:
        """Store the run as it is now, and tell."""
        self._store.runs.replace(run)
        self._events.publish("runs", run.run_id, run.state)
        return run

    def _follow(self, event: ExecutionEvent, show: Callable[[Run], None]) -> None:
        run = self._stored(event.run_id)
        match event:
            case ExecutionStarted():
                moved = run.moved("running", event.started_at, progress=event.progress, cells=event.cells)
            case ExecutionProgressed():
                moved = run.changed(progress=event.progress, cells=_with(run.cells, event.cells))
        show(self.save(moved))

    def _end(self, ended: ExecutionEnded, output: Path) -> Run:
        text = output.read_text(encoding="utf-8") if ended.output_hash else None
        moved = self._stored(ended.run_id).moved(
            ended.state,
            ended.ended_at,
            cause=ended.cause,
            message=ended.message,
            result=ended.result,
            cells=ended.cells,
            progress=ended.progress,
            output_hash=None if text is None else self._store.snapshots.put(text),
        )
        return self.save(moved)

    def _stored(self, run_id: str) -> Run:
        run = self._store.runs.get(run_id)
        if run is None:
            raise LookupError(f"run {run_id} is executed but not in the store")
        return run


def _with(cells: list[CellTiming], changed: list[CellTiming]) -> list[CellTiming]:
    newer = {cell.cell_id: cell for cell in changed}
    return [newer.get(cell.cell_id, cell) for cell in cells]
