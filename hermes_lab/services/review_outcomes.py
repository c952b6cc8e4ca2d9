"""What became of a proposal, for its author: decisions, reasons, comments, and what the person wrote instead."""

from __future__ import annotations

from hermes_lab.model.actors import Actor
from hermes_lab.model.proposals import Proposal, ProposedChange
from hermes_lab.model.review_outcomes import Remark, ReviewedChange, ReviewOutcome, WaitForReview
from hermes_lab.services.events import Events
from hermes_lab.services.line_merging import hunks
from hermes_lab.services.merging import is_wanted
from hermes_lab.services.views import ProposalViews


class ReviewOutcomes:
    """Reads where a proposal stands, and waits for people."""

    def __init__(self, events: Events, views: ProposalViews) -> None:
        self._events = events
        self._views = views

    async def wait(self, _actor: Actor, request: WaitForReview) -> ReviewOutcome:
        """The outcome; with ``wait``, as soon as there is one that the caller has not seen.

        With ``since`` that is a later version, else any review or merge; an end always is. Evidence wakes nobody.

        Raises:
            NotFound: there is no such proposal.
        """

        def heard() -> bool:
            proposal = self._views.stored(request.proposal_id)
            if request.since is not None and proposal.version > request.since:
                return True
            said = request.since is None and bool(proposal.reviews or proposal.merges)
            return said or proposal.state != "open"

        await self._events.until("proposals", request.proposal_id, request.wait, heard)
        return outcome_of(self._views.stored(request.proposal_id))


def outcome_of(proposal: Proposal) -> ReviewOutcome:
    """Where the proposal stands."""
    changes = [_reviewed(proposal, change) for change in proposal.changes]
    return ReviewOutcome(
        proposal_id=proposal.proposal_id,
        version=proposal.version,
        state=proposal.state,
        decided=proposal.state != "open" or all(map(_is_decided, proposal.changes)),
        changes=changes,
        comments=[
            Remark(**comment.model_dump(), author=review.author, created_at=review.created_at)
            for review in proposal.reviews
            for comment in review.comments
        ],
        merges=proposal.merges,
        superseded_by=proposal.superseded_by,
    )


def _reviewed(proposal: Proposal, change: ProposedChange) -> ReviewedChange:
    decision = change.decision
    accepted: list[str] = []
    rejected: list[str] = []
    edited = []
    if decision is not None and decision.text is not None and is_wanted(decision):
        # Beside a text of one's own, words about hunks have no effect.
        edited = hunks(change.after["source"] if change.after else "", decision.text)
    elif decision is not None:
        for hunk in change.hunks:
            word = (decision.hunks or {}).get(hunk.hunk_id, decision.decision)
            if word != "undecided":
                (accepted if word == "accept" else rejected).append(hunk.hunk_id)
    return ReviewedChange(
        change_id=change.change_id,
        state=change.state,
        decision=decision,
        accepted_hunks=accepted,
        rejected_hunks=rejected,
        reason=_reason(proposal, change.change_id),
        edited=edited,
    )


def _reason(proposal: Proposal, change_id: str) -> str | None:
    decisions = [review.decisions[change_id] for review in proposal.reviews if change_id in review.decisions]
    return next((decision.comment for decision in reversed(decisions) if decision.comment), None)


def _is_decided(change: ProposedChange) -> bool:
    return change.decision is not None and change.decision.decision != "undecided"
