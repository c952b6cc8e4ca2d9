"""The connection to one runner process, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hermes_lab.runner.descendants import kill_run
from hermes_lab.runner.flight import Flight
from hermes_lab.runner.keeping import WORKS_HERE, Keeper
from hermes_lab.runner.lines import LINE_LIMIT, read_lines, to_line
from hermes_lab.runner.protocol import EVENT, CancelExecution, Command, PrepareKernel

_EXIT_SECONDS = 10.0


class LinkLost(Exception):
    """The runner process is gone; its kernels are killed, its files removed."""


class Link:
    """Speaks to one runner process, which has a keeper of its own where that works."""

    def __init__(
        self,
        child: asyncio.subprocess.Process,
        commands: asyncio.StreamWriter,
        events: asyncio.StreamReader,
        runtime_folder: Path,
        keeper: Keeper | None,
    ) -> None:
        self._child = child
        self._commands = commands
        self._events = events
        self._runtime_folder = runtime_folder
        self._keeper = keeper
        self._flights: dict[str, Flight] = {}
        self._writing = asyncio.Lock()
        self.was_useful = False
        """Whether it has brought any run to its end."""
        self.lost: asyncio.Task[None] = asyncio.create_task(self._listen())
        """Done when the process is gone and cleaned up after."""

    @classmethod
    async def open(cls, warm_kernels: int = 0) -> Link:
        """Start a runner process that keeps so many kernels of a kind ready.

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
        return cls(child, child.stdin, child.stdout, runtime_folder, keeper)

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
            raise LinkLost

    async def cancel(self, run_id: str) -> None:
        """Ask for the end of a run, if it is here."""
        if run_id in self._flights:
            await self._tell(CancelExecution(run_id=run_id))

    async def prepare(self, prepare: PrepareKernel) -> None:
        """Have a kernel made ready."""
        await self._tell(prepare)

    async def close(self) -> None:
        """Have the process end its runs and exit; kill it when it does not."""
        self._commands.close()
        if self._keeper is not None:
            await self._keeper.end()
        done, _ = await asyncio.wait({self.lost}, timeout=_EXIT_SECONDS)
        if not done:
            self._child.kill()
            await self.lost

    async def _tell(self, command: Command) -> None:
        async with self._writing:
            # Where the process is gone, `lost` says so, and better.
            with contextlib.suppress(ConnectionError):
                self._commands.write(to_line(command))
                await self._commands.drain()

    async def _listen(self) -> None:
        async for line in read_lines(self._events):
            event = EVENT.validate_python(line)
            self.was_useful = self.was_useful or event.kind == "ended"
            if event.run_id in self._flights:
                self._flights[event.run_id].heard(event)
        await self._child.wait()
        if self._keeper is None or not await self._keeper.gone:
            for run_id in list(self._flights):
                await asyncio.to_thread(kill_run, run_id)
        if self._keeper is not None:
            self._keeper.close()
        await asyncio.to_thread(shutil.rmtree, self._runtime_folder, ignore_errors=True)
