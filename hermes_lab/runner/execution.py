"""One run: a notebook, a fresh kernel, and an honest end whatever happens."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from nbformat.v4 import new_output

from hermes_lab.engines.papermill import add_error_markers
from hermes_lab.engines.scrapbook import read_scraps
from hermes_lab.engines.strict_json import strict
from hermes_lab.model.evidence import Environment
from hermes_lab.model.payload import now
from hermes_lab.model.runs import ExecutionResult, FailedCell
from hermes_lab.runner.account import Account
from hermes_lab.runner.environment import Environments
from hermes_lab.runner.kernels import RunKernel
from hermes_lab.runner.late_starts import LateStarts
from hermes_lab.runner.masking import Secrets
from hermes_lab.runner.outcome import (
    CELL_TIMEOUT,
    KERNEL_DIED,
    KERNEL_UNRESPONSIVE,
    Outcome,
    StopReason,
    failed,
    stopped,
    unwritable,
)
from hermes_lab.runner.output import OutputNotebook
from hermes_lab.runner.outputs import RunOutputs
from hermes_lab.runner.pool import WarmKernels
from hermes_lab.runner.preparation import prepared, specialise
from hermes_lab.runner.protocol import ExecuteNotebook, ExecutionEnded, OnEvent, OnMessage, kernel_name_of
from hermes_lab.runner.session import Session
from hermes_lab.runner.spill import SpillFolder

_LOG = logging.getLogger(__name__)


class Execution:
    """Executes one request, once. Its task must not be cancelled: `stop` ends it in an orderly way."""

    def __init__(
        self,
        request: ExecuteNotebook,
        on_event: OnEvent,
        environments: Environments | None,
        runtime_folder: Path | None = None,
        on_message: OnMessage | None = None,
        warm_kernels: WarmKernels | None = None,
        late_starts: LateStarts | None = None,
    ) -> None:
        self._runtime_folder = runtime_folder
        self._on_message = on_message
        self._warm_kernels = warm_kernels
        self._late_starts = late_starts
        self._request = request
        self._environments = environments
        self._environment: Environment | None = None
        self._stop: asyncio.Future[StopReason] = asyncio.get_running_loop().create_future()
        self._notebook = prepared(request)
        self._kernel_name = kernel_name_of(request.notebook, request.kernel_name)
        self._spec = specialise(self._notebook, request)
        self._secrets = Secrets(request.secret_parameters)
        self._spills = SpillFolder(Path(request.output_path))
        self._account = Account(request, self._notebook, on_event)
        self._output = OutputNotebook(
            self._notebook, Path(request.output_path), request.replaces, request.run_id, self._account.moved
        )

    def stop(self, reason: StopReason) -> None:
        """Have the run end; the first reason stands."""
        if not self._stop.done():
            self._stop.set_result(reason)

    async def run(self) -> ExecutionEnded:
        """Execute the notebook; returns when the kernel is gone and the output is written."""
        began = now()
        try:
            await self._output.open()
        except OSError as error:
            return self._ended(unwritable(error), None, None)
        # What was stopped before that, while it waited for a place, never began: there is nothing to time.
        started_at = None if self._stop.done() else began
        if started_at is not None:
            self._account.run_started(started_at)
        outcome = await self._outcome()
        incomplete = await asyncio.to_thread(self._spills.close)
        if incomplete is not None and outcome.state == "completed":
            outcome = failed("output_unwritable", f"What a cell wrote is not complete: {incomplete}")
        result = self._conclude(outcome, started_at)
        try:
            output_hash = await self._output.close()
        except OSError as error:
            return await self._rescued(unwritable(error), result.model_copy(update={"status": "error"}))
        return self._ended(outcome, result, output_hash, self._output.moved_to)

    async def _rescued(self, outcome: Outcome, result: ExecutionResult) -> ExecutionEnded:
        """The end of a run whose output cannot be written where it belongs: kept elsewhere, or said to be lost."""
        self._account.run_ended(outcome, now())
        try:
            kept, output_hash = await self._output.rescue()
        except OSError as error:
            message = f"{outcome.message}; {error.strerror}."
            return self._ended(replace(outcome, message=message), result, None, self._output.moved_to)
        message = f"{outcome.message}. It is kept in {kept}."
        return self._ended(replace(outcome, message=message), result, output_hash, kept)

    async def _outcome(self) -> Outcome:
        if isinstance(self._spec, Outcome):
            return self._spec
        return await self._in_time(self._spec)

    async def _in_time(self, spec: KernelSpec) -> Outcome:
        timeout = self._request.timeout_seconds
        loop = asyncio.get_running_loop()
        timer = loop.call_later(timeout, self.stop, "timed_out") if timeout is not None else None
        try:
            return await self._in_a_kernel(spec)
        except Exception as error:  # noqa: BLE001 - a defect of ours ends this run, and says so
            _LOG.exception("The run %s broke the runner.", self._request.run_id)
            return failed("interrupted", f"The runner could not go on: {error!r}")
        finally:
            if timer is not None:
                timer.cancel()

    async def _in_a_kernel(self, spec: KernelSpec) -> Outcome:
        if self._stop.done():
            reason = self._stop.result()
            return stopped(reason, self._stop_message(reason)).ends_run or Outcome("cancelled")
        request = self._request
        name, environment = self._kernel_name, request.environment
        variables = {**environment, **request.secret_parameters}
        kernel = RunKernel(
            *(name, spec, request.run_id, request.working_folder, variables, self._runtime_folder),
            sandbox=request.sandbox,
            limits=request.limits,
            warm_kernels=self._warm_kernels,
            late_starts=self._late_starts,
        )
        describing = asyncio.create_task(self._described(spec))
        orderly = False
        try:
            outcome = await Session(
                request,
                self._notebook,
                kernel,
                self._account,
                RunOutputs(request.limits, self._spills),
                self._secrets,
                self._stop,
                self._stop_message,
                self._output.changed,
                self._on_message,
            ).run()
            orderly = outcome.state == "completed" or outcome.cause == "cell_error"
        finally:
            await kernel.stop(gracefully=orderly)
            self._environment = await describing
        return outcome

    async def _described(self, spec: KernelSpec) -> Environment | None:
        if self._environments is None:
            return None
        return await self._environments.describe(self._kernel_name, spec, self._request.environment)

    def _stop_message(self, reason: StopReason) -> str:
        match reason:
            case "cancelled":
                return "The run was cancelled."
            case "interrupted":
                return "The runner was stopped while the run went on."
            case "timed_out":
                return f"The run took longer than its {self._request.timeout_seconds:g} seconds."

    def _conclude(self, outcome: Outcome, started_at: datetime | None) -> ExecutionResult:
        """The result; a cell that failed and did not end the run is told too, the first one of them."""
        ended = now()
        self._account.run_ended(outcome, ended)
        failures = self._account.failures
        result = ExecutionResult(
            status="success" if outcome.state == "completed" else "error",
            duration_seconds=None if started_at is None else (ended - started_at).total_seconds(),
            cells_executed=self._account.cells_executed,
            failed_cell=_storable(outcome.failed_cell or (failures[0] if failures else None)),
            scraps=read_scraps(self._notebook),
        )
        if outcome.failed_cell is not None:
            self._mark(outcome.failed_cell)
        return result

    def _mark(self, failed_cell: FailedCell) -> None:
        """Show the failure in the notebook; the kernel has not, where it died or ran out of time."""
        index, cell = next(
            (index, cell) for index, cell in enumerate(self._notebook["cells"]) if cell["id"] == failed_cell.cell_id
        )
        if failed_cell.ename in {KERNEL_DIED, KERNEL_UNRESPONSIVE, CELL_TIMEOUT}:
            shown = new_output(
                "error", ename=failed_cell.ename, evalue=failed_cell.evalue, traceback=[failed_cell.evalue]
            )
            cell["outputs"].append(shown)
            self._output.changed(cell["id"])
        add_error_markers(self._notebook, index)

    def _ended(
        self, outcome: Outcome, result: ExecutionResult | None, output_hash: str | None, output: Path | None = None
    ) -> ExecutionEnded:
        """``output`` is the output notebook where that is not the one that was asked for."""
        told = self._output.told if output == self._output.moved_to else None
        message = " ".join(filter(None, (outcome.message, told))) or None
        return ExecutionEnded(
            run_id=self._request.run_id,
            state=outcome.state,
            cause=outcome.cause,
            message=strict(self._secrets.masked(message)),
            ended_at=now(),
            progress=self._account.progress,
            cells=self._account.cells,
            result=result,
            output_path=None if output is None else str(output),
            output_hash=output_hash,
            environment=self._environment,
        )


def _storable(failed_cell: FailedCell | None) -> FailedCell | None:
    return FailedCell.model_validate(strict(failed_cell.model_dump())) if failed_cell else None
