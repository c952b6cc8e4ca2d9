"""What MCP tools take and answer where that is not a payload of the API itself.

The requests are those of the operations, with what only this door has: waiting for an end, reading in portions. The
answers are what a model needs of the API's answers: no before and after of whole cells, no list of installed packages.
Whatever is cut is counted.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.diffs import ChangeCounts, ChangeKind
from hermes_lab.model.evidence import EvidenceState, Verdict
from hermes_lab.model.evidence_comparisons import ScrapChange
from hermes_lab.model.notebooks import GetNotebook
from hermes_lab.model.payload import JsonObject, Payload, Sha256, WaitSeconds
from hermes_lab.model.proposals import ChangeState, Merge, ProposalState, Review
from hermes_lab.model.review_outcomes import ReviewOutcome, WaitForReview
from hermes_lab.model.runs import Cause, CreateRun, ExecutionResult, FailedCell, Progress, RunState

_NEXT_STEP = Field(default=None, description="What to do now, in words")


class ReadNotebook(GetNotebook):
    """Read a notebook in portions that fit a context window."""

    outputs: bool = Field(default=False, description="Show what the cells printed, as text")
    first_cell: int = Field(
        default=0, ge=0, description="Index of the first cell to show: `next_cell` of the answer before"
    )
    limit_bytes: int = Field(default=60_000, ge=1_000, le=1_000_000, description="Show about so much, in whole cells")


class RunAndWait(CreateRun):
    """Run a notebook with parameters in a fresh kernel, and wait for its end."""

    wait: WaitSeconds = Field(
        default=30, description="Seconds to wait for the end, 60 at most; then go on with get_run"
    )


class AwaitReview(WaitForReview):
    """Wait until a person has said or done something about a proposal."""

    wait: WaitSeconds = Field(default=50, description="Seconds to wait, 60 at most; call again to wait longer")
    since: int | None = Field(
        default=None, ge=0, description="`version` of the answer before: wait for what comes after it"
    )


class OutputText(Payload):
    """One output of a cell, as text. ``left_out`` are the media types that text cannot show."""

    kind: Literal["stream", "display", "result", "error"]
    text: str
    omitted_characters: int = 0
    left_out: list[str] = Field(default_factory=list)


class CellText(Payload):
    """One cell. A source that alone is larger than the limit is cut, and what is missing is counted."""

    index: int
    id: str
    cell_type: Literal["code", "markdown", "raw"]
    source: str
    source_omitted_characters: int = 0
    metadata: JsonObject = Field(default_factory=dict)
    outputs: list[OutputText] = Field(default_factory=list)


class NotebookPortion(Payload):
    """Some cells of a notebook. ``hash`` is the `base_hash` of a proposal; null ``next_cell``: that was the last."""

    path: str
    hash: Sha256
    metadata: JsonObject
    cells_total: int
    cells: list[CellText]
    next_cell: int | None
    outputs_left_out: int = Field(default=0, description="Outputs of the cells shown that are not shown")


class SpilledOutput(Payload):
    """Output of a cell that was too much for the output notebook, which holds its beginning and its end."""

    cell_id: str
    output_bytes: int | None
    spilled_to: str


class RunOutcome(Payload):
    """A run, and what it came to once it has ended."""

    run_id: str
    version: int
    state: RunState
    cause: Cause | None
    message: str | None
    input_path: str
    output_path: str | None
    parameters: JsonObject
    queue_position: int | None = Field(description="While it waits for a free place: 1 is the next")
    progress: Progress
    running_cell_id: str | None = Field(default=None, description="The cell that runs now")
    result: ExecutionResult | None
    spilled: list[SpilledOutput] = Field(default_factory=list)
    scraps_left_out: dict[str, int] = Field(default_factory=dict, description="Large scraps: name -> bytes")
    next_step: str | None = _NEXT_STEP


class ChangeOutcome(Payload):
    """One change of a proposal, and what became of it."""

    change_id: str
    kind: ChangeKind
    cell_id: str | None
    summary: str
    state: ChangeState
    decision: ChangeDecision | None
    rationale: str | None = None


class SideOutcome(Payload):
    """How base or proposal ran."""

    state: RunState
    duration_seconds: float | None = None
    failed_cell: FailedCell | None = None


class EvidenceOutcome(Payload):
    """Whether a proposal runs, and which scraps it changes."""

    evidence_id: str
    version: int
    proposal_id: str
    state: EvidenceState
    awaiting_approval: bool
    verdict: Verdict | None
    stale: bool
    message: str | None
    parameters: JsonObject
    base: SideOutcome | None
    proposal: SideOutcome | None
    scraps: list[ScrapChange]
    scraps_left_out: dict[str, int] = Field(default_factory=dict, description="Large scraps: name -> bytes")
    next_step: str | None = _NEXT_STEP


class EvidenceGlance(Payload):
    """Evidence as a proposal names it; `get_evidence` has the rest."""

    evidence_id: str
    state: EvidenceState
    awaiting_approval: bool
    verdict: Verdict | None
    stale: bool
    message: str | None


class ProposalOutcome(Payload):
    """A proposal, what people decided and wrote, and what was merged."""

    proposal_id: str
    version: int
    path: str
    title: str
    state: ProposalState
    stale: bool
    conflicted: bool
    document_missing: bool
    base_hash: Sha256 | None
    current_hash: Sha256 | None
    changes: list[ChangeOutcome]
    evidence: list[EvidenceGlance] = Field(description="Newest first")
    reviews: list[Review] = Field(description="Oldest first")
    dependencies: list[str] = Field(
        default_factory=list, description="Which cells would miss a name if it were merged as it is decided now"
    )
    dependencies_left_out: int = 0
    merge: Merge | None
    next_step: str | None = _NEXT_STEP


class HeardReview(ReviewOutcome):
    """What people decided and wrote, and what to do about it."""

    next_step: str | None = _NEXT_STEP


class ChangeText(Payload):
    """One difference; ``source_diff`` is a unified diff of the cell's source."""

    change_id: str
    kind: ChangeKind
    cell_id: str | None
    summary: str
    source_diff: str
    omitted_characters: int = 0


class DiffOutcome(Payload):
    """The differences between two notebooks."""

    base_hash: Sha256
    remote_hash: Sha256
    counts: ChangeCounts
    changes: list[ChangeText]
    changes_left_out: int = 0
