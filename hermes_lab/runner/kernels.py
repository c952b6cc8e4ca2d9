"""The kernel of a run: started in its own session and folder, and gone with all that it started."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

import psutil
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager

from hermes_lab.engines.injection import compose
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.runner.descendants import RUN_MARKER, descendants, kill_run
from hermes_lab.runner.protocol import Sandbox
from hermes_lab.runner.sandboxed import GivenKernelSpec, sandboxed

_SECONDS_BETWEEN_LOOKS = 0.02
_GRACEFUL_SECONDS = 2.0
"""How long a kernel may take over its own exit (``atexit`` hooks) before it is killed."""
_SOCKET_PATH_LIMIT = 100
"""Longest path of a Unix socket, in bytes, with room for what Jupyter appends; Linux takes 107, macOS 103."""
_LOG_TAIL_BYTES = 2_000


def find_kernel_spec(name: str) -> KernelSpec:
    """The installed kernel spec of that name.

    Raises:
        InvalidRequest: there is none; code `kernel_not_found`, field ``kernel_name``.
    """
    try:
        return KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel as error:
        raise InvalidRequest(
            f"There is no kernel {name!r} here.", code="kernel_not_found", field="kernel_name"
        ) from error


class RunKernel:
    """One kernel for one run, used once."""

    exited: asyncio.Task[None]
    """Done when the kernel's process has ended, for whatever reason."""
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
    ) -> None:
        self._spec = spec
        self._sandbox = sandbox
        self._own_environment = {**environment, RUN_MARKER: run_id}
        self._run_id = run_id
        self._working_folder = working_folder
        self._environment = {**compose(os.environ, environment), RUN_MARKER: run_id}
        self._process: psutil.Process | None = None
        self._is_ipykernel = any("ipykernel" in argument for argument in spec.argv)
        # Short, private and the kernel's alone: what is in it goes with it.
        self._folder = Path(tempfile.mkdtemp(prefix="hermes-", dir=runtime_folder))
        self._manager = AsyncKernelManager(
            kernel_name=kernel_name,
            connection_file=str(self._folder / "kernel.json"),
            transport=self._transport(),
            context=zmq.asyncio.Context.instance(),
        )
        if sandbox is not None:
            self._manager.ip = str(self._folder / "sockets" / "k")

    def _transport(self) -> str:
        """Unix sockets where the kernel is known to speak them, else loopback TCP."""
        fits = len(os.fsencode(self._folder)) + len("/kernel-ipc-1") <= _SOCKET_PATH_LIMIT
        return "ipc" if self._is_ipykernel and fits else "tcp"

    async def start(self) -> None:
        """Start the process and connect to it; whether it answers is for the caller to find out.

        Raises:
            OSError: its program cannot be started, or not in a sandbox.
        """
        if self._sandbox is not None:
            await self._shut_in(self._sandbox)
        # History on disk is of no use to a run, and costs it a tenth of its time.
        arguments = ["--HistoryManager.hist_file=:memory:"] if self._is_ipykernel else []
        with self._log.open("ab") as log:
            await self._manager.start_kernel(
                cwd=self._working_folder,
                env=self._environment,
                extra_arguments=arguments,
                stdout=log,
                stderr=log,
            )
        self._process = self._local_process()
        self.exited = asyncio.create_task(self._watch())
        self.client = self._manager.client(context=zmq.asyncio.Context.instance())
        self.client.start_channels(stdin=False, hb=False, control=False)

    @property
    def manager(self) -> AsyncKernelManager:
        """Jupyter's view of the kernel."""
        return self._manager

    @property
    def last_words(self) -> str:
        """The end of what the process wrote to its own standard output and error."""
        if not self._log.exists():
            return ""
        return self._log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()

    async def epitaph(self) -> str:
        """How the process ended, for a person to read."""
        status: int | None = None
        if self._manager.provisioner is not None:
            status = await self._manager.provisioner.poll()
        if status is not None and status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}"

    async def interrupt(self) -> None:
        """Interrupt what the kernel executes, the way that its spec asks for."""
        if not self.exited.done():
            await self._manager.interrupt_kernel()

    async def stop(self, *, gracefully: bool) -> None:
        """End the kernel and every process that it started, and remove its files."""
        known = await asyncio.to_thread(descendants, self._process) if self._process else set()
        if gracefully:
            await self._manager.request_shutdown()
            await asyncio.wait({self.exited}, timeout=_GRACEFUL_SECONDS)
        await asyncio.to_thread(kill_run, self._run_id, known, self._session)
        await self._forget()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _forget(self) -> None:
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel(now=True)
        else:
            await self._manager.cleanup_resources()
        if hasattr(self, "client"):
            self.client.stop_channels()
            self.exited.cancel()

    async def _watch(self) -> None:
        while await self._manager.is_alive():  # noqa: ASYNC110 - a provisioner can only be polled
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    async def _shut_in(self, sandbox: Sandbox) -> None:
        """Have the kernel start in a sandbox."""
        if not self._is_ipykernel:
            raise OSError("The sandbox is for kernels that are known to speak over Unix sockets: those of ipykernel.")
        if self._manager.transport != "ipc":
            raise OSError(f"The path of {self._folder} is too long for Unix sockets; set a shorter TMPDIR.")
        inside, self._environment = await asyncio.to_thread(
            sandboxed, self._spec, self._folder, Path(self._working_folder), sandbox, self._own_environment
        )
        self._manager.kernel_spec_manager = GivenKernelSpec(inside)

    def _local_process(self) -> psutil.Process | None:
        """The kernel's process; none where it runs on another machine, or is gone already."""
        pid: int | None = getattr(self._manager.provisioner, "pid", None)
        try:
            return psutil.Process(pid) if pid is not None else None
        except psutil.NoSuchProcess:
            return None

    @property
    def _session(self) -> int | None:
        """Jupyter starts every local kernel as the leader of a session."""
        return self._process.pid if self._process is not None else None

    @property
    def _log(self) -> Path:
        return self._folder / "kernel.log"
