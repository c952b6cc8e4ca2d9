"""Runs: a notebook executed in a fresh kernel with parameters, its output notebook always written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from hashlib import sha256
from pathlib import Path

from hermes_lab.engines.contents import Document
from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.papermill import check_known, check_parameters, inspect_parameters
from hermes_lab.engines.secret_names import check_secrets
from hermes_lab.engines.storage import scheme_of
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.parameters import InspectParameters, NotebookParameters
from hermes_lab.model.payload import Notebook, Page, new_id, now
from hermes_lab.model.run_events import FollowRun, RunEvent
from hermes_lab.model.run_records import GetRunRecord, RunRecord
from hermes_lab.model.runs import (
    ENDED,
    CancelRun,
    CreateRun,
    GetRun,
    GetRunCell,
    GetRunNotebook,
    ListRuns,
    Progress,
    RerunRun,
    Run,
    RunCell,
    RunNotebook,
)
from hermes_lab.runner.protocol import kernel_name_of
from hermes_lab.services.events import Events
from hermes_lab.services.executions import Executions, Workplace
from hermes_lab.services.run_places import RunPlaces
from hermes_lab.services.run_records import KernelDescriptions, RunRecords
from hermes_lab.services.tasks import Tasks
from hermes_lab.store import Snapshot, Store

_EVENTS_IN_A_PORTION = 100
_HEARTBEAT_SECONDS = 15.0
"""A connection on which nothing comes for long is taken for dead, by proxies among others."""
_KEPT_BY_A_RERUN = frozenset(
    {
        "input_path",
        "allow_unknown",
        "prepare_only",
        "allow_errors",
        "kernel_name",
        "timeout_seconds",
        "cell_timeout_seconds",
    }
)


class Runs:
    """Create, read, list and cancel runs."""

    def __init__(
        self,
        store: Store,
        events: Events,
        places: RunPlaces,
        executions: Executions,
        records: RunRecords,
        kernel_descriptions: KernelDescriptions,
        tasks: Tasks,
    ) -> None:
        self._store = store
        self._events = events
        self._places = places
        self._executions = executions
        self._records = records
        self._kernel_descriptions = kernel_descriptions
        self._tasks = tasks

    async def create(self, actor: Actor, request: CreateRun) -> Run:
        """A pending run, stored before this returns; it executes when the runner has room.

        Raises:
            InvalidRequest: no notebook, an unknown kernel, a parameter that no kernel can be given.
            Conflict: the output notebook exists and ``overwrite`` is not set, or another run is writing it.
        """
        document = await self._places.read(actor, request.input_path, "input_path")
        return await self._begin(actor, "create_run", request, document)

    async def rerun(self, actor: Actor, request: RerunRun) -> Run:
        """A pending run of what an earlier one ran.

        Raises:
            NotFound: there is no such run, or its notebook is gone.
            InvalidRequest: a secret parameter of the run is missing; or as `create`.
            Conflict: the run is evidence; or as `create`.
        """
        earlier = self._known(request.run_id)
        if earlier.origin == "evidence":
            # What an agent wrote is executed under the policy for that, and not under the one for runs.
            raise Conflict("Evidence is made again by asking for evidence of the proposal.", code="run_is_evidence")
        missing = sorted(set(earlier.secret_parameters) - request.secret_parameters.keys())
        if missing:
            raise InvalidRequest(
                f"The values of secret parameters are not kept: give {', '.join(missing)} again.",
                code="secrets_missing",
                field="secret_parameters",
                names=missing,
            )
        document = await self._document_of(actor, earlier, request)
        kept = {name: getattr(earlier, name) for name in CreateRun.model_fields if name in _KEPT_BY_A_RERUN}
        given = {name: getattr(request, name) for name in ("secret_parameters", "output_path", "overwrite")}
        parameters = earlier.parameters if request.parameters is None else request.parameters
        wanted = CreateRun(**kept, **given, parameters=parameters)
        return await self._begin(actor, "rerun_run", wanted, document, rerun_of=earlier.run_id)

    async def get(self, _actor: Actor, request: GetRun) -> Run:
        """The run; with ``wait``, at its next change.

        Raises:
            NotFound: there is no such run.
        """

        def read() -> Run:
            return self._known(request.run_id)

        if request.until == "changed":
            return await self._events.latest("runs", request.run_id, request, _has_ended, read)
        run_id = read().run_id
        await self._events.until("runs", run_id, request.wait, lambda: self._executions.has_ended(run_id))
        return read()

    async def follow(self, _actor: Actor, request: FollowRun) -> AsyncGenerator[list[RunEvent], None]:
        """The run's events after that one, as they happen, in portions; an empty portion where none came for a while.
        The last one ends it. Events come from the store, so that a slow reader needs no memory.

        Raises:
            NotFound: there is no such run.
        """
        run_id, after = self._known(request.run_id).run_id, request.after
        is_first = True
        while True:
            portion = self._store.run_events.after(run_id, after, _EVENTS_IN_A_PORTION)
            if portion:
                yield portion
                after = portion[-1].sequence
            elif self._executions.has_ended(run_id):
                return
            # Nothing is awaited between looking and waiting: no change is missed.
            elif is_first or not await self._events.changed("runs", run_id, _HEARTBEAT_SECONDS):
                yield []
            is_first = False

    async def list(self, _actor: Actor, request: ListRuns) -> Page[Run]:
        """Runs, newest first."""
        page = self._store.runs.page(
            request.limit, request.cursor, state=request.state, input_path=request.path, origin=request.origin
        )
        return page.model_copy(update={"items": [self._executions.current(run) for run in page.items]})

    async def cancel(self, actor: Actor, request: CancelRun) -> Run:
        """Stop the run and everything that its kernel started. A run that has ended stays as it ended.

        Raises:
            NotFound: there is no such run.
            NotAllowed: agents cancel their own runs alone.
        """
        run = self._known(request.run_id)
        if actor.kind != "human" and run.author != actor.author:
            raise NotAllowed("This run is somebody else's.", code="not_the_author", field="run_id")
        if run.state in ENDED:
            return run
        self._store.audit.append(actor.author, "cancel_run", run.run_id)
        await self._executions.cancel(run.run_id)
        return self._known(run.run_id)

    async def notebook(self, _actor: Actor, request: GetRunNotebook) -> RunNotebook:
        """The run's output notebook as it is now, while the run goes on too.

        Raises:
            NotFound: there is no such run, or it has written nothing yet.
        """
        run = self._known(request.run_id)
        return RunNotebook(run_id=run.run_id, path=run.output_path or "", notebook=await self._output_of(run))

    async def cell(self, _actor: Actor, request: GetRunCell) -> RunCell:
        """One cell of the run's output notebook as it is now.

        Raises:
            NotFound: there is no such run, it has written nothing yet, or it has no such cell.
        """
        run = self._known(request.run_id)
        for index, cell in enumerate((await self._output_of(run))["cells"]):
            if cell["id"] == request.cell_id:
                timing = next((each for each in run.cells if each.cell_id == request.cell_id), None)
                return RunCell(run_id=run.run_id, index=index, cell=cell, timing=timing)
        raise NotFound("The run has no such cell.", code="no_such_cell", field="cell_id")

    async def record(self, _actor: Actor, request: GetRunRecord) -> RunRecord:
        """How the run was made, as far as it is known now.

        Raises:
            NotFound: there is no such run.
        """
        return self._records.record(self._known(request.run_id))

    async def parameters(self, actor: Actor, request: InspectParameters) -> NotebookParameters:
        """What a notebook can be given.

        Raises:
            InvalidRequest, NotFound: no notebook, or an unknown kernel.
        """
        document = await self._places.read(actor, request.path, "path")
        kernel = await self.kernel_of(document.notebook, request.kernel_name)
        inspect = partial(inspect_parameters, path=document.path)
        return await asyncio.to_thread(inspect, document.notebook, kernel.name, kernel.language)

    async def kernel_of(self, notebook: Notebook, asked: str | None) -> KernelDescription:
        """The kernel that a notebook is run with: the one asked for, else its own, else python3.

        Raises:
            InvalidRequest: there is no such kernel here.
        """
        name = kernel_name_of(notebook, asked)
        known = await self._kernel_descriptions()
        if name not in known:
            raise InvalidRequest(
                f"There is no kernel {name!r}; installed: {', '.join(sorted(known))}.",
                code="kernel_not_found",
                field="kernel_name",
            )
        return known[name]

    async def _begin(
        self, actor: Actor, action: str, request: CreateRun, document: Document, rerun_of: str | None = None
    ) -> Run:
        kernel = await self.kernel_of(document.notebook, request.kernel_name)
        if request.parameters:
            await asyncio.to_thread(_check_parameters, document.notebook, request, kernel)
        secrets = {name: value.get_secret_value() for name, value in request.secret_parameters.items()}
        check_secrets(secrets, request.parameters)
        run_id = new_id()
        await self._places.check_output(actor, request)
        output_path, output = self._places.output(request, run_id)
        run = Run(
            run_id=run_id,
            author=actor.author,
            input_path=document.path,
            input_hash=document.hash,
            output_path=output_path,
            parameters=request.parameters,
            secret_parameters=sorted(secrets),
            prepare_only=request.prepare_only,
            allow_unknown=request.allow_unknown,
            allow_errors=request.allow_errors,
            kernel_name=kernel.name,
            timeout_seconds=request.timeout_seconds,
            cell_timeout_seconds=request.cell_timeout_seconds,
            rerun_of=rerun_of,
            created_at=now(),
            progress=progress_of(document.notebook),
        )
        snapshot = await asyncio.to_thread(Snapshot.of, document.text)
        with self._store.transaction():
            replaces = self._replaceable(actor, run, output, request.overwrite)
            self._store.snapshots.keep(snapshot)
            self._store.runs.insert(run)
            self._store.audit.append(actor.author, action, run_id, {"input_path": document.path})
        self._events.publish("runs", run_id, run.state)
        self._tasks.start(self._execute(run, document, output, replaces, secrets))
        return run

    async def _execute(
        self, run: Run, document: Document, output: Path, replaces: str, secrets: dict[str, str]
    ) -> None:
        file = self._places.input_file(document.path)
        remote = run.output_path if run.output_path and scheme_of(run.output_path) else None
        workplace = Workplace(file.parent, file, output, replaces, remote)
        await self._executions.execute(run, document.notebook, workplace, secrets=secrets)

    async def _document_of(self, actor: Actor, earlier: Run, request: RerunRun) -> Document:
        """What is run once more; its folder must be there, for that is where it runs."""
        if request.input == "current":
            return await self._places.read(actor, earlier.input_path, "run_id")
        text = self._store.snapshots.get(earlier.input_hash)
        if text is None or not self._places.input_file(earlier.input_path).parent.is_dir():
            raise NotFound(f"The folder of {earlier.input_path} is gone.", code="no_such_folder", field="run_id")
        return Document(earlier.input_path, text, earlier.input_hash, parse(text, "run_id"))

    def _known(self, run_id: str) -> Run:
        run = self._executions.get(run_id)
        if run is None:
            raise NotFound("There is no such run.", code="no_such_run", field="run_id")
        return run

    def _replaceable(self, actor: Actor, run: Run, output: Path, overwrite: bool) -> str:
        """The sha256 of the file that the run may replace, or "nothing"."""
        path = run.output_path
        if scheme_of(run.input_path) is None and output == self._places.input_file(run.input_path):
            raise Conflict("A run does not write over its input.", code="output_is_input", field="output_path")
        if self._store.runs.all(output_path=path, state={"pending", "running"}):
            raise Conflict(f"Another run is writing {path}.", code="output_in_use", field="output_path")
        if not output.exists():
            return "nothing"
        present = sha256(output.read_bytes()).hexdigest()
        if not (overwrite and self._may_replace(actor, run, present)):
            raise Conflict(f"{path} exists.", code="output_exists", field="output_path")
        return present

    def _may_replace(self, actor: Actor, run: Run, present: str) -> bool:
        # An agent never touches a person's document: it may replace only what a run wrote and nobody edited since.
        if actor.kind == "human":
            return True
        earlier = self._store.runs.find(output_path=run.output_path)
        return earlier is not None and present == earlier.output_hash

    async def _output_of(self, run: Run) -> Notebook:
        text = self._store.snapshots.get(run.output_hash) if run.output_hash else await self._written_so_far(run)
        if text is None:
            raise NotFound("The run has written no output yet.", code="no_output", field="run_id")
        return await asyncio.to_thread(parse, text, "run_id")

    async def _written_so_far(self, run: Run) -> str | None:
        output = self._places.output_file(run)
        if output is None:
            return None
        try:
            return await asyncio.to_thread(output.read_text, encoding="utf-8")
        except FileNotFoundError:
            return None


def _check_parameters(notebook: Notebook, request: CreateRun, kernel: KernelDescription) -> None:
    check_parameters(request.parameters, kernel.name, kernel.language)
    if not request.allow_unknown:
        check_known(notebook, request.parameters, kernel.name, kernel.language)


def progress_of(notebook: Notebook) -> Progress:
    """The code cells of a notebook, none of them done."""
    return Progress(cells_total=sum(cell["cell_type"] == "code" for cell in notebook["cells"]))


def _has_ended(run: Run) -> bool:
    return run.state in ENDED
