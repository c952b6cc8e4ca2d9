"""Putting in order what servers left behind that stopped in the middle of something."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import get_args

from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.scratch import remove_folder
from hermes_lab.model.errors import HermesError
from hermes_lab.model.evidence import EvidenceRun
from hermes_lab.model.evidence_comparisons import SideName
from hermes_lab.model.payload import JsonObject, now
from hermes_lab.model.run_events import RunEvent, replayed
from hermes_lab.model.runs import CellState, CellTiming, Progress, Run
from hermes_lab.model.writes import Write
from hermes_lab.runner.settling import settle, sources_of
from hermes_lab.services.document_claims import DocumentClaims
from hermes_lab.services.journal import Journal
from hermes_lab.services.kernels import Kernels
from hermes_lab.services.live_runs import settled
from hermes_lab.services.run_places import RunPlaces
from hermes_lab.services.tool_calls import ToolCalls
from hermes_lab.store import Snapshot, Store

_log = logging.getLogger(__name__)
_SECONDS_FOR_ANOTHER = 5


class Recovery:
    """Runs once at start, before the first request: only rows of dead servers are touched."""

    def __init__(
        self,
        store: Store,
        claims: DocumentClaims,
        journal: Journal,
        kernels: Kernels,
        tool_calls: ToolCalls,
        scratch_folder: Path,
        places: RunPlaces,
    ) -> None:
        self._places = places
        self._store = store
        self._claims = claims
        self._journal = journal
        self._kernels = kernels
        self._tool_calls = tool_calls
        self._scratch_folder = scratch_folder

    async def recover(self) -> None:
        """End runs and evidence of dead servers as interrupted, finish or give up their merges."""
        for instance_id in self._store.instances.dead():
            self._end_runs(instance_id)
            self._end_evidence(instance_id)
            for write in self._store.writes.all(instance_id=instance_id, state="journalled"):
                await self._settle(write)
            self._kernels.end_all_of(instance_id)
            self._tool_calls.end_all_of(instance_id)
            self._store.idempotency.release_claims_of(instance_id)
            self._store.instances.forget(instance_id)

    def _end_runs(self, instance_id: str) -> None:
        message = "The server stopped while the run was going on."
        for row in self._store.runs.all(instance_id=instance_id, state={"pending", "running"}):
            run = replayed(row, self._store.run_events.after(row.run_id, row.version))
            told = self._told_by_the_output(run)
            cells = settled(told)
            output = self._settled_output(run, cells)
            end = RunEvent(
                run_id=run.run_id,
                sequence=run.version + 1,
                event="ended",
                at=now(),
                state="failed",
                cause="interrupted",
                message=message,
                progress=_with(run.progress, _done(told) - _done(run.cells)),
                cells=[cell for cell in cells if cell not in run.cells],
            )
            ended = replayed(run, [end])
            with self._store.transaction():
                if output is not None:
                    ended = ended.model_copy(update={"output_hash": self._store.snapshots.keep(output)})
                self._store.run_events.append(end)
                self._store.runs.replace(ended)

    def _settled_output(self, run: Run, cells: list[CellTiming]) -> Snapshot | None:
        """The output notebook, brought to what the store says; null where it is not there, or not the run's alone."""
        try:
            output = self._places.output_file(run)
            text = self._store.snapshots.get(run.input_hash)
            notebook = parse(text, "run_id") if text is not None else {"cells": []}
            digest = None if output is None else settle(output, run.run_id, cells, sources_of(notebook))
            if output is None or digest is None:
                return None
            snapshot = Snapshot.of(output.read_text(encoding="utf-8"))
        except (HermesError, OSError, ValueError) as error:
            _log.warning("The output notebook of the run %s cannot be brought to its end: %s", run.run_id, error)
            return None
        return snapshot if snapshot.hash == digest else None

    def _told_by_the_output(self, run: Run) -> list[CellTiming]:
        """The cells as the output notebook has them: the runner lived on for a moment when its server was dead."""
        try:
            output = self._places.output_file(run)
            notebook = json.loads(output.read_bytes()) if output and output.is_file() else {}
            if _hermes(notebook).get("run_id") != run.run_id:
                return run.cells
            states = {cell["id"]: _hermes(cell).get("status") for cell in notebook["cells"]}
        # Not written yet, out of reach, or somebody else's by now; and whatever it is, the server must start.
        except (HermesError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return run.cells
        known = get_args(CellState)
        return [
            cell.model_copy(update={"state": states[cell.cell_id]})
            if cell.state in ("not_run", "running") and states.get(cell.cell_id) in known
            else cell
            for cell in run.cells
        ]

    def _end_evidence(self, instance_id: str) -> None:
        message = "The server stopped while the evidence was being made."
        for evidence in self._store.evidence.all(instance_id=instance_id, state={"pending", "running"}):
            if not evidence.awaiting_approval:
                # What it knew of its runs is from while they went on; their rows have been ended just now.
                known = {side: getattr(evidence, side) for side in get_args(SideName)}
                runs = {side: self._store.runs.get(each.run_id) for side, each in known.items() if each is not None}
                sides = {side: EvidenceRun.of(run) for side, run in runs.items() if run is not None}
                ended = evidence.changed(state="failed", message=message, ended_at=now(), **sides)
                self._store.evidence.replace(ended)
                remove_folder(self._scratch_folder / evidence.evidence_id)

    async def _settle(self, write: Write) -> None:
        """Finish a merge if nobody wrote its document since, or give it up; what is at work on it does so itself."""
        self._claims.end(write.path, write.token)
        try:
            async with self._claims.hold(write.path, wait_seconds=_SECONDS_FOR_ANOTHER) as claim:
                await self._journal.settle_all_of(claim)
        except HermesError:
            # One document that cannot be written must not keep the server from starting; its next merge tries again.
            _log.exception("The merge %s is not completed yet.", write.write_id)


def _hermes(part: JsonObject) -> JsonObject:
    """What a run has written about a notebook, or about a cell."""
    written: JsonObject = part.get("metadata", {}).get("hermes", {})
    return written


def _with(progress: Progress, more: int) -> Progress:
    return progress.model_copy(update={"cells_done": progress.cells_done + more})


def _done(cells: list[CellTiming]) -> int:
    """How many cells came to an end of their own."""
    return sum(cell.state in ("completed", "failed", "died") for cell in cells)
