"""Proposals, their reviews and their merges (DESIGN section 4).

A proposal lives beside its document, which stays byte-identical until a person merges what they accepted.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from hermes_lab.model.actors import Author
from hermes_lab.model.cell_operations import CellOperation
from hermes_lab.model.decisions import ChangeDecision, Decision
from hermes_lab.model.dependencies import DependencyNote
from hermes_lab.model.diffs import Change
from hermes_lab.model.errors import IllegalTransition
from hermes_lab.model.evidence import Evidence
from hermes_lab.model.payload import (
    IdempotencyKey,
    Notebook,
    PageRequest,
    Payload,
    Sha256,
    UtcTime,
    WaitRequest,
)

ProposalState = Literal["open", "merged", "rejected", "withdrawn", "superseded"]
ChangeState = Literal["pending", "applied", "rejected"]
ReviewVerdict = Literal["accept", "reject", "comment"]
EvidenceWord = Literal["none", "awaiting_approval", "pending", "running", "green", "red", "failed"]

_FOLLOWS: dict[ProposalState, frozenset[ProposalState]] = {
    "open": frozenset({"merged", "rejected", "withdrawn", "superseded"}),
    # A person who rejected too much may think again; nothing else reopens a proposal.
    "rejected": frozenset({"open"}),
    "merged": frozenset(),
    "withdrawn": frozenset(),
    "superseded": frozenset(),
}


class ProposedChange(Change):
    """A change of a proposal, with what became of it."""

    state: ChangeState = "pending"
    decision: ChangeDecision | None = None
    rationale: str | None = None


class CreateProposal(Payload):
    """Propose a change to a notebook: the whole notebook or operations on its cells, exactly one of the two."""

    path: str = Field(min_length=1)
    base_hash: Sha256 | None = Field(description="`hash` of get_notebook; null proposes a new notebook")
    title: str = Field(min_length=1, max_length=200)
    rationale: str = Field(default="", max_length=50_000, description="Markdown")
    notebook: Notebook | None = None
    operations: list[CellOperation] | None = Field(default=None, min_length=1, max_length=10_000)
    supersedes: str | None = Field(
        default=None,
        description="proposal_id of an own open proposal on the same path that this one replaces",
    )
    idempotency_key: IdempotencyKey = None

    @model_validator(mode="after")
    def _notebook_or_operations(self) -> CreateProposal:
        if (self.notebook is None) == (self.operations is None):
            raise ValueError("give either notebook or operations")
        if self.base_hash is None and self.notebook is None:
            raise ValueError("a new notebook (base_hash null) is proposed whole, as `notebook`")
        return self


class Comment(Payload):
    """What somebody wrote, about one change or about all of it (``change_id`` null)."""

    change_id: str | None
    text: str


class Review(Payload):
    """One review: who decided what, and when."""

    review_id: str
    author: Author
    created_at: UtcTime
    verdict: ReviewVerdict
    decisions: dict[str, ChangeDecision] = Field(default_factory=dict)
    comments: list[Comment] = Field(default_factory=list)


class Conflict(Payload):
    """Where an accepted change overlaps what the document has become; each side is text, null where deleted."""

    change_id: str
    cell_id: str | None
    where: Literal["source", "cell", "cell_type", "metadata", "position"]
    base: str | None
    local: str | None
    remote: str | None


class Merge(Payload):
    """A merge that was written: from the bytes before to the bytes after."""

    merge_id: str
    author: Author
    merged_at: UtcTime
    before_hash: Sha256 | None = Field(description="null where the merge made the file")
    hash: Sha256
    applied: list[str] = Field(description="change_ids")


class Proposal(Payload):
    """A proposal as it stands now.

    ``stale``, ``conflicted``, ``document_missing``, ``dependencies`` and ``evidence`` are derived at
    each read.
    """

    proposal_id: str
    version: int = 0
    path: str
    base_hash: Sha256 | None
    proposal_hash: Sha256
    title: str
    rationale: str
    author: Author
    state: ProposalState = "open"
    stale: bool = False
    conflicted: bool = False
    document_missing: bool = False
    current_hash: Sha256 | None = None
    supersedes: str | None = None
    superseded_by: str | None = None
    reverts: str | None = Field(default=None, description="merge_id of the merge that this proposal undoes")
    dependencies: list[DependencyNote] = Field(
        default_factory=list, description="What would miss a name if it were merged as it is decided now"
    )
    changes: list[ProposedChange]
    evidence: list[Evidence] = Field(default_factory=list, description="Newest first")
    reviews: list[Review] = Field(default_factory=list, description="Oldest first")
    merges: list[Merge] = Field(default_factory=list, description="Oldest first")
    merge: Merge | None = Field(default=None, description="The last merge")
    created_at: UtcTime
    updated_at: UtcTime

    def moved(self, state: ProposalState, **fields: Any) -> Proposal:
        """This proposal in its next state.

        Raises:
            IllegalTransition: the proposal has ended.
        """
        if state not in _FOLLOWS[self.state]:
            raise IllegalTransition(
                f"The proposal is {self.state} and cannot become {state}.",
                state=self.state,
                proposal_id=self.proposal_id,
            )
        return self.changed(state=state, **fields)

    def changed(self, **fields: Any) -> Proposal:
        """This proposal with other fields, one version on."""
        return self.model_copy(update={"version": self.version + 1, **fields})


class ProposalSummary(Payload):
    """A proposal in a list: what one needs to choose it, without its cells."""

    proposal_id: str
    version: int
    path: str
    title: str
    author: Author
    state: ProposalState
    changes_total: int
    changes_decided: int
    evidence: EvidenceWord
    created_at: UtcTime
    updated_at: UtcTime


class GetProposal(WaitRequest):
    """Which proposal, and how long to wait for a change of it."""

    proposal_id: str


class GetProposalNotebooks(Payload):
    """Which proposal's base and proposed notebooks."""

    proposal_id: str


class ProposalNotebooks(Payload):
    """The two notebooks that a proposal stands between; base is null for a new notebook."""

    proposal_id: str
    base: Notebook | None
    proposed: Notebook


class ListProposals(PageRequest):
    """Proposals, newest first."""

    state: ProposalState | None = None
    path: str | None = None


class ReviewProposal(Payload):
    """Decide about changes, say why.

    The verdict `accept` accepts every change that is not decided, `reject` rejects them and closes the proposal.
    """

    proposal_id: str
    decisions: dict[str, Decision] = Field(default_factory=dict)
    verdict: ReviewVerdict | None = None
    comment: str | None = Field(default=None, max_length=10_000)
    idempotency_key: IdempotencyKey = None


class MergeProposal(Payload):
    """Write the accepted changes into the document as it is now."""

    proposal_id: str
    expected_hash: Sha256 | None = Field(default=None, description="Merge only if the document still has this hash")
    idempotency_key: IdempotencyKey = None


class RevertProposal(Payload):
    """Propose the exact inverse of a merge against what the document is now; of the last one unless named."""

    proposal_id: str
    merge_id: str | None = None
    idempotency_key: IdempotencyKey = None


class RelocateProposal(Payload):
    """Point an open proposal at where its document is now."""

    proposal_id: str
    path: str = Field(min_length=1)


class PreviewMerge(Payload):
    """What a merge would write, without writing it: with these decisions, or with those that are taken."""

    proposal_id: str
    decisions: dict[str, Decision] | None = Field(default=None, description="Default: those of the reviews")


class MergePreview(Payload):
    """The notebook that a merge would write now; with conflicts it would not."""

    proposal_id: str
    current_hash: Sha256 | None = Field(description="null where the document is not there")
    notebook: Notebook
    applied: list[str] = Field(description="change_ids")
    conflicts: list[Conflict]
    dependencies: list[DependencyNote]


class WithdrawProposal(Payload):
    """Take an own proposal back."""

    proposal_id: str
