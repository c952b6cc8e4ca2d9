"""Executing notebooks without a server, from Python or a command line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hermes_lab.engines import notebook_format
from hermes_lab.engines.papermill import check_parameters
from hermes_lab.model.errors import Conflict, InvalidRequest, NotFound, Unavailable
from hermes_lab.model.payload import JsonObject, Notebook, new_id
from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.kernels import find_kernel_spec
from hermes_lab.runner.protocol import (
    ExecuteNotebook,
    ExecutionEnded,
    ExecutionEvent,
    NotebookRunner,
    OnEvent,
    kernel_name_of,
)


def _unheard(_event: ExecutionEvent) -> None:
    """Nobody follows the run."""


class NotebookExecutor:
    """Runs notebooks with papermill's parameters, each in a fresh kernel that is gone when the run is.

    The notebook works in its own folder, as in JupyterLab. ``runner`` is where the kernels live; by default this
    process.
    """

    def __init__(self, runner: NotebookRunner | None = None) -> None:
        self._runner: NotebookRunner = runner or InProcessRunner()

    async def execute(
        self,
        input_path: str | Path,
        output_path: str | Path,
        parameters: dict[str, Any] | None = None,
        *,
        kernel_name: str | None = None,
        timeout: float | None = None,
    ) -> JsonObject:
        """Execute a notebook and answer with the fields of an `ExecutionResult`.

        A cell that fails, a kernel that dies and a run that takes longer than ``timeout`` seconds are answers;
        the output notebook is written whatever happens.

        Raises:
            NotFound: there is no such notebook.
            InvalidRequest: it is no notebook, there is no such kernel, or a parameter cannot be written for it.
            Unavailable: the run could not be carried out: no kernel came up, or the output cannot be written.
        """
        ended = await self.run(
            input_path, output_path, parameters, kernel_name=kernel_name, timeout=timeout, on_event=_unheard
        )
        if ended.result is None or ended.cause in {"kernel_failed_to_start", "output_unwritable"}:
            raise Unavailable(ended.message or "The run was lost.", code=ended.cause)
        return ended.result.model_dump(mode="json")

    async def run(
        self,
        input_path: str | Path,
        output_path: str | Path,
        parameters: dict[str, Any] | None = None,
        *,
        kernel_name: str | None = None,
        timeout: float | None = None,
        on_event: OnEvent = _unheard,
    ) -> ExecutionEnded:
        """Like `execute`, for a caller who follows the run and wants all that is known of its end."""
        request = await asyncio.to_thread(
            _request, Path(input_path), Path(output_path), parameters or {}, kernel_name, timeout
        )
        return await self._runner.execute(request, on_event)

    async def close(self) -> None:
        """End what still runs."""
        await self._runner.close()


def _request(
    input_path: Path,
    output_path: Path,
    parameters: JsonObject,
    kernel_name: str | None,
    timeout: float | None,
) -> ExecuteNotebook:
    source, output = input_path.resolve(), output_path.resolve()
    if source == output:
        raise Conflict("A run does not overwrite its input.", code="output_exists", field="output_path")
    notebook = _read(source)
    kernel = kernel_name_of(notebook, kernel_name)
    check_parameters(parameters, kernel, find_kernel_spec(kernel).language)
    return ExecuteNotebook(
        run_id=new_id(),
        notebook=notebook,
        input_path=str(input_path),
        output_path=str(output),
        working_folder=str(source.parent),
        parameters=parameters,
        kernel_name=kernel,
        timeout_seconds=timeout,
    )


def _read(path: Path) -> Notebook:
    try:
        return notebook_format.parse(path.read_text(encoding="utf-8"), "input_path")
    except FileNotFoundError as error:
        raise NotFound(f"There is no {path}.", code="no_such_notebook", field="input_path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}", code="invalid_notebook", field="input_path") from error
