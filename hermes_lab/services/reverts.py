"""Undoing a merge: a proposal of its inverse against what the document is now, to be reviewed as any other."""

from __future__ import annotations

import asyncio

from hermes_lab.engines.notebook_format import parse
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import Conflict, HermesError, NotFound
from hermes_lab.model.payload import Notebook
from hermes_lab.model.proposals import CreateProposal, Merge, Proposal, RevertProposal
from hermes_lab.services.inverses import Inverse, inverse
from hermes_lab.services.merge_plans import MergePlans
from hermes_lab.services.proposals import Proposals
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

_LONGEST_TITLE = 200


class Reverts:
    """Proposes what undoes a merge and nothing else."""

    def __init__(self, store: Store, views: ProposalViews, plans: MergePlans, proposals: Proposals) -> None:
        self._store = store
        self._views = views
        self._plans = plans
        self._proposals = proposals

    async def revert(self, actor: Actor, request: RevertProposal) -> Proposal:
        """An open proposal that takes back what the merge wrote, and keeps what was written since.

        A merge that made the document is undone cell by cell: a proposal cannot delete a document, and one without
        cells stays.

        Raises:
            NotFound: there is no such proposal or merge, or the document is gone.
            Conflict: nothing was merged (``not_merged``), nothing of it is there any more (``nothing_to_undo``), or the
                merge was made before its notebooks were kept (``merge_not_kept``).
        """
        proposal = self._views.stored(request.proposal_id)
        merge = _chosen(proposal, request.merge_id)
        before = None if merge.before_hash is None else await self._kept(merge.before_hash)
        after = await self._kept(merge.hash)
        current = await self._plans.document(proposal)
        if current is None:
            raise NotFound(f"{proposal.path} is gone.", code="document_missing", field="path", path=proposal.path)
        undone = await asyncio.to_thread(inverse, before, after, current.notebook)
        asked = CreateProposal(
            path=proposal.path,
            base_hash=current.hash,
            title=f"Undo: {proposal.title}"[:_LONGEST_TITLE],
            rationale=_reason(proposal, merge, undone),
            notebook=undone.notebook,
            idempotency_key=request.idempotency_key,
        )
        try:
            return await self._proposals.create(actor, asked, reverts=merge.merge_id)
        except HermesError as error:
            if error.code != "no_changes":
                raise
            raise Conflict("Nothing of the merge is left in the document.", code="nothing_to_undo") from error

    async def _kept(self, digest: str) -> Notebook:
        text = self._store.snapshots.get(digest)
        if text is None:
            raise Conflict("What this merge wrote was not kept.", code="merge_not_kept", field="merge_id")
        return await asyncio.to_thread(parse, text)


def _chosen(proposal: Proposal, merge_id: str | None) -> Merge:
    if not proposal.merges:
        raise Conflict("Nothing of the proposal was merged.", code="not_merged", field="proposal_id")
    if merge_id is None:
        return proposal.merges[-1]
    for merge in proposal.merges:
        if merge.merge_id == merge_id:
            return merge
    raise NotFound("The proposal has no such merge.", code="no_such_merge", field="merge_id")


def _reason(proposal: Proposal, merge: Merge, undone: Inverse) -> str:
    made = "" if merge.before_hash else " It made the notebook, which stays, without its cells."
    moment = f"{merge.merged_at:%Y-%m-%d %H:%M} UTC"
    cells = ", ".join(sorted({f"`{conflict.cell_id or 'notebook'}`" for conflict in undone.newer}))
    newer = f" Changed again since, and taken back with it: {cells}." if cells else ""
    return f"Takes back what the merge of “{proposal.title}” wrote on {moment}.{made}{newer}"
