"""The kernel of a run: started in its own session and folder, and gone with all that it started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_path

from hermes_lab.model.errors import InvalidRequest
from hermes_lab.runner.figures import Cost, Meter, NoMeter
from hermes_lab.runner.heartbeat import until_frozen
from hermes_lab.runner.launched import LaunchedKernel
from hermes_lab.runner.protocol import Limits, Sandbox


def _kernel_folders() -> list[str]:
    """Where Jupyter looks for kernel specs; it would import all of IPython to know the last of these."""
    of_ipython = os.environ.get("IPYTHONDIR") or Path.home() / ".ipython"
    return [*jupyter_path("kernels"), str(Path(of_ipython).expanduser() / "kernels")]


def find_kernel_spec(name: str) -> KernelSpec:
    """The installed kernel spec of that name.

    Raises:
        InvalidRequest: there is none; code `kernel_not_found`, field ``kernel_name``.
    """
    try:
        return KernelSpecManager(kernel_dirs=_kernel_folders()).get_kernel_spec(name)
    except NoSuchKernel as error:
        raise InvalidRequest(
            f"There is no kernel {name!r} here.", code="kernel_not_found", field="kernel_name"
        ) from error


class RunKernel:
    """One kernel for one run, used once."""

    exited: asyncio.Task[None]
    """Done when the kernel's process has ended, for whatever reason, and with it all that it started."""
    frozen: asyncio.Task[None]
    """Done when its heartbeat has stayed away for ``limits.unresponsive_seconds``. A busy kernel goes on beating."""
    client: AsyncKernelClient

    def __init__(
        self,
        kernel_name: str,
        spec: KernelSpec,
        run_id: str,
        working_folder: str,
        environment: dict[str, str],
        runtime_folder: Path | None = None,
        sandbox: Sandbox | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._launched = LaunchedKernel(
            kernel_name, spec, run_id, working_folder, environment, runtime_folder, sandbox=sandbox
        )
        self._meter: Meter = NoMeter()

    async def start(self) -> None:
        """Start the process and connect to it; whether it answers is for the caller to find out.

        Raises:
            OSError: its program cannot be started, or not in a sandbox.
        """
        await self._launched.start()
        self._meter = await self._launched.meter()
        self.exited = self._launched.exited
        self.client = self._launched.client
        heartbeat = until_frozen(self._launched.heartbeat_socket(), self._limits.unresponsive_seconds)
        self.frozen = asyncio.create_task(heartbeat)

    @property
    def manager(self) -> AsyncKernelManager:
        """Jupyter's view of the kernel."""
        return self._launched.manager

    @property
    def last_words(self) -> str:
        """The end of what the process wrote to its own standard output and error."""
        return self._launched.last_words

    async def epitaph(self) -> str:
        """How the process ended, for a person to read."""
        return await self._launched.epitaph()

    async def interrupt(self) -> None:
        """Interrupt what the kernel executes, the way that its spec asks for."""
        await self._launched.interrupt()

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
        await self._launched.stop(gracefully=gracefully)
