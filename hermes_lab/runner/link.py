"""The connection to one runner process, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from hermes_lab.runner.descendants import kill_run
from hermes_lab.runner.flight import Flight
from hermes_lab.runner.keeping import WORKS_HERE, Keeper
from hermes_lab.runner.lines import LINE_LIMIT, read_lines, to_line
from hermes_lab.runner.protocol import EVENT, CancelExecution, Command, Ping, PrepareKernel

_LOG = logging.getLogger(__name__)
_EXIT_SECONDS = 10.0
_KILLED_SECONDS = 12.0
"""How long a keeper may take over the end of all that is below it; it gives up after 5 s in each of its processes."""
_PINGS_EACH_LIMIT = 5
_LONGEST_PAUSE_SECONDS = 5.0
_START_SECONDS = 300.0
"""How long a runner may take until its first answer: it imports much, on a busy machine from a slow disk."""


class LinkLost(Exception):
    """The runner process is gone; its kernels are killed, its files removed. Says how it ended."""


class Link:
    """Speaks to one runner process, which has a keeper of its own where that works."""

    def __init__(
        self,
        child: asyncio.subprocess.Process,
        commands: asyncio.StreamWriter,
        events: asyncio.StreamReader,
        runtime_folder: Path,
        keeper: Keeper | None,
        unresponsive_seconds: float,
    ) -> None:
        self._child = child
        self._commands = commands
        self._events = events
        self._runtime_folder = runtime_folder
        self._keeper = keeper
        self._flights: dict[str, Flight] = {}
        self._writing = asyncio.Lock()
        self._unresponsive_seconds = unresponsive_seconds
        self._answered = asyncio.Event()
        self._end = "ended"
        self.was_useful = False
        """Whether it has brought any run to its end."""
        self._hearing = asyncio.create_task(self._hear())
        self.lost: asyncio.Task[None] = asyncio.create_task(self._until_lost())
        """Done when the process is gone and cleaned up after."""
        self._watching = asyncio.create_task(self._watch())

    @classmethod
    async def open(cls, warm_kernels: int, unresponsive_seconds: float) -> Link:
        """Start a runner process that keeps so many kernels of a kind ready.

        It is killed when its event loop has not turned for ``unresponsive_seconds``.

        Raises:
            OSError: it cannot be started.
        """
        runtime_folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hermes-"))
        program = [sys.executable, "-m", "hermes_lab.runner", str(runtime_folder), str(warm_kernels)]
        keeper = Keeper(_EXIT_SECONDS) if WORKS_HERE else None
        try:
            child = await asyncio.create_subprocess_exec(
                *(keeper.command(program) if keeper else program),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_LIMIT,
                # Python imports from the present folder first, and a person's notebooks may lie in the server's.
                cwd="/",
                start_new_session=True,
                pass_fds=keeper.pass_fds if keeper else (),
            )
        except BaseException:
            if keeper is not None:
                keeper.discard()
            raise
        if child.stdin is None or child.stdout is None:
            raise OSError("the runner process has no pipes")
        if keeper is not None:
            await keeper.attach()
            either: set[asyncio.Future[Any]] = {keeper.started, keeper.gone}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return cls(child, child.stdin, child.stdout, runtime_folder, keeper, unresponsive_seconds)

    @property
    def pid(self) -> int:
        """Process id of the runner."""
        if self._keeper is not None and self._keeper.started.done():
            return self._keeper.started.result().pid
        return self._child.pid

    async def fly(self, flight: Flight, *, cancelled: bool = False) -> None:
        """Have a run executed, or written as one that was ``cancelled``; returns when ``flight.ended`` is known.

        Raises:
            LinkLost: the process went away first.
        """
        run_id = flight.request.run_id
        self._flights[run_id] = flight
        try:
            await self._tell(flight.request.model_copy(update={"cancelled": cancelled}))
            either: set[asyncio.Future[Any]] = {flight.ended, self.lost}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._flights[run_id]
        if not flight.ended.done():
            when = "while the run went on" if flight.started else "before the run began"
            raise LinkLost(f"The runner process {self._end} {when}.")

    async def cancel(self, run_id: str) -> None:
        """Ask for the end of a run, if it is here."""
        if run_id in self._flights:
            await self._tell(CancelExecution(run_id=run_id))

    async def prepare(self, prepare: PrepareKernel) -> None:
        """Have a kernel made ready."""
        await self._tell(prepare)

    async def close(self) -> None:
        """Have the process end its runs and exit; kill it when it does not."""
        self._watching.cancel()
        self._commands.close()
        if self._keeper is not None:
            await self._keeper.end()
        done, _ = await asyncio.wait({self.lost}, timeout=_EXIT_SECONDS)
        if not done:
            self._kill_at_once()
            await self._until_unheard()
            await self.lost

    async def _tell(self, command: Command) -> None:
        async with self._writing:
            # Where the process is gone, `lost` says so, and better.
            with contextlib.suppress(ConnectionError):
                self._commands.write(to_line(command))
                await self._commands.drain()

    async def _hear(self) -> None:
        async for line in read_lines(self._events):
            event = EVENT.validate_python(line)
            self._answered.set()
            if event.kind == "pong":
                continue
            self.was_useful = self.was_useful or event.kind == "ended"
            if event.run_id in self._flights:
                self._flights[event.run_id].heard(event)

    async def _until_lost(self) -> None:
        await asyncio.wait({self._hearing})
        self._watching.cancel()
        if not await self._cleaned_up():
            for run_id in list(self._flights):
                await asyncio.to_thread(kill_run, run_id)
        if self._keeper is not None:
            self._keeper.close()
        await asyncio.to_thread(shutil.rmtree, self._runtime_folder, ignore_errors=True)
        if not self._hearing.cancelled():
            self._hearing.result()  # a defect of ours

    async def _cleaned_up(self) -> bool:
        """Wait until the runner's keeper has seen to what the runner left behind; whether it has."""
        kept: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._child.wait())}
        if self._keeper is not None:
            kept.add(self._keeper.gone)
        _, waiting = await asyncio.wait(kept, timeout=_KILLED_SECONDS)
        if waiting:
            _LOG.warning("The runner's keeper does not answer, and is killed.")
            self._kill_at_once()
            await asyncio.wait(kept, timeout=_KILLED_SECONDS)
        return self._keeper is not None and self._keeper.gone.done() and self._keeper.gone.result()

    async def _watch(self) -> None:
        """Kill the runner when its event loop turns no more: it was stopped, or something blocks it."""
        seconds = await self._until_silent(self._unresponsive_seconds)
        self._end = f"did not answer for {seconds:g} seconds and was killed"
        _LOG.error("The runner process %s %s.", self.pid, self._end)
        self._kill_runner()
        await self._until_unheard()

    async def _until_unheard(self) -> None:
        """It was killed. One that waits for a disk that is gone does not end at that, and is lost all the same."""
        await asyncio.wait({self._hearing}, timeout=_KILLED_SECONDS)
        if self._hearing.cancel():
            _LOG.error("The runner process %s was killed and has not ended.", self.pid)

    async def _until_silent(self, limit: float) -> float:
        """The seconds for which it was silent, when that is longer than it may be."""
        pause = min(limit / _PINGS_EACH_LIMIT, _LONGEST_PAUSE_SECONDS)
        allowed, silent = max(limit, _START_SECONDS), 0.0
        self._ping()
        while silent < allowed:
            # Waits are counted, not the clock: a machine that slept, or a server that was busy, is no silence.
            try:
                await asyncio.wait_for(self._answered.wait(), pause)
            except asyncio.TimeoutError:
                silent += pause
                continue
            allowed, silent = limit, 0.0
            await asyncio.sleep(pause)
            self._ping()
        return allowed

    def _ping(self) -> None:
        """Without waiting for those who write: what they have to say may be too much for one who does not read."""
        self._answered.clear()
        if not self._commands.is_closing():
            self._commands.write(to_line(Ping()))

    def _kill_runner(self) -> None:
        """SIGKILL, for an end in order it has had the time; its keeper sees to what it leaves behind."""
        _kill(self.pid)

    def _kill_at_once(self) -> None:
        """The runner, and the keeper that should have seen to it: it is stopped, or hangs."""
        if self._keeper is not None and self._keeper.started.done():
            started = self._keeper.started.result()
            _kill(started.pid)
            _kill(started.keeper_pid)
        if self._child.returncode is None:
            _kill(self._child.pid)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
