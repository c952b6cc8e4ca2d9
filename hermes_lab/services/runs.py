"""Runs: a notebook executed in a fresh kernel with parameters, its output notebook always written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path, PurePosixPath

from hermes_lab.engines.contents import Document, Documents
from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.papermill import check_parameters
from hermes_lab.engines.paths import Root
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from hermes_lab.model.payload import Notebook, Page, new_id, now
from hermes_lab.model.runs import (
    ENDED,
    CancelRun,
    CreateRun,
    GetRun,
    GetRunNotebook,
    ListRuns,
    Progress,
    Run,
    RunNotebook,
)
from hermes_lab.runner.protocol import kernel_name_of
from hermes_lab.services.events import Events
from hermes_lab.services.executions import Executions, Workplace
from hermes_lab.services.tasks import Tasks
from hermes_lab.store import Store

KernelLanguages = Callable[[], Awaitable[dict[str, str]]]
"""The kernels that can be started now: name -> language."""


class Runs:
    """Create, read, list and cancel runs."""

    def __init__(
        self,
        store: Store,
        events: Events,
        documents: Documents,
        root: Root,
        executions: Executions,
        kernel_languages: KernelLanguages,
        tasks: Tasks,
    ) -> None:
        self._store = store
        self._events = events
        self._documents = documents
        self._root = root
        self._executions = executions
        self._kernel_languages = kernel_languages
        self._tasks = tasks

    async def create(self, actor: Actor, request: CreateRun) -> Run:
        """A pending run, stored before this returns; it executes when the runner has room.

        Raises:
            InvalidRequest: no notebook, an unknown kernel, a parameter that no kernel can be given.
            Conflict: the output notebook exists and ``overwrite`` is not set, or another run is writing it.
        """
        document = await self._documents.read(request.input_path, "input_path")
        kernel_name = await self.checked_kernel(document.notebook, request.kernel_name)
        language = await self.language_of(kernel_name)
        await asyncio.to_thread(check_parameters, request.parameters, kernel_name, language)
        run_id = new_id()
        output_path, output = self._output(request, run_id)
        run = Run(
            run_id=run_id,
            author=actor.author,
            input_path=document.path,
            input_hash=document.hash,
            output_path=output_path,
            parameters=request.parameters,
            kernel_name=kernel_name,
            timeout_seconds=request.timeout_seconds,
            created_at=now(),
            progress=progress_of(document.notebook),
        )
        with self._store.transaction():
            replaces = self._replaceable(actor, run, output, request.overwrite)
            self._store.snapshots.put(document.text)
            self._store.runs.insert(run)
            self._store.audit.append(actor.author, "create_run", run_id, {"input_path": document.path})
        self._events.publish("runs", run_id, run.state)
        self._tasks.start(self._execute(run, document, output, replaces))
        return run

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
        text = self._store.snapshots.get(run.output_hash) if run.output_hash else self._written_so_far(run)
        if text is None:
            raise NotFound("The run has written no output yet.", code="no_output", field="run_id")
        return RunNotebook(run_id=run.run_id, path=run.output_path or "", notebook=parse(text, "run_id"))

    async def checked_kernel(self, notebook: Notebook, asked: str | None) -> str:
        """The kernel that a notebook is run with: the one asked for, else its own, else python3.

        Raises:
            InvalidRequest: there is no such kernel here.
        """
        name = kernel_name_of(notebook, asked)
        known = await self._kernel_languages()
        if name not in known:
            raise InvalidRequest(
                f"There is no kernel {name!r}; there are {', '.join(sorted(known))}.",
                code="kernel_not_found",
                field="kernel_name",
            )
        return name

    async def language_of(self, kernel_name: str) -> str:
        """The language of a kernel that checked_kernel gave."""
        return (await self._kernel_languages())[kernel_name]

    async def _execute(self, run: Run, document: Document, output: Path, replaces: str) -> None:
        folder = self._root.resolve(document.path, "input_path").parent
        await self._executions.execute(run, document.notebook, Workplace(folder, output, replaces))

    def _known(self, run_id: str) -> Run:
        run = self._executions.get(run_id)
        if run is None:
            raise NotFound("There is no such run.", code="no_such_run", field="run_id")
        return run

    def _output(self, request: CreateRun, run_id: str) -> tuple[str, Path]:
        stem = PurePosixPath(request.input_path).stem
        path = self._documents.check_path(request.output_path or f"runs/{stem}/{run_id}.ipynb", "output_path")
        return path, self._root.resolve(path, "output_path")

    def _replaceable(self, actor: Actor, run: Run, output: Path, overwrite: bool) -> str:
        """The sha256 of the file that the run may replace, or "nothing"."""
        path = run.output_path
        if output == self._root.resolve(run.input_path, "input_path"):
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

    def _written_so_far(self, run: Run) -> str | None:
        if run.output_path is None:
            return None
        output = self._root.resolve(run.output_path, "output_path")
        return output.read_text(encoding="utf-8") if output.exists() else None


def progress_of(notebook: Notebook) -> Progress:
    """The code cells of a notebook, none of them done."""
    return Progress(cells_total=sum(cell["cell_type"] == "code" for cell in notebook["cells"]))


def _has_ended(run: Run) -> bool:
    return run.state in ENDED
