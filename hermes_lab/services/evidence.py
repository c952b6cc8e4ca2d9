"""Evidence that a proposal runs: asked for, decided about, read. It is made in evidence_executions.py."""

from __future__ import annotations

import asyncio
from functools import partial

from hermes_lab.model.actors import Actor
from hermes_lab.model.claims import Claim
from hermes_lab.model.errors import Conflict, IllegalTransition
from hermes_lab.model.evidence import CreateEvidence, DecideEvidence, Evidence, GetEvidence
from hermes_lab.model.payload import new_id, now
from hermes_lab.model.proposals import Proposal
from hermes_lab.services.events import Events
from hermes_lab.services.evidence_executions import EvidenceExecutions
from hermes_lab.services.evidence_notebooks import EvidenceNotebooks
from hermes_lab.services.evidence_policy import EvidencePolicy
from hermes_lab.services.installed_kernels import InstalledKernels
from hermes_lab.services.kept_evidence import KeptEvidence
from hermes_lab.services.parameters import check_given
from hermes_lab.services.tasks import Tasks
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store


class EvidenceService:
    """Create, decide about and read evidence."""

    def __init__(
        self,
        store: Store,
        events: Events,
        kept: KeptEvidence,
        views: ProposalViews,
        notebooks: EvidenceNotebooks,
        kernels: InstalledKernels,
        executions: EvidenceExecutions,
        tasks: Tasks,
        policy: EvidencePolicy,
    ) -> None:
        self._store = store
        self._events = events
        self._kept = kept
        self._views = views
        self._notebooks = notebooks
        self._kernels = kernels
        self._executions = executions
        self._tasks = tasks
        self._policy = policy

    async def create(self, actor: Actor, request: CreateEvidence) -> Evidence:
        """Evidence that runs as soon as it may: at once for a person, else as the policy says.

        Raises:
            NotFound: there is no such proposal.
            IllegalTransition: the proposal has ended.
            NotAllowed: agents may not execute what they wrote, or not outside of the sandbox.
            Unavailable: it is for the sandbox, and there is none on this machine; code `sandbox_unavailable`.
            Conflict: other evidence of the proposal waits for a person, or the decisions accept nothing.
            MergeConflict: what the decisions accept overlaps what the document has become.
            InvalidRequest: a decision about what does not exist, an unknown kernel, or a parameter that no kernel can
                be given or neither notebook declares.
        """
        proposal = self._views.stored(request.proposal_id)
        if proposal.state != "open":
            raise IllegalTransition(
                f"The proposal is {proposal.state}; evidence is for open ones.", state=proposal.state
            )
        ruling = await self._policy.ruling(actor, proposal, request)
        if ruling.awaits_approval:
            self._refuse_second_question(proposal)
        compared = await self._notebooks.asked_for(proposal, request.decisions)
        kernel = await self._kernels.kernel_to_start(compared.proposed, None)
        notebooks = [compared.proposed, *([compared.base] if compared.base else [])]
        given = partial(check_given, allow_unknown=request.allow_unknown)
        await asyncio.to_thread(given, request.parameters, notebooks, kernel)
        evidence = Evidence(
            evidence_id=new_id(),
            proposal_id=proposal.proposal_id,
            author=actor.author,
            awaiting_approval=ruling.awaits_approval,
            sandboxed=ruling.sandboxed,
            base_hash=compared.base_hash,
            proposal_hash=proposal.proposal_hash,
            decisions=compared.decisions,
            code_hash=await asyncio.to_thread(lambda: compared.code_hash),
            repeat_base=request.repeat_base and compared.base is not None,
            include=request.include,
            parameters=request.parameters,
            timeout_seconds=request.timeout_seconds,
            created_at=now(),
        )
        with self._store.transaction():
            self._store.evidence.insert(evidence)
            details = {"proposal_id": proposal.proposal_id, "sandboxed": ruling.sandboxed}
            self._store.audit.append(actor.author, "create_evidence", evidence.evidence_id, details)
            self._store.idempotency.keep(Claim.of(actor, "create_evidence", request.idempotency_key), evidence)
        self._kept.publish(evidence)
        made = self._executions.expire if evidence.awaiting_approval else self._executions.execute
        self._tasks.start(made(evidence.evidence_id))
        return evidence

    async def decide(self, actor: Actor, request: DecideEvidence) -> Evidence:
        """A person lets waiting evidence run, or ends it.

        Raises:
            NotFound: there is no such evidence.
            IllegalTransition: it does not wait for anybody, or its proposal has ended.
        """
        evidence = self._kept.get(request.evidence_id)
        if not evidence.awaiting_approval:
            raise IllegalTransition("This evidence waits for nobody.", state=evidence.state)
        state = self._views.stored(evidence.proposal_id).state
        if request.decision == "allow" and state != "open":
            raise IllegalTransition(f"The proposal is {state}; nothing of it is executed any more.", state=state)
        decided = evidence.changed(awaiting_approval=False)
        if request.decision == "deny":
            message = f"{actor.name} did not let it run."
            decided = decided.model_copy(update={"state": "failed", "message": message, "ended_at": now()})
        with self._store.transaction():
            self._store.evidence.replace(decided)
            details = {"decision": request.decision}
            self._store.audit.append(actor.author, "decide_evidence", evidence.evidence_id, details)
        self._kept.publish(decided)
        if request.decision == "allow":
            self._tasks.start(self._executions.execute(evidence.evidence_id))
        return await self._views.evidence_view(decided)

    async def get(self, _actor: Actor, request: GetEvidence) -> Evidence:
        """The evidence; with ``wait``, at its next change.

        Raises:
            NotFound: there is no such evidence.
        """

        def read() -> Evidence:
            return self._kept.get(request.evidence_id)

        found = await self._events.latest("evidence", request.evidence_id, request, _has_ended, read)
        return await self._views.evidence_view(found)

    def _refuse_second_question(self, proposal: Proposal) -> None:
        # A person is asked one question at a time: a second one in its place could be answered for the first.
        found = self._store.evidence.all(proposal_id=proposal.proposal_id, state="pending")
        if any(evidence.awaiting_approval for evidence in found):
            raise Conflict("Evidence of this proposal waits for a person already.", code="evidence_waits")


def _has_ended(evidence: Evidence) -> bool:
    return evidence.state in ("completed", "failed")
