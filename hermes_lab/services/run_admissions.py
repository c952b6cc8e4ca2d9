"""Admitting runs: what is asked for is checked, stored as a pending run, and sent on its way."""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

from hermes_lab.engines.contents import Document
from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.regular_files import read_regular
from hermes_lab.engines.secret_names import check_secrets
from hermes_lab.engines.storage import scheme_of
from hermes_lab.model.actors import Actor
from hermes_lab.model.claims import Claim
from hermes_lab.model.errors import Conflict, InvalidRequest, NotFound
from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.payload import new_id, now
from hermes_lab.model.runs import CreateRun, Progress, RerunRun, Run
from hermes_lab.services.events import Events
from hermes_lab.services.executions import Executions, Workplace
from hermes_lab.services.installed_kernels import InstalledKernels
from hermes_lab.services.parameters import check_given
from hermes_lab.services.run_places import RunPlaces
from hermes_lab.services.tasks import Tasks
from hermes_lab.store import Snapshot, Store

_SECONDS_FOR_A_PLACE = 2.0
"""How long the answer waits to be told whether the run waits; it takes so long only to a kernel spec manager."""
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


class RunAdmissions:
    """Creates runs, and runs that repeat earlier ones."""

    def __init__(
        self,
        store: Store,
        events: Events,
        places: RunPlaces,
        kernels: InstalledKernels,
        executions: Executions,
        tasks: Tasks,
    ) -> None:
        self._store = store
        self._events = events
        self._places = places
        self._kernels = kernels
        self._executions = executions
        self._tasks = tasks

    async def create(self, actor: Actor, request: CreateRun) -> Run:
        """A pending run, stored before this returns; it executes when the runner has room, and waits at a position.

        Raises:
            InvalidRequest: no notebook, an unknown kernel, a parameter that no kernel can be given.
            Conflict: the output notebook exists and ``overwrite`` is not set, or another run is writing it.
        """
        document = await self._places.read(actor, request.input_path, "input_path")
        claim = Claim.of(actor, "create_run", request.idempotency_key)
        return await self._begin(actor, claim, "create_run", request, document)

    async def rerun(self, actor: Actor, request: RerunRun) -> Run:
        """A pending run of what an earlier one ran.

        Raises:
            NotFound: there is no such run, or its notebook is gone.
            InvalidRequest: a secret parameter of the run is missing; or as `create`.
            Conflict: the run is evidence; or as `create`.
        """
        earlier = self._executions.known(request.run_id)
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
        claim = Claim.of(actor, "rerun_run", request.idempotency_key)
        return await self._begin(actor, claim, "rerun_run", wanted, document, rerun_of=earlier.run_id)

    async def _begin(
        self,
        actor: Actor,
        claim: Claim | None,
        action: str,
        request: CreateRun,
        document: Document,
        rerun_of: str | None = None,
    ) -> Run:
        kernel_of = self._kernels.kernel_of if request.prepare_only else self._kernels.kernel_to_start
        kernel = await kernel_of(document.notebook, request.kernel_name)
        if request.parameters:
            given = partial(check_given, allow_unknown=request.allow_unknown)
            await asyncio.to_thread(given, request.parameters, [document.notebook], kernel)
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
            progress=Progress.of(document.notebook),
        )
        snapshot = await asyncio.to_thread(Snapshot.of, document.text)
        present = await asyncio.to_thread(_present, output, output_path)
        with self._store.transaction():
            replaces = self._replaceable(actor, run, output, present, request.overwrite)
            self._store.snapshots.keep(snapshot)
            self._store.runs.insert(run)
            self._store.audit.append(actor.author, action, run_id, {"input_path": document.path})
            self._store.idempotency.keep(claim, run)
        self._events.publish("runs", run_id, run.state)
        placed = asyncio.Event()
        self._tasks.start(self._execute(run, document, kernel, output, replaces, secrets, placed))
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(placed.wait(), _SECONDS_FOR_A_PLACE)
        return self._executions.known(run_id)

    async def _execute(
        self,
        run: Run,
        document: Document,
        kernel: KernelDescription,
        output: Path,
        replaces: str,
        secrets: dict[str, str],
        placed: asyncio.Event,
    ) -> None:
        file = self._places.input_file(document.path)
        remote = run.output_path if run.output_path and scheme_of(run.output_path) else None
        workplace = Workplace(file.parent, file, output, replaces, remote)
        await self._executions.execute(run, document.notebook, workplace, kernel, secrets=secrets, placed=placed)

    async def _document_of(self, actor: Actor, earlier: Run, request: RerunRun) -> Document:
        """What is run once more; its folder must be there, for that is where it runs."""
        if request.input == "current":
            return await self._places.read(actor, earlier.input_path, "run_id")
        text = self._store.snapshots.get(earlier.input_hash)
        if text is None or not self._places.input_file(earlier.input_path).parent.is_dir():
            raise NotFound(f"The folder of {earlier.input_path} is gone.", code="no_such_folder", field="run_id")
        return Document(earlier.input_path, text, earlier.input_hash, parse(text, "run_id"))

    def _replaceable(self, actor: Actor, run: Run, output: Path, present: str | OSError | None, overwrite: bool) -> str:
        """The sha256 of the file that the run may replace, or "nothing"; ``present`` is what was there just now. The
        runner looks again before it writes."""
        path = run.output_path
        if scheme_of(run.input_path) is None and output == self._places.input_file(run.input_path):
            raise Conflict("A run does not write over its input.", code="output_is_input", field="output_path")
        if self._store.runs.all(output_path=path, state={"pending", "running"}):
            raise Conflict(f"Another run is writing {path}.", code="output_in_use", field="output_path")
        if present is None:
            return "nothing"
        if isinstance(present, OSError):
            message = f"{path} exists, and is nothing that a run replaces: {present.strerror}."
            raise Conflict(message, code="output_exists", field="output_path") from present
        if not (overwrite and self._may_replace(actor, run, present)):
            raise Conflict(f"{path} exists.", code="output_exists", field="output_path")
        return present

    def _may_replace(self, actor: Actor, run: Run, present: str) -> bool:
        # An agent never touches a person's document: it may replace only what a run wrote and nobody edited since.
        if actor.kind == "human":
            return True
        earlier = self._store.runs.find(output_path=run.output_path)
        return earlier is not None and present == earlier.output_hash


def _present(output: Path, path: str) -> str | OSError | None:
    """The sha256 of the file that is there; why it cannot be read, where it is no such file; null: there is none.

    Raises:
        InvalidRequest: no file can be there.
    """
    try:
        return sha256(read_regular(output)).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidRequest(f"{path} is too long for a file.", code="invalid_path", field="output_path") from error
        return error
