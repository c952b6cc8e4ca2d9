"""Making evidence: base and proposal executed with the same parameters, each in a scratch copy of the folder."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable

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
            environment = ended[-1][1]
            fields = await asyncio.to_thread(judged, [side for side, _ in ended])
            self._kept.change(evidence_id, **fields, environment=environment, ended_at=now())
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
