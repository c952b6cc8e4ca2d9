"""What became of a proposal, as its author needs to know it to go on."""

from __future__ import annotations

from pydantic import Field

from hermes_lab.model.actors import Author
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.diffs import Hunk
from hermes_lab.model.payload import Payload, UtcTime, WaitRequest
from hermes_lab.model.proposals import ChangeState, Comment, Merge, ProposalState


class WaitForReview(WaitRequest):
    """Which proposal; with ``wait``, the answer comes at its next review, merge or end.

    Without ``since``, what was said before answers at once. The making of evidence is not waited for.
    """

    proposal_id: str


class ReviewedChange(Payload):
    """What a person made of one change."""

    change_id: str
    state: ChangeState
    decision: ChangeDecision | None = Field(description="null while nobody has decided")
    accepted_hunks: list[str] = Field(default_factory=list, description="hunk_ids")
    rejected_hunks: list[str] = Field(default_factory=list, description="hunk_ids")
    reason: str | None = Field(default=None, description="The last comment that came with a decision about it")
    edited: list[Hunk] = Field(
        default_factory=list, description="From what was proposed to what the person wrote instead"
    )


class Remark(Comment):
    """A comment, by whom and when."""

    author: Author
    created_at: UtcTime


class ReviewOutcome(Payload):
    """Where a proposal stands. ``version`` is what `since` takes to wait for the next change."""

    proposal_id: str
    version: int
    state: ProposalState
    decided: bool = Field(description="Whether every change is decided, or the proposal has ended")
    changes: list[ReviewedChange]
    comments: list[Remark] = Field(description="Oldest first")
    merges: list[Merge] = Field(description="Oldest first")
    superseded_by: str | None = None
