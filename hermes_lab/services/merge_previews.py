"""What a merge would write, shown and not written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hermes_lab.model.actors import Actor
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.proposals import MergePreview, PreviewMerge, Proposal
from hermes_lab.services.dependencies import dependencies
from hermes_lab.services.merge_plans import MergePlans
from hermes_lab.services.merging import check_decisions
from hermes_lab.services.views import ProposalViews


class MergePreviews:
    """Previews of merges: the same merge, into the same document, for reading."""

    def __init__(self, plans: MergePlans, views: ProposalViews) -> None:
        self._plans = plans
        self._views = views

    async def preview(self, _actor: Actor, request: PreviewMerge) -> MergePreview:
        """The notebook that a merge would write now. With conflicts it would not be written, and holds what is there
        where the sides overlap. What is applied already is not merged again.

        Raises:
            NotFound: there is no such proposal, or its document is gone.
            InvalidRequest: a decision is about a change or a hunk that does not exist.
        """
        proposal = self._views.stored(request.proposal_id)
        if request.decisions is not None:
            check_decisions(proposal.changes, request.decisions)
        decisions = _pending(proposal, request.decisions)
        current = await self._plans.document(proposal)
        merged = await self._plans.merged(proposal, current, decisions)
        local = None if current is None else current.notebook
        notes = await asyncio.to_thread(dependencies, local, merged.notebook, proposal.changes, decisions)
        return MergePreview(
            proposal_id=proposal.proposal_id,
            current_hash=None if current is None else current.hash,
            notebook=merged.notebook,
            applied=merged.applied,
            conflicts=merged.conflicts,
            dependencies=notes,
        )


def _pending(proposal: Proposal, given: Mapping[str, ChangeDecision] | None) -> dict[str, ChangeDecision]:
    """The decisions about what is not applied: those given, else those that are taken."""
    taken = {change.change_id: change.decision for change in proposal.changes if change.decision is not None}
    applied = {change.change_id for change in proposal.changes if change.state == "applied"}
    decisions = taken if given is None else given
    return {change_id: decision for change_id, decision in decisions.items() if change_id not in applied}
