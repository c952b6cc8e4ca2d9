"""The runner in the present process: what the runner's own process and the command line are made of."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec

from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.environment import Environments
from hermes_lab.runner.execution import Execution
from hermes_lab.runner.kernels import kernel_spec_of
from hermes_lab.runner.late_starts import LateStarts
from hermes_lab.runner.outcome import StopReason
from hermes_lab.runner.pool import WarmKernels
from hermes_lab.runner.preparation import Preparation
from hermes_lab.runner.protocol import ExecuteNotebook, ExecutionEnded, OnEvent, OnMessage


class InProcessRunner:
    """A `NotebookRunner` whose runs are tasks of the running event loop. It does not bound their number.

    ``runtime_folder`` is where kernels keep their connection files and sockets while they live;
    ``on_message`` hears what the kernels publish. Without ``describes`` nobody is told in which environment a run
    was, and no interpreter is asked for it. ``warm_kernels`` of each kind are started ahead of their runs.
    """

    def __init__(
        self,
        runtime_folder: Path | None = None,
        on_message: OnMessage | None = None,
        *,
        describes: bool = True,
        warm_kernels: int = 0,
    ) -> None:
        self._runtime_folder = runtime_folder
        self._on_message = on_message
        self._environments = Environments() if describes else None
        self._warm_kernels = WarmKernels(warm_kernels, runtime_folder) if warm_kernels else None
        self._late_starts = LateStarts()
        self._describing: asyncio.Task[None] | None = None
        self._executions: dict[str, tuple[Execution | Preparation, asyncio.Task[ExecutionEnded]]] = {}
        self._closing = False

    async def execute(self, request: ExecuteNotebook, on_event: OnEvent) -> ExecutionEnded:
        """See `NotebookRunner.execute`. A cancelled caller still leaves no kernel behind."""
        execution = self._begun(request, on_event)
        if request.cancelled:
            execution.stop("cancelled")
        if self._closing:
            execution.stop("interrupted")
        task = asyncio.create_task(execution.run())
        self._executions[request.run_id] = execution, task
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            execution.stop("interrupted")
            await asyncio.wait({task})
            raise
        finally:
            del self._executions[request.run_id]

    def _begun(self, request: ExecuteNotebook, on_event: OnEvent) -> Execution | Preparation:
        if request.prepare_only:
            return Preparation(request, on_event)
        return Execution(
            *(request, on_event, self._environments, self._runtime_folder, self._on_message, self._warm_kernels),
            self._late_starts,
        )

    def prepare(self, kernel_name: str, environment: dict[str, str], kernel_spec: JsonObject | None = None) -> None:
        """Have a kernel ready for a run that will come, if any are started ahead, and know its environment."""
        if self._warm_kernels is None:
            return
        self._warm_kernels.prepare(kernel_name, environment, kernel_spec)
        if self._environments is not None and self._describing is None:
            try:
                spec = kernel_spec_of(kernel_name, kernel_spec)
            except InvalidRequest:  # whoever runs a notebook in it is told
                return
            self._describing = asyncio.create_task(self._describe(self._environments, kernel_name, spec, environment))

    async def _describe(
        self, environments: Environments, kernel_name: str, spec: KernelSpec, environment: dict[str, str]
    ) -> None:
        await environments.describe(kernel_name, spec, environment)

    async def cancel(self, run_id: str) -> None:
        """See `NotebookRunner.cancel`."""
        self._stop([run_id], "cancelled")

    async def close(self) -> None:
        """See `NotebookRunner.close`. A run that comes later ends as `interrupted`, too."""
        self._closing = True
        tasks = [task for _, task in self._executions.values()]
        self._stop(list(self._executions), "interrupted")
        if tasks:
            await asyncio.wait(tasks)
        if self._describing is not None:
            await asyncio.wait({self._describing})
        if self._warm_kernels is not None:
            await self._warm_kernels.close()
        await self._late_starts.close()

    def _stop(self, run_ids: list[str], reason: StopReason) -> None:
        for run_id in run_ids:
            if run_id in self._executions:
                self._executions[run_id][0].stop(reason)
