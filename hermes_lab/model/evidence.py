"""Evidence: base and proposal executed with the same parameters, bound to the bytes that ran (DESIGN section 4)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from hermes_lab.model.actors import Author
from hermes_lab.model.decisions import ChangeDecision, Decision
from hermes_lab.model.evidence_comparisons import ScrapChange
from hermes_lab.model.payload import IdempotencyKey, Payload, Sha256, UtcTime, WaitRequest
from hermes_lab.model.runs import ExecutionResult, Progress, Run, RunState

EvidenceState = Literal["pending", "running", "completed", "failed"]
Verdict = Literal["green", "red"]
StaleBecause = Literal["base", "proposal", "environment"]
MergeRequires = Literal["none", "evidence", "green_evidence"]


def _below_the_folder(pattern: str) -> str:
    if pattern.startswith("/") or "\\" in pattern or "\0" in pattern or ".." in pattern.split("/"):
        raise ValueError("must be relative to the notebook's folder, with `/`, and must not lead out of it")
    return pattern


GlobPattern = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_below_the_folder)]


class Environment(Payload):
    """What a notebook ran in.

    ``fingerprint`` is the sha256 of all of it and of the kernel spec (command, variables, metadata). That of an
    interpreter that did not say what it is, is like no other.
    """

    kernel_name: str
    interpreter: str
    interpreter_version: str | None = Field(default=None, description="In its own words; null where it said nothing")
    packages: dict[str, str] = Field(default_factory=dict, description="Distribution -> version")
    fingerprint: Sha256


class EvidenceRun(Payload):
    """One of the executions. The outputs are in the notebook of the run (`get_run_notebook`)."""

    run_id: str
    state: RunState
    progress: Progress
    result: ExecutionResult | None = None

    @classmethod
    def of(cls, run: Run) -> EvidenceRun:
        """What evidence shows of its run."""
        return cls(run_id=run.run_id, state=run.state, progress=run.progress, result=run.result)


class CreateEvidence(Payload):
    """Run base and proposal with the same parameters in scratch copies of the working folder.

    With ``decisions``, what runs is exactly the notebook that a merge with these decisions would write now, and the
    base is the document as it is now.
    """

    proposal_id: str
    decisions: dict[str, Decision] | None = Field(default=None, description="Default: the proposal as a whole")
    repeat_base: bool = Field(
        default=False, description="Run the base twice, to tell what varies by itself from what the change changes"
    )
    include: list[GlobPattern] | None = Field(
        default=None,
        max_length=1000,
        description="What the scratch copies hold besides the notebook: glob patterns from its folder, such as "
        "`data/*.csv`, `**/*.py` or a folder. Default: all of the folder",
    )
    parameters: dict[str, Any] = Field(default_factory=dict)
    allow_unknown: bool = Field(
        default=False, description="Inject parameters too that neither notebook's cell tagged `parameters` has"
    )
    timeout_seconds: float | None = Field(default=None, gt=0, description="For each of the runs, from its own start")
    sandbox: bool | None = Field(
        default=None,
        description="Whether the kernels are shut off from the rest of the machine. Default: as the server's policy "
        "says. Only a person may ask for false",
    )
    idempotency_key: IdempotencyKey = None


class Evidence(Payload):
    """Whether the proposal runs, and what it changes.

    It executes code that an agent wrote: under the policy ``sandbox`` in kernels that are shut off, under ``ask`` it
    stays `pending` with ``awaiting_approval`` until a person answers with `decide_evidence`. ``base`` is null where
    the proposal is a new notebook. ``stale`` is derived at each read: `base` where the document is no longer the one
    that ran, `proposal` where other changes would be merged now or the proposal has ended without a merge,
    `environment` where the kernel would start in another one.
    """

    evidence_id: str
    version: int = 0
    proposal_id: str
    author: Author
    state: EvidenceState = "pending"
    awaiting_approval: bool = False
    sandboxed: bool = Field(default=False, description="Whether its kernels are shut off from the rest of the machine")
    verdict: Verdict | None = None
    stale: bool = False
    stale_because: list[StaleBecause] = Field(default_factory=list, description="What differs from what ran")
    message: str | None = Field(default=None, description="Why it failed or is red, in words")
    base_hash: Sha256 | None
    proposal_hash: Sha256
    decisions: dict[str, ChangeDecision] | None = None
    code_hash: Sha256 | None = Field(
        default=None, description="Of the notebook that ran as the proposal, without results; a merge compares it"
    )
    repeat_base: bool = False
    include: list[str] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: float | None = None
    environment: Environment | None = Field(default=None, description="Of the proposal's execution")
    base_environment: Environment | None = Field(default=None, description="Of the base's, where it was another one")
    notes: list[str] = Field(default_factory=list, description="What else to know of how it was made, in words")
    base: EvidenceRun | None = None
    base_again: EvidenceRun | None = None
    proposal: EvidenceRun | None = None
    scraps: list[ScrapChange] = Field(default_factory=list)
    created_at: UtcTime
    started_at: UtcTime | None = None
    ended_at: UtcTime | None = None

    def changed(self, **fields: Any) -> Evidence:
        """This evidence with other fields, one version on."""
        return self.model_copy(update={"version": self.version + 1, **fields})


class GetEvidence(WaitRequest):
    """Which evidence, and how long to wait for a change of it."""

    evidence_id: str


class DecideEvidence(Payload):
    """A person lets evidence that waits run, or does not."""

    evidence_id: str
    decision: Literal["allow", "deny"]
