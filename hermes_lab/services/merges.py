"""Merging: what a person accepted goes into the document as it is now (DESIGN section 6)."""

from __future__ import annotations

from hermes_lab.engines.contents import Document
from hermes_lab.model.actors import Actor
from hermes_lab.model.claims import Claim
from hermes_lab.model.errors import Conflict, DocumentMoved, IllegalTransition, MergeConflict
from hermes_lab.model.proposals import MergeProposal, Proposal
from hermes_lab.services.document_claims import DocumentClaim, DocumentClaims
from hermes_lab.services.journal import Journal
from hermes_lab.services.merge_plans import MergePlans
from hermes_lab.services.merging import Merged, accepted
from hermes_lab.services.required_evidence import RequiredEvidence
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

_ATTEMPTS = 5


class Merges:
    """Writes accepted changes, one merge at a time on a path, journalled before the document is touched."""

    def __init__(
        self,
        store: Store,
        views: ProposalViews,
        plans: MergePlans,
        journal: Journal,
        claims: DocumentClaims,
        evidence: RequiredEvidence,
    ) -> None:
        self._store = store
        self._views = views
        self._plans = plans
        self._journal = journal
        self._claims = claims
        self._evidence = evidence

    async def merge(self, actor: Actor, request: MergeProposal) -> Proposal:
        """Write the accepted changes of the proposal into its document.

        Raises:
            NotFound: there is no such proposal, or its document is gone.
            IllegalTransition: the proposal has ended.
            Conflict: nothing is accepted, the document cannot be written, or what would be written has not the
                evidence that this server asks for (code ``evidence_required``).
            DocumentMoved: the document is not the expected one; where none is named: not the one that was there when
                the merge was asked for, for another merge wrote it meanwhile.
            MergeConflict: accepted changes overlap what the document has become; nothing is written.
            Unavailable: the contents manager could not save; what is in the document is whole.
        """
        path = self._views.stored(request.proposal_id).path
        seen = self._store.write_tokens.written(path)
        async with self._claims.hold(path) as claim:
            await self._journal.settle_all_of(claim)
            if request.expected_hash is None and self._store.write_tokens.written(path) != seen:
                current = await self._plans.document(self._views.stored(request.proposal_id))
                raise _moved("Another merge has written the document meanwhile.", current)
            done = await self._merge(actor, request, claim)
        return await self._views.view(done)

    async def _merge(self, actor: Actor, request: MergeProposal, claim: DocumentClaim) -> Proposal:
        """Read, merge, write; once more where somebody saves the document meanwhile, for merging takes a while."""
        answers = Claim.of(actor, "merge_proposal", request.idempotency_key)
        for attempts_left in reversed(range(_ATTEMPTS)):
            proposal = self._mergeable(request.proposal_id, claim)
            with self._views.merging(proposal):
                current = await self._plans.document(proposal)
                if request.expected_hash is not None and request.expected_hash != _hash(current):
                    raise _moved("The document is not the one you expected.", current)
                merged = await self._merged(proposal, current)
                await self._evidence.check(proposal, merged.notebook, current)
                try:
                    write = await self._journal.enter(actor.author, answers, proposal, current, merged, claim)
                    return await self._journal.carry_out(write, merged.notebook, current, claim)
                except DocumentMoved as moved:
                    if not attempts_left or not self._claims.is_good(claim):
                        raise _moved(moved.message, await self._plans.document(proposal)) from moved
        raise AssertionError("the last attempt raises")

    def _mergeable(self, proposal_id: str, claim: DocumentClaim) -> Proposal:
        proposal = self._views.stored(proposal_id)
        if proposal.path != claim.path:
            raise DocumentMoved(f"The document is at {proposal.path} now.", field="proposal_id", path=proposal.path)
        if proposal.state != "open":
            raise IllegalTransition(
                f"The proposal is {proposal.state} and cannot be merged.",
                state=proposal.state,
                proposal_id=proposal_id,
            )
        if not accepted(proposal.changes):
            raise Conflict("No change of the proposal is accepted.", code="nothing_accepted")
        return proposal

    async def _merged(self, proposal: Proposal, current: Document | None) -> Merged:
        merged = await self._plans.merged(proposal, current, accepted(proposal.changes))
        if merged.conflicts:
            raise MergeConflict(
                "Accepted changes overlap what the document has become.",
                current_hash=_hash(current),
                conflicts=[conflict.model_dump(mode="json") for conflict in merged.conflicts],
            )
        return merged


def _moved(message: str, current: Document | None) -> DocumentMoved:
    return DocumentMoved(message, field="expected_hash", current_hash=_hash(current))


def _hash(document: Document | None) -> str | None:
    return None if document is None else document.hash
