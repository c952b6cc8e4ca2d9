"""What the server and the runner say to each other, and the interface that both of its forms implement.

Commands go to the runner, events come back; each is one line of JSON. The module imports nothing heavy: a
server, a command line and the runner's own process all start with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Protocol

from pydantic import Field, TypeAdapter

from hermes_lab.model.evidence import Environment
from hermes_lab.model.payload import JsonObject, Notebook, Payload, Sha256, UtcTime
from hermes_lab.model.runs import Cause, CellTiming, ExecutionResult, Progress

DEFAULT_KERNEL_NAME = "python3"
"""What Jupyter runs where a notebook names no kernel."""


class Limits(Payload):
    """What a run may cost before it is bounded; times in seconds, sizes in bytes."""

    start_seconds: float = Field(default=60.0, gt=0, description="Until the kernel answers for the first time")
    grace_seconds: float = Field(default=3.0, ge=0, description="From an interrupt until the kernel is killed")
    unresponsive_seconds: float = Field(
        default=15.0, gt=0, description="How long a kernel's heartbeat may stay away before it counts as frozen"
    )
    cell_output_bytes: int = Field(default=10_000_000, ge=0, description="Of one cell, in the notebook")
    run_output_bytes: int = Field(default=50_000_000, ge=0, description="Of all cells, in the notebook")


class Sandbox(Payload):
    """The kernel is shut off: no network, no home, no other process, one folder to write, one socket to speak to."""

    scratch_folder: str = Field(description="The only folder that it can write; the working folder lies in it")
    tool_socket: str | None = Field(default=None, description="The Unix socket of the server's tool channel")
    readable_folders: list[str] = Field(default_factory=list, description="Besides the system and the interpreter's")
    closed_folders: list[str] = Field(
        default_factory=list, description="Hidden even where they lie in a folder that is readable"
    )


class ExecuteNotebook(Payload):
    """Execute a notebook in a fresh kernel and keep its output notebook on disk.

    ``notebook`` is valid nbformat 4.5 JSON with unique cell ids. ``environment`` is applied over the runner's
    own environment, for the kernel alone; its ``PYTHONPATH`` goes before the one that is there. ``input_path``
    is only recorded, as papermill records it.

    With ``allow_errors`` a run that reached its last cell is `completed` and its result a `success`, as for
    ``nbconvert --allow-errors``; the cells that failed are `failed`, and ``failed_cell`` is the first of them. A cell
    tagged `raises-exception` that raises is `completed`. What ends a run in other ways (a dead kernel, a timeout) is
    no error of a cell, and is not allowed by it.
    """

    kind: Literal["execute"] = "execute"
    run_id: str
    notebook: Notebook
    input_path: str | None = None
    output_path: str = Field(description="Absolute path on this machine; a missing folder is made")
    recorded_output_path: str | None = Field(
        default=None, description="What the notebook records as its output path; null: `output_path`"
    )
    replaces: str = Field(
        default="anything",
        description='What may be there already: "anything", "nothing", or the sha256 of the one file that is replaced',
    )
    working_folder: str = Field(description="Absolute path on this machine")
    parameters: JsonObject = Field(default_factory=dict)
    secret_parameters: dict[str, str] = Field(
        default_factory=dict, description="Environment variables of the kernel; masked in every output, never written"
    )
    prepare_only: bool = Field(default=False, description="Write the notebook with its parameters, start no kernel")
    allow_errors: bool = Field(default=False, description="Go on after a cell that failed")
    kernel_name: str | None = Field(default=None, description="Null: the notebook's own")
    kernel_spec: JsonObject | None = Field(
        default=None,
        description="How that kernel is started, `resource_dir` included; null: the runner looks for it",
    )
    language: str | None = Field(default=None, description="Of the parameters; null: that of the kernel's spec")
    report_mode: bool = Field(default=False, description="Have the sources of all code cells hidden")
    timeout_seconds: float | None = Field(default=None, gt=0, description="For the whole run")
    cell_timeout_seconds: float | None = Field(default=None, gt=0, description="For each cell")
    limits: Limits = Field(default_factory=Limits)
    environment: dict[str, str] = Field(default_factory=dict)
    sandbox: Sandbox | None = Field(default=None, description="Null: the kernel runs as the runner's own user does")
    cancelled: bool = Field(
        default=False, description="It was cancelled while it waited: write the output notebook, start no kernel"
    )


class CancelExecution(Payload):
    """Interrupt a run, and kill its kernel when that does not end it in time."""

    kind: Literal["cancel"] = "cancel"
    run_id: str


class PrepareKernel(Payload):
    """Have a kernel of this kind ready, for a run that will come. ``environment`` is as that of `ExecuteNotebook`."""

    kind: Literal["prepare"] = "prepare"
    kernel_name: str
    kernel_spec: JsonObject | None = Field(default=None, description="As that of `ExecuteNotebook`")
    environment: dict[str, str] = Field(default_factory=dict)


class Ping(Payload):
    """Ask whether the runner's event loop turns; it answers with a `Pong`."""

    kind: Literal["ping"] = "ping"


class Pong(Payload):
    """It does."""

    kind: Literal["pong"] = "pong"


class ExecutionQueued(Payload):
    """The run waits for a free place, has moved up, or has got it. ``position`` 1 is the next, 0 has a place."""

    kind: Literal["queued"] = "queued"
    run_id: str
    position: int


class ExecutionStarted(Payload):
    """The run has left the queue; its output notebook is on disk. ``cells`` are all code cells, `not_run`."""

    kind: Literal["started"] = "started"
    run_id: str
    started_at: UtcTime
    progress: Progress
    cells: list[CellTiming]


class ExecutionProgressed(Payload):
    """The cells that changed since the event before; the rest is as it was."""

    kind: Literal["progressed"] = "progressed"
    run_id: str
    progress: Progress
    cells: list[CellTiming]
    output_path: str | None = Field(
        default=None,
        description="Absolute path of the output notebook from now on: somebody else wrote the file that it was in",
    )


class ExecutionEnded(Payload):
    """How a run ended. ``result`` is null where the runner did not live to see the end (`interrupted`).

    ``cells`` are all code cells of the input notebook. ``output_hash`` is null where no output was written.
    """

    kind: Literal["ended"] = "ended"
    run_id: str
    state: Literal["completed", "failed", "cancelled"]
    cause: Cause | None = None
    message: str | None = None
    ended_at: UtcTime
    progress: Progress
    cells: list[CellTiming] = Field(default_factory=list)
    result: ExecutionResult | None = None
    output_path: str | None = Field(
        default=None, description="Absolute path of the output notebook where it is not the one that was asked for"
    )
    output_hash: Sha256 | None = None
    environment: Environment | None = None


ExecutionEvent = ExecutionQueued | ExecutionStarted | ExecutionProgressed
OnEvent = Callable[[ExecutionEvent], None]
"""Called in the event loop, in order, for each run; must not block."""

OnMessage = Callable[[str, str, JsonObject], None]
"""Called in the event loop with a cell's id, and the type and content of each message that the kernel publishes for it,
before it is in the notebook: for whoever shows outputs while they come. Only within the runner's own process."""

Command = ExecuteNotebook | CancelExecution | PrepareKernel | Ping
COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="kind")])
EVENT: TypeAdapter[ExecutionStarted | ExecutionProgressed | ExecutionEnded | Pong] = TypeAdapter(
    Annotated[ExecutionStarted | ExecutionProgressed | ExecutionEnded | Pong, Field(discriminator="kind")]
)


class NotebookRunner(Protocol):
    """Executes notebooks, in this process or in another one."""

    async def execute(self, request: ExecuteNotebook, on_event: OnEvent) -> ExecutionEnded:
        """Execute a notebook; returns when the run has ended, its kernel is gone and its output is written.

        A failed cell, a dead kernel or a lost runner are answers. ``on_event`` gets an `ExecutionQueued` for each
        position in a queue, one `ExecutionStarted`, and then every change of a cell; the end is the return value alone.
        A run that is stopped before anything of it ran has no `ExecutionStarted`, and its result no duration.
        """

    async def cancel(self, run_id: str) -> None:
        """Ask a run to end as `cancelled`; `execute` returns when it has. An ended run is left alone."""

    async def close(self) -> None:
        """End every run as `interrupted`, kill every kernel, and return when they are gone."""


def kernel_name_of(notebook: Notebook, requested: str | None, default: str = DEFAULT_KERNEL_NAME) -> str:
    """The kernel that a notebook runs in: the one asked for, else its own, else the default."""
    own = notebook.get("metadata", {}).get("kernelspec", {}).get("name")
    name: str = requested or own or default
    # jupyter_client's alias: older tools wrote "python" and mean Jupyter's own kernel
    return DEFAULT_KERNEL_NAME if name == "python" else name


def code_cells_of(notebook: Notebook) -> list[CellTiming]:
    """The code cells of an input notebook, none of them run."""
    cells = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    return [CellTiming(cell_id=cell["id"], state="not_run") for cell in cells]
