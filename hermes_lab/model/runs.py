"""Runs: executing a notebook in a fresh kernel, papermill's way (DESIGN sections 4 and 10)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr

from hermes_lab.model.actors import Author
from hermes_lab.model.errors import IllegalTransition
from hermes_lab.model.payload import (
    IdempotencyKey,
    JsonObject,
    Notebook,
    PageRequest,
    Payload,
    Sha256,
    UtcTime,
    WaitRequest,
)

RunState = Literal["pending", "running", "completed", "failed", "cancelled"]
CellState = Literal["not_run", "running", "completed", "failed", "died", "cancelled"]
Cause = Literal[
    "cell_error",
    "kernel_died",
    "timed_out",
    "unresponsive",
    "interrupted",
    "invalid_notebook",
    "invalid_parameters",
    "kernel_not_found",
    "kernel_failed_to_start",
    "output_unwritable",
]
RunOrigin = Literal["request", "evidence"]

ENDED: frozenset[RunState] = frozenset({"completed", "failed", "cancelled"})
_FOLLOWS: dict[RunState, frozenset[RunState]] = {
    "pending": frozenset({"running", "failed", "cancelled"}),
    "running": ENDED,
    "completed": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}


def check_transition(run_id: str, state: RunState, following: RunState) -> None:
    """Raise IllegalTransition where a run cannot move on like this: one that has ended does not move."""
    if following != state and following not in _FOLLOWS[state]:
        raise IllegalTransition(f"The run is {state} and cannot become {following}.", state=state, run_id=run_id)


class FailedCell(Payload):
    """The cell that ended a run. ``index`` counts the cells of the INPUT notebook."""

    index: int
    cell_id: str | None = None
    source: str
    ename: str = Field(description='The exception, or "KernelDied", or "CellTimeout"')
    evalue: str
    traceback: list[str] = Field(default_factory=list)


class ExecutionResult(Payload):
    """What an execution came to; the first five keys are a contract with clients."""

    status: Literal["success", "error"]
    duration_seconds: float | None = Field(
        description="Null where the run was stopped before anything of it ran, while it waited"
    )
    cells_executed: int = Field(description="Code cells that ended, a failed one included")
    failed_cell: FailedCell | None = None
    scraps: JsonObject = Field(default_factory=dict, description="Scrap name -> value")


class Progress(Payload):
    """Code cells of the input notebook: how many there are, how many have ended."""

    cells_total: int
    cells_done: int = 0

    @classmethod
    def of(cls, notebook: Notebook) -> Progress:
        """None of them done."""
        return cls(cells_total=sum(cell["cell_type"] == "code" for cell in notebook["cells"]))


class CellTiming(Payload):
    """How one code cell went, and what it cost. What could not be measured is null."""

    cell_id: str
    state: CellState
    duration_seconds: float | None = None
    cpu_seconds: float | None = Field(
        default=None, description="Processor time of the kernel and of what it started, while the cell ran"
    )
    peak_memory_bytes: int | None = Field(
        default=None, description="The most that the kernel and what it started held at once, while the cell ran"
    )
    output_bytes: int | None = Field(default=None, description="What the cell wrote, all of it")
    spilled_to: str | None = Field(
        default=None, description="The file beside the output notebook that holds what was too much for it"
    )


class CreateRun(Payload):
    """Run a notebook with parameters in a fresh kernel."""

    input_path: str = Field(min_length=1)
    output_path: str | None = Field(
        default=None, min_length=1, description="Default: runs/<notebook name>/<run_id>.ipynb"
    )
    parameters: dict[str, Any] = Field(default_factory=dict)
    secret_parameters: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Reach the kernel as environment variables of these names, are masked in outputs, never stored",
    )
    allow_unknown: bool = Field(
        default=False, description="Inject parameters too that the notebook's cell tagged `parameters` does not have"
    )
    prepare_only: bool = Field(default=False, description="Write the notebook with its parameters, execute nothing")
    allow_errors: bool = Field(default=False, description="Go on after a cell that failed")
    kernel_name: str | None = Field(default=None, description="Default: the notebook's own kernel")
    timeout_seconds: float | None = Field(default=None, gt=0, description="For the whole run")
    cell_timeout_seconds: float | None = Field(default=None, gt=0, description="For each cell")
    overwrite: bool = Field(default=False, description="Replace an output notebook that exists")
    idempotency_key: IdempotencyKey = None


class Run(Payload):
    """A run as it stands now. ``cause`` says why a failed run failed; ``message`` says it in words."""

    run_id: str
    version: int = 0
    state: RunState = "pending"
    cause: Cause | None = None
    message: str | None = None
    origin: RunOrigin = "request"
    author: Author
    input_path: str
    input_hash: Sha256
    output_path: str | None = Field(description="Null for a run that is evidence: its output is kept in the store")
    output_hash: Sha256 | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    secret_parameters: list[str] = Field(default_factory=list, description="Their names; their values are not kept")
    prepare_only: bool = False
    allow_unknown: bool = False
    allow_errors: bool = False
    kernel_name: str
    timeout_seconds: float | None = None
    cell_timeout_seconds: float | None = None
    sandboxed: bool = Field(default=False, description="Whether its kernel is shut off from the rest of the machine")
    queue_position: int | None = Field(default=None, description="While it waits for a free place: 1 is the next")
    rerun_of: str | None = Field(default=None, description="The run that this one repeats")
    created_at: UtcTime
    started_at: UtcTime | None = None
    ended_at: UtcTime | None = None
    progress: Progress
    cells: list[CellTiming] = Field(default_factory=list)
    result: ExecutionResult | None = None


class GetRun(WaitRequest):
    """Which run, and how long to wait for a change of it."""

    run_id: str
    until: Literal["changed", "ended"] = Field(
        default="changed", description="What `wait` waits for: the next change, or the end of the run"
    )


class RunNotebook(Payload):
    """The output notebook of a run as it is on disk now, while the run goes on too."""

    run_id: str
    path: str
    notebook: Notebook


class GetRunNotebook(Payload):
    """Which run's output notebook."""

    run_id: str


class RunCell(Payload):
    """One cell of a run's output notebook as it is on disk now, with what it has written so far."""

    run_id: str
    index: int = Field(description="In the OUTPUT notebook, which may have cells that the input has not")
    cell: JsonObject
    timing: CellTiming | None = Field(description="Null for text, and for a cell that was injected")


class GetRunCell(Payload):
    """Which cell of which run."""

    run_id: str
    cell_id: str


class ListRuns(PageRequest):
    """Runs, newest first."""

    state: RunState | None = None
    path: str | None = Field(default=None, description="Only runs of this input notebook")
    origin: RunOrigin | None = None


class RerunRun(Payload):
    """Run once more what a run ran, with the same or other parameters. The rest is as it was for that run."""

    run_id: str
    input: Literal["same", "current"] = Field(
        default="same", description="The bytes that the run executed, or the notebook as it is now"
    )
    parameters: dict[str, Any] | None = Field(
        default=None, description="Instead of all those of the run; null: the same ones"
    )
    secret_parameters: dict[str, SecretStr] = Field(
        default_factory=dict, description="Must be given again where the run had some, for their values are not kept"
    )
    output_path: str | None = Field(
        default=None, min_length=1, description="Default: runs/<notebook name>/<run_id>.ipynb"
    )
    overwrite: bool = Field(default=False, description="Replace an output notebook that exists")
    idempotency_key: IdempotencyKey = None


class CancelRun(Payload):
    """Which run to stop."""

    run_id: str
