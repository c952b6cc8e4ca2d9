"""A notebook before it is executed; and the run that ends there, because nothing else was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from jupyter_client.kernelspec import KernelSpec
from nbformat import NotebookNode, from_dict

from hermes_lab.engines import papermill
from hermes_lab.engines.scrapbook import read_scraps
from hermes_lab.engines.secret_names import check_secrets
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import now
from hermes_lab.model.runs import Cause, ExecutionResult, Progress
from hermes_lab.runner.kernels import kernel_spec_of
from hermes_lab.runner.outcome import Outcome, StopReason, failed, stopped, unwritable
from hermes_lab.runner.output import OutputNotebook
from hermes_lab.runner.protocol import (
    ExecuteNotebook,
    ExecutionEnded,
    ExecutionProgressed,
    ExecutionStarted,
    OnEvent,
    code_cells_of,
    kernel_name_of,
)


def prepared(request: ExecuteNotebook) -> NotebookNode:
    """A copy of the input notebook that is ready for parameters, with the metadata that papermill gives it."""
    copy = from_dict(request.notebook)
    empty = {
        "default_parameters": {},
        "environment_variables": {},
        "parameters": {},
        "version": papermill.version(),
    }
    of_run = copy.metadata.setdefault("papermill", from_dict(empty))
    of_run.update(input_path=request.input_path, output_path=request.recorded_output_path or request.output_path)
    for cell in copy.cells:
        cell.metadata.setdefault("tags", [])
        cell.metadata.setdefault("papermill", from_dict({}))
    return papermill.without_error_markers(copy)


def specialise(notebook: NotebookNode, request: ExecuteNotebook) -> KernelSpec | Outcome:
    """Write the parameters into the notebook in its kernel's language; or why this cannot be."""
    kernel_name = kernel_name_of(request.notebook, request.kernel_name)
    try:
        check_secrets(request.secret_parameters, request.parameters)
        spec = kernel_spec_of(kernel_name, request.kernel_spec)
        papermill.parameterize(notebook, request.parameters, kernel_name, request.language or spec.language)
        if request.report_mode:
            papermill.hide_inputs(notebook)
    except InvalidRequest as error:
        return failed(cast(Cause, error.code), error.message)
    return spec


class Preparation:
    """Writes the notebook with its parameters, as papermill's ``prepare_only`` does: no cell is touched."""

    def __init__(self, request: ExecuteNotebook, on_event: OnEvent) -> None:
        self._request = request
        self._on_event = on_event
        self._cells = code_cells_of(request.notebook)
        self._progress = Progress(cells_total=len(self._cells))
        self._stopped: Outcome | None = None

    def stop(self, reason: StopReason) -> None:
        """Have it end before it begins. Once it has begun it does not last: whoever wants it to stop sees it end."""
        cancelled = reason == "cancelled"
        message = "The run was cancelled." if cancelled else "The runner was stopped before the run began."
        self._stopped = stopped(reason, message).ends_run

    async def run(self) -> ExecutionEnded:
        """Write the notebook; returns when it is on disk."""
        request, began, end = self._request, now(), self._stopped
        notebook = prepared(request)
        spec = specialise(notebook, request)
        if isinstance(spec, Outcome):
            return self._ended(spec)
        if end is not None:
            told = {"run_id": request.run_id, "state": end.state, "cause": end.cause}
            notebook.metadata["hermes"] = from_dict(told)
        output = OutputNotebook(notebook, Path(request.output_path), request.replaces, request.run_id, self._moved)
        try:
            await output.open()
            if end is None:
                self._on_event(
                    ExecutionStarted(
                        run_id=request.run_id, started_at=began, progress=self._progress, cells=self._cells
                    )
                )
            output_hash = await output.close()
        except OSError as error:  # what was prepared can be prepared again: nothing is lost that must be kept elsewhere
            return self._ended(unwritable(error))
        result = ExecutionResult(
            status="success" if end is None else "error",
            duration_seconds=(now() - began).total_seconds() if end is None else None,
            cells_executed=0,
            scraps=read_scraps(notebook),
        )
        outcome = end or Outcome("completed", message="The notebook was prepared; nothing was executed.")
        message = " ".join(filter(None, (outcome.message, output.told)))
        return self._ended(replace(outcome, message=message), result, output_hash, output.moved_to)

    def _moved(self, output: Path) -> None:
        self._on_event(
            ExecutionProgressed(run_id=self._request.run_id, progress=self._progress, cells=[], output_path=str(output))
        )

    def _ended(
        self,
        outcome: Outcome,
        result: ExecutionResult | None = None,
        output_hash: str | None = None,
        output: Path | None = None,
    ) -> ExecutionEnded:
        return ExecutionEnded(
            run_id=self._request.run_id,
            state=outcome.state,
            cause=outcome.cause,
            message=outcome.message,
            ended_at=now(),
            progress=self._progress,
            cells=self._cells,
            result=result,
            output_path=None if output is None else str(output),
            output_hash=output_hash,
        )
