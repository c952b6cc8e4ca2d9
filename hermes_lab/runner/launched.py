"""A kernel that is started and connected to, whoever it is for: a run at once, or one that will come."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import psutil
import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from hermes_lab.engines.injection import compose
from hermes_lab.runner.descendants import RUN_MARKER, descendants, kill_run
from hermes_lab.runner.figures import KeptMeter, Meter, NoMeter, PortableMeter
from hermes_lab.runner.keeping import WORKS_HERE, Keeper, Started
from hermes_lab.runner.late_starts import LateStarts
from hermes_lab.runner.patience import ended_within, given_up
from hermes_lab.runner.protocol import Sandbox
from hermes_lab.runner.sandboxed import LOCAL_PROVISIONER, GivenKernelSpec, sandboxed

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS = 0.02
_SECONDS_UNTIL_REAPED = 0.001
_GRACEFUL_SECONDS = 2.0
"""How long a kernel may take over its own exit (``atexit`` hooks) before it is killed."""
_SECONDS_TO_HEED = 0.3
_PROVISIONERS_SECONDS = 10.0
"""How long a provisioner may take over the end of its kernel; Jupyter's own needs 5 s for one that cannot die."""
# What ipykernel does when it is asked to shut down, without signals to its children, which the keeper sees to: it would
# wait for seconds for one that has ended already, and be killed before its own exit hooks ran.
_END_IPYKERNEL = (
    "(lambda loop: loop.add_callback(loop.stop))"
    "(__import__('ipykernel.kernelapp').kernelapp.IPKernelApp.instance().kernel.io_loop)"
)
_SOCKET_PATH_LIMIT = 100
"""Longest path of a Unix socket, in bytes, with room for what Jupyter appends; Linux takes 107, macOS 103."""
_LOG_TAIL_BYTES = 2_000
_RECONNECT_MILLISECONDS = 10


class _KernelManager(AsyncKernelManager):
    """Jupyter's view of a kernel whose command is wrapped in others."""

    wrap: Callable[[list[str]], list[str]] | None = None

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        command: list[str] = super().format_kernel_cmd(extra_arguments)
        return self.wrap(command) if self.wrap is not None else command


def provisioner_of(spec: KernelSpec) -> str:
    """The name of who starts kernels of this spec: Jupyter itself, or a plugin."""
    named = spec.metadata.get("kernel_provisioner", {}).get("provisioner_name")
    return str(named or KernelProvisionerFactory.instance().default_provisioner_name)


def starts_here(spec: KernelSpec) -> bool:
    """Whether kernels of this spec are processes of this machine, started by Jupyter's own provisioner."""
    return provisioner_of(spec) == LOCAL_PROVISIONER


class LaunchedKernel:
    """One kernel, in a folder and, where that works, under a keeper of its own."""

    exited: asyncio.Task[None]
    """Done when the kernel's process has ended, for whatever reason, and with it all that it started."""
    client: AsyncKernelClient

    def __init__(
        self,
        kernel_name: str,
        spec: KernelSpec,
        mark: str,
        working_folder: str | None,
        environment: dict[str, str],
        runtime_folder: Path | None = None,
        sandbox: Sandbox | None = None,
        late_starts: LateStarts | None = None,
    ) -> None:
        self.is_ipykernel = any("ipykernel" in argument for argument in spec.argv)
        self._spec = spec
        self._mark = mark
        self._own_environment = {**environment, RUN_MARKER: mark}
        self._environment = compose(os.environ, self._own_environment)
        self._sandbox = sandbox
        self._keeper: Keeper | None = None
        self._process: psutil.Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._late_starts = late_starts or LateStarts()
        self.awaits_provisioner = False
        """Whether the start is in the hands of the provisioner now."""
        # Short, private and the kernel's alone: what is in it goes with it.
        self.folder = Path(tempfile.mkdtemp(prefix="hermes-", dir=runtime_folder))
        self._working_folder = working_folder or str(self.folder)
        self._context = _context()
        self._manager = _KernelManager(
            kernel_name=kernel_name,
            connection_file=str(self.folder / "kernel.json"),
            transport=self._transport(),
            context=self._context,
            kernel_spec_manager=GivenKernelSpec(spec),
        )
        if sandbox is not None:
            self._manager.ip = str(self.folder / "sockets" / "k")

    def _transport(self) -> str:
        """Unix sockets where the kernel is here and known to speak them, else TCP."""
        fits = len(os.fsencode(self.folder)) + len("/kernel-ipc-1") <= _SOCKET_PATH_LIMIT
        return "ipc" if self.is_ipykernel and starts_here(self._spec) and fits else "tcp"

    async def start(self) -> None:
        """Start the process and connect to it; whether it answers is for the caller to find out.

        May be cancelled at any moment; `stop` then sees to what there is already.

        Raises:
            OSError: its program cannot be started, or not in a sandbox.
        """
        self._starting = asyncio.create_task(self._start())
        # The provisioner is a plugin, and may not heed that it is cancelled: whoever waits for it is free at once.
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        if self._sandbox is not None:
            await self._shut_in(self._sandbox)
        self._keeper = Keeper(with_cgroup=True) if WORKS_HERE and starts_here(self._spec) else None
        self._manager.wrap = self._keeper.command if self._keeper else None
        # History on disk is of no use to a run, and costs it a tenth of its time.
        arguments = ["--HistoryManager.hist_file=:memory:"] if self.is_ipykernel else []
        inherited = {"pass_fds": self._keeper.pass_fds} if self._keeper else {}
        try:
            with self._log.open("ab") as log:
                self.awaits_provisioner = True
                await self._manager.start_kernel(
                    cwd=self._working_folder,
                    env=self._environment,
                    extra_arguments=arguments,
                    stdout=log,
                    stderr=log,
                    **inherited,
                )
                self.awaits_provisioner = False
            if self._keeper is not None:
                await self._keeper.attach()
        except BaseException:
            if self._keeper is not None:
                self._keeper.discard()
                self._keeper = None
            raise
        self._process = self._local_process()
        self.exited = asyncio.create_task(self._watch())
        self.client = self._manager.client(context=self._context)
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

    @property
    def ended_unseen(self) -> bool:
        """Whether the process has ended, and its keeper, which must be stopped, does not say so."""
        if self._keeper is None or not self._keeper.started.done() or self.exited.done():
            return False
        try:
            return psutil.Process(self._keeper.started.result().pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    async def interrupt(self) -> None:
        """Interrupt what the kernel executes, the way that its spec asks for."""
        if not self.exited.done():
            await self._of_provisioner(self._manager.interrupt_kernel(), "interrupt its kernel")

    def heartbeat_socket(self) -> zmq.asyncio.Socket:
        """A new socket on the kernel's heartbeat channel."""
        return cast("zmq.asyncio.Socket", self.client.connect_hb())

    async def started(self) -> Started | None:
        """What its keeper has started; None where there is no keeper, or it started nothing."""
        if self._keeper is None:
            return None
        either: set[asyncio.Future[Any]] = {self._keeper.started, self._keeper.gone}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return self._keeper.started.result() if self._keeper.started.done() else None

    async def meter(self) -> Meter:
        """Measures what the kernel and all that it started cost."""
        started = await self.started()
        if started is not None and self._keeper is not None:
            return KeptMeter(started.keeper_pid, self._keeper.cgroup)
        if self._keeper is None and self._process is not None:
            return PortableMeter(self._process)
        return NoMeter()

    async def stop(self, *, gracefully: bool) -> None:
        """End the kernel and every process that it started, and remove its files. Also one that is still starting."""
        if self._starting is not None and not self._starting.done() and not await given_up(self._starting):
            _LOG.warning("The provisioner %r does not heed that it is cancelled.", provisioner_of(self._spec))
            self._late_starts.add(self._starting, self._mark, lambda: self.stop(gracefully=False))
        if hasattr(self, "exited"):
            await self._end(gracefully=gracefully)
            self.client.stop_channels()
            self.exited.cancel()
        else:
            await self._end_half_started()
        await self._of_provisioner(self._manager.cleanup_resources(), "clean up after its kernel")
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _end_half_started(self) -> None:
        """What a start that came to no end has left, if it came that far."""
        provisioner = self._manager.provisioner
        if provisioner is None:
            return
        if self._process is None:
            self._process = self._local_process()
        seen = await asyncio.to_thread(descendants, self._process) if self._process is not None else set()
        if provisioner.has_process:
            await self._of_provisioner(provisioner.kill(), "kill its kernel")
        await asyncio.to_thread(kill_run, self._mark, seen, self._session)
        if provisioner.has_process:
            await self._of_provisioner(provisioner.wait(), "see the end of its kernel")

    async def _of_provisioner(self, asked: Awaitable[Any], to_do: str) -> None:
        """Have the provisioner do something, unless that takes it too long; what is wrong with it, is logged."""
        task = asyncio.ensure_future(asked)
        if not await ended_within(_PROVISIONERS_SECONDS, task):
            _LOG.warning("The provisioner %r does not %s.", provisioner_of(self._spec), to_do)
        elif not task.cancelled() and task.exception() is not None:
            _LOG.warning("The provisioner %r did not %s: %r", provisioner_of(self._spec), to_do, task.exception())

    async def _end(self, *, gracefully: bool) -> None:
        unkept = await asyncio.to_thread(descendants, self._process) if self._process and not self._keeper else set()
        if gracefully and not self.exited.done():
            await self._ask_to_end()
        if self._keeper is None or not await self._keeper.end():
            # No keeper, or it was killed: what it would have found is looked for.
            await asyncio.to_thread(kill_run, self._mark, unkept, self._session)
        if self._keeper is not None:
            self._keeper.close()
        if not self.exited.done():
            await self._of_provisioner(self._manager.shutdown_kernel(now=True), "end its kernel")
        elif self._manager.provisioner is not None:
            await self._of_provisioner(self._manager.provisioner.wait(), "see the end of its kernel")

    async def _ask_to_end(self) -> None:
        """Have the kernel end by itself, exit hooks and all; it may not heed it in time."""
        if self.is_ipykernel and self._keeper is not None:
            self.client.execute(_END_IPYKERNEL, silent=True, allow_stdin=False)
            await asyncio.wait({self.exited}, timeout=_SECONDS_TO_HEED)
        if not self.exited.done():
            await self._of_provisioner(self._manager.request_shutdown(), "ask its kernel to end")
            await asyncio.wait({self.exited}, timeout=_GRACEFUL_SECONDS)

    async def _watch(self) -> None:
        if self._keeper is not None:
            await asyncio.wait({self._keeper.gone})
        while await self._manager.is_alive():  # noqa: ASYNC110 - a provisioner can only be polled
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS if self._keeper is None else _SECONDS_UNTIL_REAPED)

    async def _shut_in(self, sandbox: Sandbox) -> None:
        """Have the kernel start in a sandbox; the keeper stays outside."""
        if not starts_here(self._spec):
            raise OSError(
                f"Kernels of the provisioner {provisioner_of(self._spec)!r} cannot be shut in a sandbox: that is on "
                "this machine, and started by Jupyter's own."
            )
        if not self.is_ipykernel:
            raise OSError("The sandbox is for kernels that are known to speak over Unix sockets: those of ipykernel.")
        if self._manager.transport != "ipc":
            raise OSError(f"The path of {self.folder} is too long for Unix sockets; set a shorter TMPDIR.")
        inside, self._environment = await asyncio.to_thread(
            sandboxed, self._spec, self.folder, Path(self._working_folder), sandbox, self._own_environment
        )
        self._spec = inside
        self._manager.kernel_spec_manager = GivenKernelSpec(inside)

    def _local_process(self) -> psutil.Process | None:
        """The kernel's process, or its keeper's; none where it runs on another machine, or is gone already."""
        pid: int | None = getattr(self._manager.provisioner, "pid", None)
        try:
            process = psutil.Process(pid) if pid is not None else None
            # A provisioner may tell a process id of another machine, which here is that of somebody else.
            return process if process is not None and process.ppid() == os.getpid() else None
        except (psutil.Error, ValueError):
            return None

    @property
    def _session(self) -> int | None:
        """Jupyter starts every local kernel as the leader of a session, and so does the keeper."""
        if self._keeper is not None and self._keeper.started.done():
            return self._keeper.started.result().pid
        return self._process.pid if self._process is not None else None

    @property
    def _log(self) -> Path:
        return self.folder / "kernel.log"


def _context() -> zmq.asyncio.Context:
    """The process's ZeroMQ, with settings for our sockets alone."""
    context = zmq.asyncio.Context(zmq.Context.instance())
    # What Python has not read yet waits on our side, for a kernel drops what its own side cannot hold.
    context.setsockopt(zmq.RCVHWM, 0)
    # A kernel that is still starting is called again soon; ZeroMQ's own pause is longer than its start is from there.
    context.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MILLISECONDS)
    return context
