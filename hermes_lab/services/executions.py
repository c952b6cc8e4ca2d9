"""Carrying a stored run through the runner: the one place where a run's state moves on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from hermes_lab.engines.paths import Root
from hermes_lab.engines.regular_files import read_regular
from hermes_lab.model.errors import NotFound
from hermes_lab.model.evidence import Environment
from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.model.run_events import replayed
from hermes_lab.model.run_records import RunCircumstances
from hermes_lab.model.runs import ENDED, Run
from hermes_lab.runner.protocol import ExecuteNotebook, ExecutionEnded, Limits, NotebookRunner, Sandbox
from hermes_lab.runner.uploading import execute_and_upload
from hermes_lab.services.events import Events
from hermes_lab.services.kernels import Kernels
from hermes_lab.services.live_runs import LiveRun
from hermes_lab.services.run_records import RunRecords
from hermes_lab.store import Snapshot, Store

_log = logging.getLogger(__name__)

KernelSpecOf = Callable[[str], Awaitable[JsonObject | None]]
"""How the server starts the kernel of this name; None: it knows none."""


def _unseen(_run: Run) -> None:
    """Nobody watches the run."""


@dataclass(frozen=True)
class Workplace:
    """Where a run works: the folder it runs in, the file of its input notebook, the file that its output notebook is
    written to, and what may be there already (see ExecuteNotebook). ``remote`` is the URL where the output is kept,
    too; ``sandbox`` is null where the kernel runs as the server's user does."""

    folder: Path
    document: Path
    output: Path
    replaces: str = "anything"
    remote: str | None = None
    sandbox: Sandbox | None = None


class Executions:
    """Hands runs to the runner and records what becomes of them."""

    def __init__(
        self,
        store: Store,
        events: Events,
        runner: NotebookRunner,
        kernels: Kernels,
        records: RunRecords,
        limits: Limits,
        kernel_spec: KernelSpecOf,
        root: Root,
    ) -> None:
        self._root = root
        self._store = store
        self._events = events
        self._runner = runner
        self._kernels = kernels
        self._records = records
        self._limits = limits
        self._kernel_spec = kernel_spec
        self._live: dict[str, LiveRun] = {}
        self._cancelled: set[str] = set()
        """Those that the runner may not have known of then."""

    async def execute(
        self,
        run: Run,
        notebook: Notebook,
        workplace: Workplace,
        described: KernelDescription | None = None,
        *,
        secrets: dict[str, str] | None = None,
        show: Callable[[Run], None] = _unseen,
        placed: asyncio.Event | None = None,
    ) -> tuple[Run, Environment | None]:
        """Execute the notebook as this stored run; answers the run as it ended, and what it ran in.

        A run that is ``prepare_only`` has its parameters written for the kernel as it is ``described``. ``secrets``
        are the values of its secret parameters, which are kept nowhere. ``show`` is called with the run when it
        starts, when it ends, and now and then in between; ``placed`` is set when it is known whether the run waits
        for a place, and at which position.
        """
        is_file = run.output_path is not None and workplace.remote is None
        api_path = self._root.api_path if is_file else None
        placed = placed or asyncio.Event()
        live = self._live[run.run_id] = LiveRun(run, self._store, self._events, show, placed, api_path)
        observing = asyncio.create_task(self._records.observe(run, workplace.document))
        try:
            kernel_spec = await self._spec(run, described)
            # From here to the runner nothing is awaited: what is cancelled later, the runner is told.
            request = self._request(run, notebook, workplace, secrets or {}, kernel_spec)
            ended = await execute_and_upload(self._runner, request, live.hear)
            output = await asyncio.to_thread(_snapshot, workplace.output, ended)
            await self._keep_record(observing, ended.environment, live)
            return live.end(ended, output), ended.environment
        except Exception as error:
            if live.state not in ENDED:
                live.break_off(f"It broke off: {error}")
            raise
        finally:
            observing.cancel()
            del self._live[run.run_id]
            self._cancelled.discard(run.run_id)
            self._kernels.end(run.run_id)

    async def _spec(self, run: Run, described: KernelDescription | None) -> JsonObject | None:
        """As the server starts the kernel; where none is started, as it is described: a gateway tells no more."""
        if run.prepare_only and described is not None:
            return described.model_dump(include={"argv", "display_name", "language"})
        return await self._kernel_spec(run.kernel_name)

    async def _keep_record(
        self, observing: asyncio.Task[RunCircumstances], environment: Environment | None, live: LiveRun
    ) -> None:
        try:
            self._records.keep(await observing, environment, live.queued_at)
        except Exception:  # noqa: BLE001 - kernel spec managers are plugins; what the run came to holds without it
            _log.exception("How the run %s was made could not be recorded.", live.run.run_id)

    async def cancel(self, run_id: str) -> None:
        """Have the run stopped, whether the runner knows of it yet or not."""
        if run_id in self._live:
            self._cancelled.add(run_id)
        await self._runner.cancel(run_id)

    def current(self, stored: Run) -> Run:
        """A stored run as it is now, here or on another server with this store."""
        live = self._live.get(stored.run_id)
        if live is not None:
            return live.run
        if stored.state in ENDED:
            return stored
        return replayed(stored, self._store.run_events.after(stored.run_id, stored.version))

    def known(self, run_id: str) -> Run:
        """The run as it is now.

        Raises:
            NotFound: there is no such run.
        """
        live = self._live.get(run_id)
        if live is not None:
            return live.run
        stored = self._store.runs.get(run_id)
        if stored is None:
            raise NotFound("There is no such run.", code="no_such_run", field="run_id")
        return self.current(stored)

    def has_ended(self, run_id: str) -> bool:
        """Whether the run has ended."""
        live = self._live.get(run_id)
        if live is not None:
            return live.state in ENDED
        stored = self._store.runs.get(run_id)
        return stored is not None and stored.state in ENDED

    def _request(
        self,
        run: Run,
        notebook: Notebook,
        workplace: Workplace,
        secrets: dict[str, str],
        kernel_spec: JsonObject | None,
    ) -> ExecuteNotebook:
        environment = self._kernels.environment(
            run.run_id,
            origin="run",
            path=run.input_path,
            run_id=run.run_id,
            scratch_folder=workplace.folder if run.origin == "evidence" else None,
        )
        return ExecuteNotebook(
            run_id=run.run_id,
            notebook=notebook,
            input_path=run.input_path,
            output_path=str(workplace.output),
            replaces=workplace.replaces,
            recorded_output_path=workplace.remote,
            working_folder=str(workplace.folder),
            parameters=run.parameters,
            secret_parameters=secrets,
            prepare_only=run.prepare_only,
            allow_errors=run.allow_errors,
            kernel_name=run.kernel_name,
            kernel_spec=kernel_spec,
            timeout_seconds=run.timeout_seconds,
            cell_timeout_seconds=run.cell_timeout_seconds,
            limits=self._limits,
            environment=environment,
            sandbox=workplace.sandbox,
            cancelled=run.run_id in self._cancelled,
        )


def _snapshot(asked: Path, ended: ExecutionEnded) -> Snapshot | None:
    """What the run has written; None where somebody has taken it away or changed it meanwhile."""
    if ended.output_hash is None:
        return None
    output = Path(ended.output_path) if ended.output_path else asked
    try:
        snapshot = Snapshot.of(read_regular(output).decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        _log.warning("The output notebook of a run is gone before it could be kept: %s", error)
        return None
    if snapshot.hash != ended.output_hash:
        _log.warning("The output notebook %s was changed before it could be kept.", output)
        return None
    return snapshot
