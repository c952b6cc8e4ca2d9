"""Reviews: a person decides about changes and says why."""

from __future__ import annotations

from hermes_lab.model.actors import Actor
from hermes_lab.model.claims import Claim
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.errors import IllegalTransition
from hermes_lab.model.payload import new_id, now
from hermes_lab.model.proposals import Comment, Proposal, ProposalState, ProposedChange, Review, ReviewProposal
from hermes_lab.services.events import Events
from hermes_lab.services.merging import check_decisions, is_wanted
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

_ACCEPT = ChangeDecision(decision="accept")
_REJECT = ChangeDecision(decision="reject")


class Reviews:
    """Records decisions; nothing is written into the document before a merge."""

    def __init__(self, store: Store, events: Events, views: ProposalViews) -> None:
        self._store = store
        self._events = events
        self._views = views

    async def review(self, actor: Actor, request: ReviewProposal) -> Proposal:
        """The proposal with the decisions taken.

        A decision can be taken back as long as its change is not applied; a proposal in which every change is
        rejected is closed as `rejected`, and accepting a change of it later opens it again.

        Raises:
            NotFound: there is no such proposal.
            InvalidRequest: a decision is about a change or a hunk that does not exist.
            IllegalTransition: the proposal has ended, or the change is applied already.
        """
        proposal = self._views.changeable(request.proposal_id)
        if proposal.state not in ("open", "rejected"):
            raise IllegalTransition(
                f"The proposal is {proposal.state} and takes no more reviews.", state=proposal.state
            )
        _check(proposal, request.decisions)
        decisions = {**_by_verdict(proposal, request), **request.decisions}
        review = Review(
            review_id=new_id(),
            author=actor.author,
            created_at=now(),
            verdict=request.verdict or "comment",
            decisions=decisions,
            comments=_comments(request),
        )
        reviewed = decided(proposal, decisions, review)
        with self._store.transaction():
            self._store.proposals.advance(proposal, reviewed)
            words = {change_id: decision.decision for change_id, decision in decisions.items()}
            self._store.audit.append(actor.author, "review_proposal", proposal.proposal_id, {"decisions": words})
            self._store.idempotency.keep(Claim.of(actor, "review_proposal", request.idempotency_key), reviewed)
        self._events.publish("proposals", proposal.proposal_id, reviewed.state)
        return await self._views.view(reviewed)


def decided(proposal: Proposal, decisions: dict[str, ChangeDecision], review: Review) -> Proposal:
    """The proposal after these decisions, in the state that follows from them."""
    changes = [_decide(change, decisions.get(change.change_id)) for change in proposal.changes]
    fields = {"changes": changes, "reviews": [*proposal.reviews, review], "updated_at": review.created_at}
    state = state_of(changes)
    return proposal.changed(**fields) if state == proposal.state else proposal.moved(state, **fields)


def state_of(changes: list[ProposedChange]) -> ProposalState:
    """`open` while a change is pending; then `merged` if one was applied, else `rejected` (DESIGN section 4)."""
    states = {change.state for change in changes}
    if "pending" in states:
        return "open"
    return "merged" if "applied" in states else "rejected"


def _decide(change: ProposedChange, decision: ChangeDecision | None) -> ProposedChange:
    if decision is None:
        return change
    state = "rejected" if decision.decision == "reject" and not is_wanted(decision) else "pending"
    # Words about single hunks are kept while the change as a whole is undecided.
    kept = None if decision.decision == "undecided" and decision.hunks is None else decision
    return change.model_copy(update={"state": state, "decision": kept})


def _check(proposal: Proposal, decisions: dict[str, ChangeDecision]) -> None:
    check_decisions(proposal.changes, decisions)
    applied = {change.change_id for change in proposal.changes if change.state == "applied"}
    for change_id in applied & decisions.keys():
        raise IllegalTransition(
            f"The change {change_id!r} is applied.", state="applied", field=f"decisions.{change_id}"
        )


def _by_verdict(proposal: Proposal, request: ReviewProposal) -> dict[str, ChangeDecision]:
    open_changes = [change for change in proposal.changes if change.state != "applied"]
    if request.verdict == "accept":
        return {change.change_id: _ACCEPT for change in open_changes if change.decision is None}
    if request.verdict == "reject":
        return {change.change_id: _REJECT for change in open_changes}
    return {}


def _comments(request: ReviewProposal) -> list[Comment]:
    on_changes = [
        Comment(change_id=change_id, text=decision.comment)
        for change_id, decision in request.decisions.items()
        if decision.comment
    ]
    return [*([Comment(change_id=None, text=request.comment)] if request.comment else []), *on_changes]
