"""The record of a run: everything that somebody would need who wants to know where its numbers came from."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hermes_lab.model.actors import Author
from hermes_lab.model.evidence import Environment
from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.payload import Payload, Sha256, UtcTime
from hermes_lab.model.runs import Cause, CellTiming, Run, RunOrigin, RunState


class GitRevision(Payload):
    """Where the notebook's repository stood when the run began."""

    revision: str | None = Field(description="The commit; null where there is none yet")
    branch: str | None = Field(description="Null where none is checked out")
    dirty: bool = Field(description="Whether a file of the repository, or the notebook, is not as in that commit")


class RunCircumstances(Payload):
    """What the store keeps of a run's record beside the run itself.

    ``environment_hash`` names the snapshot of the environment, which most runs share.
    """

    run_id: str
    created_at: UtcTime
    queued_at: UtcTime | None
    kernel: KernelDescription | None
    environment_hash: Sha256 | None
    git: GitRevision | None
    host: str
    platform: str
    hermes_lab_version: str
    papermill_version: str


class RunRecord(Payload):
    """All that is known of how a run was made. What could not be found out is null."""

    run_id: str
    rerun_of: str | None
    origin: RunOrigin
    author: Author
    state: RunState
    cause: Cause | None
    input_path: str
    input_hash: Sha256
    output_path: str | None
    output_hash: Sha256 | None
    parameters: dict[str, Any]
    secret_parameters: list[str] = Field(description="Their names; their values are not kept")
    sandboxed: bool
    kernel: KernelDescription | None = None
    environment: Environment | None = Field(default=None, description="The interpreter and the packages it finds")
    git: GitRevision | None = Field(default=None, description="Null where the notebook is in no repository")
    host: str | None = None
    platform: str | None = None
    hermes_lab_version: str | None = None
    papermill_version: str | None = None
    created_at: UtcTime
    queued_at: UtcTime | None = Field(default=None, description="When it began to wait; null: it did not wait")
    started_at: UtcTime | None
    ended_at: UtcTime | None
    cpu_seconds: float | None = Field(description="Of all cells; null where it was not measured")
    peak_memory_bytes: int | None = Field(description="The most that any cell held; null where it was not measured")
    cells: list[CellTiming]

    @classmethod
    def of(cls, run: Run, circumstances: RunCircumstances | None, environment: Environment | None) -> RunRecord:
        """The record of a run; ``circumstances`` is null where the server did not live to see its end."""
        known = {name: getattr(run, name) for name in cls.model_fields if name in Run.model_fields}
        if circumstances is not None:
            known |= {name: getattr(circumstances, name) for name in _CIRCUMSTANCES}
        seconds = [cell.cpu_seconds for cell in run.cells if cell.cpu_seconds is not None]
        peaks = [cell.peak_memory_bytes for cell in run.cells if cell.peak_memory_bytes is not None]
        return cls(
            **known,
            environment=environment,
            cpu_seconds=sum(seconds) if seconds else None,
            peak_memory_bytes=max(peaks, default=None),
        )


class GetRunRecord(Payload):
    """Which run's record."""

    run_id: str


_CIRCUMSTANCES = frozenset(RunRecord.model_fields) & frozenset(RunCircumstances.model_fields) - frozenset(
    Run.model_fields
)
