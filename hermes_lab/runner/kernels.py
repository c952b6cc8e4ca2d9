"""The kernel of a run: started in its own session and folder, and gone with all that it started."""

from __future__ import annotations

import asyncio
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_path

from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.figures import Cost, Meter, NoMeter
from hermes_lab.runner.heartbeat import until_frozen
from hermes_lab.runner.late_starts import LateStarts
from hermes_lab.runner.launched import LaunchedKernel, provisioner_of
from hermes_lab.runner.protocol import Limits, Sandbox

if TYPE_CHECKING:
    from hermes_lab.runner.pool import WarmKernels


def _kernel_folders() -> list[str]:
    """Where Jupyter looks for kernel specs; it would import all of IPython to know the last of these."""
    of_ipython = os.environ.get("IPYTHONDIR") or Path.home() / ".ipython"
    return [*jupyter_path("kernels"), str(Path(of_ipython).expanduser() / "kernels")]


def find_kernel_spec(name: str) -> KernelSpec:
    """The installed kernel spec of that name.

    Raises:
        InvalidRequest: there is none; code `kernel_not_found`, field ``kernel_name``.
    """
    manager = KernelSpecManager(kernel_dirs=_kernel_folders())
    try:
        return manager.get_kernel_spec(name)
    except NoSuchKernel as error:
        installed = ", ".join(sorted(manager.find_kernel_specs())) or "none"
        raise InvalidRequest(
            f"There is no kernel {name!r}; installed: {installed}.", code="kernel_not_found", field="kernel_name"
        ) from error


def kernel_spec_of(name: str, given: JsonObject | None) -> KernelSpec:
    """The kernel spec that was given with the name, as a server knows it; without one, as `find_kernel_spec`.

    Raises:
        InvalidRequest: as `find_kernel_spec`.
    """
    return KernelSpec(**given) if given else find_kernel_spec(name)


class RunKernel:
    """One kernel for one run, used once."""

    exited: asyncio.Task[None]
    """Done when the kernel's process has ended, for whatever reason, and with it all that it started."""
    frozen: asyncio.Task[None]
    """Done when its heartbeat has stayed away for ``limits.unresponsive_seconds``. A busy kernel goes on beating."""
    client: AsyncKernelClient

    kernel_info: JsonObject | None = None
    """What the kernel has said of itself already, on channels that are known to work; None: it is to be asked."""

    def __init__(
        self,
        kernel_name: str,
        spec: KernelSpec,
        run_id: str,
        working_folder: str,
        environment: dict[str, str],
        runtime_folder: Path | None = None,
        *,
        sandbox: Sandbox | None = None,
        limits: Limits | None = None,
        warm_kernels: WarmKernels | None = None,
        late_starts: LateStarts | None = None,
    ) -> None:
        self._kernel_name = kernel_name
        self._spec = spec
        self._run_id = run_id
        self._working_folder = working_folder
        self._environment = environment
        self._runtime_folder = runtime_folder
        self._sandbox = sandbox
        self._limits = limits or Limits()
        self._warm_kernels = warm_kernels
        self._late_starts = late_starts
        self._launched: LaunchedKernel | None = None
        self._meter: Meter = NoMeter()

    async def start(self) -> None:
        """Have a process and be connected to it; whether it answers is for the caller to find out.

        How long that takes is for the caller to bound: it may be cancelled at any moment, and `stop` does the rest.

        Raises:
            OSError: its program cannot be started, or not in a sandbox.
        """
        launched = await self._waiting() or await self._cold()
        self._meter = await launched.meter()
        self.exited = launched.exited
        self.client = launched.client
        self.frozen = asyncio.create_task(self._until_frozen(launched))

    async def _until_frozen(self, launched: LaunchedKernel) -> None:
        """An ipykernel has a heartbeat for certain: one that has answered already, at once."""
        limit, first_limit = self._limits.unresponsive_seconds, math.inf
        if launched.is_ipykernel:
            first_limit = limit if self.kernel_info is not None else self._limits.start_seconds + limit
        await until_frozen(launched.heartbeat_socket(), limit, first_limit)

    async def _waiting(self) -> LaunchedKernel | None:
        """One that was started before."""
        if self._warm_kernels is None or self._sandbox is not None:
            return None
        warm = await self._warm_kernels.take(self._kernel_name, self._spec, self._working_folder, self._environment)
        if warm is None:
            return None
        self._launched, self.kernel_info = warm.launched, warm.kernel_info
        return warm.launched

    async def _cold(self) -> LaunchedKernel:
        self._launched = LaunchedKernel(
            *(self._kernel_name, self._spec, self._run_id, self._working_folder, self._environment),
            self._runtime_folder,
            sandbox=self._sandbox,
            late_starts=self._late_starts,
        )
        await self._launched.start()
        return self._launched

    @property
    def manager(self) -> AsyncKernelManager:
        """Jupyter's view of the kernel."""
        return self._started.manager

    @property
    def awaited_provisioner(self) -> str | None:
        """The name of who starts it, Jupyter itself or a plugin, while that is what its start waits for."""
        waits = self._launched is not None and self._launched.awaits_provisioner
        return provisioner_of(self._spec) if waits else None

    @property
    def last_words(self) -> str:
        """The end of what the process wrote to its own standard output and error."""
        return self._launched.last_words if self._launched is not None else ""

    async def epitaph(self) -> str:
        """How the process ended, for a person to read."""
        return await self._started.epitaph()

    @property
    def ended_unseen(self) -> bool:
        """Whether the process has ended though `exited` does not say so, for who should have seen it is stopped."""
        return self._started.ended_unseen

    async def interrupt(self) -> None:
        """Interrupt what the kernel executes, the way that its spec asks for."""
        await self._started.interrupt()

    @property
    def _started(self) -> LaunchedKernel:
        if self._launched is None:
            raise RuntimeError("the kernel is not started")
        return self._launched

    def measure_begin(self) -> None:
        """A cell begins: count from here. Takes less than 0.1 ms."""
        self._meter.begin()

    def measure_end(self) -> Cost:
        """Processor seconds and peak memory in bytes, of the kernel and all that it started, since `measure_begin`.

        None for what cannot be known: of a kernel on another machine, or one that is gone. Takes about 0.2 ms.
        """
        return self._meter.end()

    async def stop(self, *, gracefully: bool) -> None:
        """End the kernel and every process that it started, and remove its files."""
        self._meter.stop()
        if hasattr(self, "frozen"):
            self.frozen.cancel()
        if self._launched is not None:
            await self._launched.stop(gracefully=gracefully)
