"""Evidence: base and proposal executed with the same parameters, side by side (DESIGN section 4)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hermes_lab.engines.papermill import check_parameters
from hermes_lab.engines.paths import Root
from hermes_lab.engines.scratch import copy_folder
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import HermesError, IllegalTransition, NotAllowed, NotFound
from hermes_lab.model.evidence import (
    CreateEvidence,
    DecideEvidence,
    Environment,
    Evidence,
    EvidenceRun,
    GetEvidence,
    compare_scraps,
)
from hermes_lab.model.payload import Notebook, new_id, now
from hermes_lab.model.proposals import Proposal
from hermes_lab.model.runs import Run
from hermes_lab.services.events import Events
from hermes_lab.services.executions import Executions, Workplace
from hermes_lab.services.runs import Runs, progress_of
from hermes_lab.services.tasks import Tasks
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

AgentExecution = Literal["ask", "allow", "deny"]
Side = Literal["base", "proposal"]


@dataclass(frozen=True)
class EvidencePolicy:
    """Whether an agent's code may run, where scratch copies lie, and how large one may be."""

    agent_execution: AgentExecution
    scratch_folder: Path
    copy_limit_bytes: int


class EvidenceService:
    """Create, decide about, execute and read evidence."""

    def __init__(
        self,
        store: Store,
        events: Events,
        root: Root,
        views: ProposalViews,
        runs: Runs,
        executions: Executions,
        tasks: Tasks,
        policy: EvidencePolicy,
    ) -> None:
        self._store = store
        self._events = events
        self._root = root
        self._views = views
        self._runs = runs
        self._executions = executions
        self._tasks = tasks
        self._policy = policy

    async def create(self, actor: Actor, request: CreateEvidence) -> Evidence:
        """Evidence that runs as soon as it may: at once for a person, else as the policy says.

        Raises:
            NotFound: there is no such proposal.
            IllegalTransition: the proposal has ended.
            NotAllowed: agents may not execute what they wrote.
            InvalidRequest: an unknown kernel, or a parameter that no kernel can be given.
        """
        proposal = self._views.stored(request.proposal_id)
        if proposal.state != "open":
            raise IllegalTransition(
                f"The proposal is {proposal.state}; evidence is for open ones.", state=proposal.state
            )
        if actor.kind != "human" and self._policy.agent_execution == "deny":
            raise NotAllowed("Agents may not execute what they propose here.", code="agent_execution_denied")
        proposed = self._views.snapshot(proposal.proposal_hash)
        kernel_name = await self._runs.checked_kernel(proposed, None)
        language = await self._runs.language_of(kernel_name)
        await asyncio.to_thread(check_parameters, request.parameters, kernel_name, language)
        evidence = Evidence(
            evidence_id=new_id(),
            proposal_id=proposal.proposal_id,
            author=actor.author,
            awaiting_approval=actor.kind != "human" and self._policy.agent_execution == "ask",
            base_hash=proposal.base_hash,
            proposal_hash=proposal.proposal_hash,
            parameters=request.parameters,
            timeout_seconds=request.timeout_seconds,
            created_at=now(),
        )
        with self._store.transaction():
            self._store.evidence.insert(evidence)
            details = {"proposal_id": proposal.proposal_id}
            self._store.audit.append(actor.author, "create_evidence", evidence.evidence_id, details)
        self._publish(evidence)
        if not evidence.awaiting_approval:
            self._tasks.start(self._execute(evidence.evidence_id))
        return evidence

    async def decide(self, actor: Actor, request: DecideEvidence) -> Evidence:
        """A person lets waiting evidence run, or ends it.

        Raises:
            NotFound: there is no such evidence.
            IllegalTransition: it does not wait for anybody.
        """
        evidence = self._stored(request.evidence_id)
        if not evidence.awaiting_approval:
            raise IllegalTransition("This evidence waits for nobody.", state=evidence.state)
        decided = evidence.changed(awaiting_approval=False)
        if request.decision == "deny":
            message = f"{actor.name} did not let it run."
            decided = decided.model_copy(update={"state": "failed", "message": message, "ended_at": now()})
        with self._store.transaction():
            self._store.evidence.replace(decided)
            details = {"decision": request.decision}
            self._store.audit.append(actor.author, "decide_evidence", evidence.evidence_id, details)
        self._publish(decided)
        if request.decision == "allow":
            self._tasks.start(self._execute(evidence.evidence_id))
        return await self._view(decided)

    async def get(self, _actor: Actor, request: GetEvidence) -> Evidence:
        """The evidence; with ``wait``, at its next change.

        Raises:
            NotFound: there is no such evidence.
        """

        def read() -> Evidence:
            return self._stored(request.evidence_id)

        found = await self._events.latest("evidence", request.evidence_id, request, _has_ended, read)
        return await self._view(found)

    async def _execute(self, evidence_id: str) -> None:
        evidence = self._stored(evidence_id)
        proposal = self._views.stored(evidence.proposal_id)
        self._change(evidence_id, state="running", started_at=now())
        scratch = self._policy.scratch_folder / evidence_id
        try:
            sides: dict[Side, Notebook | None] = {
                "base": self._views.base(proposal),
                "proposal": self._views.snapshot(evidence.proposal_hash),
            }
            ended = await asyncio.gather(
                *(
                    self._execute_side(evidence, proposal, side, notebook, scratch)
                    for side, notebook in sides.items()
                    if notebook is not None
                )
            )
        except HermesError as error:
            self._change(evidence_id, state="failed", message=error.message, ended_at=now())
            return
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        (proposed, environment), base = ended[-1], ended[0][0] if len(ended) == 2 else None
        self._change(evidence_id, **judged(base, proposed), environment=environment, ended_at=now())

    async def _execute_side(
        self, evidence: Evidence, proposal: Proposal, side: Side, notebook: Notebook, scratch: Path
    ) -> tuple[Run, Environment | None]:
        folder = scratch / side
        original = self._root.resolve(proposal.path, "path").parent
        await asyncio.to_thread(copy_folder, original, folder, self._policy.copy_limit_bytes)
        run = Run(
            run_id=new_id(),
            origin="evidence",
            author=evidence.author,
            input_path=proposal.path,
            input_hash=evidence.base_hash if side == "base" and evidence.base_hash else evidence.proposal_hash,
            output_path=None,
            parameters=evidence.parameters,
            kernel_name=await self._runs.checked_kernel(notebook, None),
            timeout_seconds=evidence.timeout_seconds,
            created_at=now(),
            progress=progress_of(notebook),
        )
        self._store.runs.insert(run)
        show = self._shower(evidence.evidence_id, side)
        show(run)
        workplace = Workplace(folder=folder, output=scratch / f"{side}.ipynb")
        return await self._executions.execute(run, notebook, workplace, show)

    def _shower(self, evidence_id: str, side: Side) -> Callable[[Run], None]:
        def show(run: Run) -> None:
            seen = EvidenceRun(run_id=run.run_id, state=run.state, progress=run.progress, result=run.result)
            self._change(evidence_id, **{side: seen})

        return show

    def _change(self, evidence_id: str, **fields: Any) -> None:
        changed = self._stored(evidence_id).changed(**fields)
        self._store.evidence.replace(changed)
        self._publish(changed)

    def _publish(self, evidence: Evidence) -> None:
        self._events.publish("evidence", evidence.evidence_id, evidence.state)
        if evidence.state != "running":
            self._events.publish("proposals", evidence.proposal_id, "open")

    def _stored(self, evidence_id: str) -> Evidence:
        evidence = self._store.evidence.get(evidence_id)
        if evidence is None:
            raise NotFound("There is no such evidence.", code="no_such_evidence", field="evidence_id")
        return evidence

    async def _view(self, evidence: Evidence) -> Evidence:
        proposal = await self._views.view(self._views.stored(evidence.proposal_id))
        return next(each for each in proposal.evidence if each.evidence_id == evidence.evidence_id)


def judged(base: Run | None, proposed: Run) -> dict[str, Any]:
    """What the two runs come to: green if the proposal ran to its end, red if it failed, nothing if it was stopped."""
    scraps_before = base.result.scraps if base and base.result else {}
    scraps_after = proposed.result.scraps if proposed.result else {}
    fields: dict[str, Any] = {"scraps": compare_scraps(scraps_before, scraps_after)}
    if proposed.state == "cancelled" or proposed.cause == "interrupted":
        return {**fields, "state": "failed", "message": proposed.message or "The run was stopped."}
    if proposed.state == "failed":
        return {**fields, "state": "completed", "verdict": "red", "message": proposed.message}
    message = None
    if base is not None and base.state != "completed":
        message = "The notebook as it is now does not run to its end; with the proposal it does."
    return {**fields, "state": "completed", "verdict": "green", "message": message}


def _has_ended(evidence: Evidence) -> bool:
    return evidence.state in ("completed", "failed")
