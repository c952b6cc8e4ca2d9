"""Executing notebooks without a server, from Python or a command line."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from hermes_lab.engines import notebook_format
from hermes_lab.engines.papermill import check_known, check_parameters, inspect_parameters
from hermes_lab.engines.secret_names import check_secrets
from hermes_lab.engines.storage import check_storage, read_text, scheme_of
from hermes_lab.model.errors import Conflict, InvalidRequest, NotFound, Unavailable
from hermes_lab.model.parameters import NotebookParameters
from hermes_lab.model.payload import JsonObject, Notebook, new_id
from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.kernels import find_kernel_spec
from hermes_lab.runner.protocol import (
    ExecuteNotebook,
    ExecutionEnded,
    ExecutionEvent,
    Limits,
    NotebookRunner,
    OnEvent,
    kernel_name_of,
)
from hermes_lab.runner.uploading import execute_and_upload

if TYPE_CHECKING:
    from typing_extensions import Unpack


_LOG = logging.getLogger(__name__)


class Options(TypedDict, total=False):
    """How a notebook is executed; times in seconds. Where papermill has an option, this has its meaning."""

    kernel_name: str | None
    """Default: the notebook's own."""
    language: str | None
    """Of the parameters; default: that of the kernel."""
    timeout: float | None
    """For the whole run."""
    cell_timeout: float | None
    """For each cell."""
    start_timeout: float | None
    """Until the kernel answers."""
    cwd: str | Path | None
    """Where the notebook works; default: its own folder, and for a notebook at a URL the present one."""
    secret_parameters: dict[str, str]
    """Environment variables of the kernel; masked in every output, never written."""
    allow_unknown: bool
    """Inject parameters as papermill does: names and types that the notebook does not declare, too."""
    allow_errors: bool
    """Go on after a cell that failed."""
    prepare_only: bool
    """Write the notebook with its parameters, execute nothing."""
    report_mode: bool
    """Have the sources of all code cells hidden."""


def _unheard(_event: ExecutionEvent) -> None:
    """Nobody follows the run."""


class NotebookExecutor:
    """Runs notebooks with papermill's parameters, each in a fresh kernel that is gone when the run is.

    A notebook is a file, or at a URL that papermill has a storage for (``s3://…``); so is its output. ``runner`` is
    where the kernels live; by default this process.
    """

    def __init__(self, runner: NotebookRunner | None = None) -> None:
        self._runner: NotebookRunner = runner or InProcessRunner(describes=False)
        self._made: dict[str, Path] = {}
        """By the run's id: the folder that was made for an output on its way to another storage."""

    async def execute(
        self,
        input_path: str | Path,
        output_path: str | Path,
        parameters: dict[str, Any] | None = None,
        **options: Unpack[Options],
    ) -> JsonObject:
        """Execute a notebook and answer with the fields of an `ExecutionResult`.

        A cell that fails, a kernel that dies and a run that takes longer than ``timeout`` seconds are answers;
        the output notebook is written whatever happens.

        Raises:
            NotFound: there is no such notebook.
            InvalidRequest: it is no notebook, there is no such kernel, or a parameter cannot be written for it.
            Unavailable: the run could not be carried out: no kernel came up, or the output cannot be written.
        """
        ended = await self.run(input_path, output_path, parameters, **options)
        if ended.result is None or ended.cause in {"kernel_failed_to_start", "output_unwritable"}:
            raise Unavailable(ended.message or "The run was lost.", code=ended.cause)
        if ended.output_path is not None:
            _LOG.warning("%s", ended.message)
        return ended.result.model_dump(mode="json")

    async def run(
        self,
        input_path: str | Path,
        output_path: str | Path,
        parameters: dict[str, Any] | None = None,
        *,
        on_event: OnEvent = _unheard,
        **options: Unpack[Options],
    ) -> ExecutionEnded:
        """Like `execute`, for a caller who follows the run and wants all that is known of its end."""
        return await self.carry_out(await self.request(input_path, output_path, parameters, **options), on_event)

    async def request(
        self,
        input_path: str | Path,
        output_path: str | Path,
        parameters: dict[str, Any] | None = None,
        **options: Unpack[Options],
    ) -> ExecuteNotebook:
        """What the runner will be asked, for a caller who wants to see the notebook before `carry_out`.

        Raises:
            As `execute`; nothing was executed, and nothing written.
        """
        request = await asyncio.to_thread(_request, str(input_path), str(output_path), parameters or {}, options)
        if scheme_of(str(output_path)) is not None:
            self._made[request.run_id] = Path(request.output_path).parent
        return request

    async def carry_out(self, request: ExecuteNotebook, on_event: OnEvent = _unheard) -> ExecutionEnded:
        """Execute what `request` answered."""
        ended = await execute_and_upload(self._runner, request, on_event)
        made = self._made.pop(request.run_id, None)
        # Where the upload failed, the only copy is in there.
        if made is not None and ended.cause != "output_unwritable":
            await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)
        return ended

    async def inspect_parameters(
        self, input_path: str | Path, *, kernel_name: str | None = None, language: str | None = None
    ) -> NotebookParameters:
        """The parameters that a notebook declares in its cell tagged `parameters`.

        Raises:
            NotFound: there is no such notebook.
            InvalidRequest: it is no notebook, or there is no such kernel.
        """
        return await asyncio.to_thread(_inspected, str(input_path), kernel_name, language)

    async def close(self) -> None:
        """End what still runs."""
        await self._runner.close()


def _request(input_path: str, output_path: str, parameters: JsonObject, options: Options) -> ExecuteNotebook:
    notebook = _read(input_path)
    secrets = options.get("secret_parameters", {})
    kernel = kernel_name_of(notebook, options.get("kernel_name"))
    language = options.get("language") or find_kernel_spec(kernel).language
    check_parameters(parameters, kernel, language)
    check_secrets(secrets, parameters)
    if not options.get("allow_unknown"):
        check_known(notebook, parameters, kernel, language)
    start_timeout = options.get("start_timeout")
    return ExecuteNotebook(
        run_id=new_id(),
        notebook=notebook,
        input_path=input_path,
        output_path=_local_output(input_path, output_path),
        recorded_output_path=output_path,
        working_folder=str(_working_folder(input_path, options)),
        parameters=parameters,
        secret_parameters=secrets,
        prepare_only=options.get("prepare_only", False),
        allow_errors=options.get("allow_errors", False),
        kernel_name=kernel,
        language=options.get("language"),
        report_mode=options.get("report_mode", False),
        timeout_seconds=options.get("timeout"),
        cell_timeout_seconds=options.get("cell_timeout"),
        limits=Limits() if start_timeout is None else Limits(start_seconds=start_timeout),
    )


def _local_output(input_path: str, output_path: str) -> str:
    """The file that the runner writes."""
    if input_path == output_path or _same_file(input_path, output_path):
        raise Conflict("A run does not overwrite its input.", code="output_exists", field="output_path")
    if scheme_of(output_path) is None:
        return str(Path(output_path).resolve())
    check_storage(output_path, "output_path")
    return str(Path(tempfile.mkdtemp(prefix="hermes-output-")) / output_path.rstrip("/").rpartition("/")[2])


def _same_file(input_path: str, output_path: str) -> bool:
    local = scheme_of(input_path) is None and scheme_of(output_path) is None
    return local and Path(input_path).resolve() == Path(output_path).resolve()


def _working_folder(input_path: str, options: Options) -> Path:
    folder = options.get("cwd")
    if folder is None:
        return Path.cwd() if scheme_of(input_path) else Path(input_path).resolve().parent
    if not Path(folder).is_dir():
        raise InvalidRequest(f"There is no folder {folder}.", code="no_such_folder", field="cwd")
    return Path(folder).resolve()


def _inspected(input_path: str, kernel_name: str | None, language: str | None) -> NotebookParameters:
    notebook = _read(input_path)
    kernel = kernel_name_of(notebook, kernel_name)
    language = language or find_kernel_spec(kernel).language
    return inspect_parameters(notebook, kernel, language, path=input_path)


def _read(path: str) -> Notebook:
    return notebook_format.parse(read_text(path) if scheme_of(path) else _file_text(Path(path)), "input_path")


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"There is no {path}.", code="no_such_notebook", field="input_path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}", code="invalid_notebook", field="input_path") from error
