"""Making evidence: base and proposal executed with the same parameters, each in a scratch copy of the folder."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from typing import Any

from hermes_lab.engines.file_listings import list_files
from hermes_lab.engines.notebook_format import parse
from hermes_lab.model.errors import HermesError
from hermes_lab.model.evidence import Environment, EvidenceRun
from hermes_lab.model.evidence_comparisons import SideName
from hermes_lab.model.payload import now
from hermes_lab.model.runs import Run
from hermes_lab.services.evidence_policy import EvidencePolicy
from hermes_lab.services.evidence_sides import EvidenceSide, EvidenceSides
from hermes_lab.services.executed_sides import ExecutedSide
from hermes_lab.services.executions import Executions
from hermes_lab.services.kept_evidence import KeptEvidence
from hermes_lab.services.verdicts import judged
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

_log = logging.getLogger(__name__)


class EvidenceExecutions:
    """Executes what evidence is about, and keeps what it came to."""

    def __init__(
        self,
        store: Store,
        kept: KeptEvidence,
        views: ProposalViews,
        sides: EvidenceSides,
        executions: Executions,
        policy: EvidencePolicy,
    ) -> None:
        self._store = store
        self._kept = kept
        self._views = views
        self._sides = sides
        self._executions = executions
        self._policy = policy

    async def execute(self, evidence_id: str) -> None:
        """Make evidence that may be made. Whatever goes wrong, it ends and says why."""
        evidence = self._kept.get(evidence_id)
        proposal = self._views.stored(evidence.proposal_id)
        self._kept.change(evidence_id, state="running", started_at=now())
        scratch = self._policy.scratch_folder / evidence_id
        try:
            sides = await self._sides.prepared(evidence, proposal, scratch)
            ended = await asyncio.gather(*(self._execute_side(evidence_id, each) for each in sides))
        except HermesError as error:
            self._fail(evidence_id, error.message)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody must wait for this evidence for ever
            _log.exception("The evidence %s could not be made.", evidence_id)
            self._fail(evidence_id, f"It could not be made: {error}")
        else:
            fields = await asyncio.to_thread(judged, [side for side, _ in ended])
            environments = {side.name: environment for side, environment in ended}
            fields |= _environment_fields(environments)
            self._kept.change(evidence_id, **fields, ended_at=now())
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)

    async def _execute_side(self, evidence_id: str, side: EvidenceSide) -> tuple[ExecutedSide, Environment | None]:
        folder = side.workplace.folder
        before = await asyncio.to_thread(list_files, folder)
        self._store.runs.insert(side.run)
        show = self._shower(evidence_id, side.name)
        show(side.run)
        run, environment = await self._executions.execute(side.run, side.notebook, side.workplace, show=show)
        text = None if run.output_hash is None else self._store.snapshots.get(run.output_hash)
        notebook = None if text is None else await asyncio.to_thread(parse, text)
        after = await asyncio.to_thread(list_files, folder, before)
        return ExecutedSide(side.name, run, notebook, before, after), environment

    def _fail(self, evidence_id: str, message: str) -> None:
        self._kept.change(evidence_id, state="failed", message=message, ended_at=now())

    def _shower(self, evidence_id: str, side: SideName) -> Callable[[Run], None]:
        def show(run: Run) -> None:
            seen = EvidenceRun(run_id=run.run_id, state=run.state, progress=run.progress, result=run.result)
            self._kept.change(evidence_id, **{side: seen})

        return show


def _environment_fields(of_sides: dict[SideName, Environment | None]) -> dict[str, Any]:
    """What the proposal ran in, and what the base did where that was something else."""
    proposed, bases = of_sides["proposal"], [each for side, each in of_sides.items() if side != "proposal"]
    others = [base for base in bases if base is not None and proposed is not None]
    other = next((base for base in others if base.fingerprint != (proposed and proposed.fingerprint)), None)
    fields: dict[str, Any] = {"environment": proposed, "base_environment": other}
    if other is not None:
        fields["notes"] = ["The base ran in another environment than the proposal: what differs may come from that."]
    return fields
