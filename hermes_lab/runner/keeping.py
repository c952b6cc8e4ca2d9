"""The runner's end of the line to a keeper (see keeper.py), and the cgroup that it may have."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermes_lab.runner.cgroups import make_cgroup

WORKS_HERE: Final = sys.platform == "linux"
"""Whether a program can have a keeper on this system."""
PROGRAM: Final = Path(__file__).with_name("keeper.py")
_SECONDS_TO_KILL: Final = 8.0
"""The keeper itself gives up after 5 s; one that is stopped says nothing at all."""


@dataclass(frozen=True)
class Started:
    """What the keeper started: the program, and the process that all it leaves behind comes back to."""

    pid: int
    keeper_pid: int


class Keeper:
    """One keeper, from before its program is started until nothing of that is left.

    Start ``command(program)`` with ``pass_fds``, in a session of its own; then call `attach`.
    """

    def __init__(self, grace_seconds: float = 0.0, *, with_cgroup: bool = False) -> None:
        self._ours, self._its = socket.socketpair()
        self._grace_seconds = grace_seconds
        self.cgroup = make_cgroup() if with_cgroup else None
        self.started: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
        """Never done where the keeper ended before it started anything."""
        self.gone: asyncio.Task[bool]
        """Done when the keeper has ended: whether it saw to it that nothing was left."""
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pass_fds(self) -> tuple[int, ...]:
        """The files that the keeper must inherit."""
        return (self._its.fileno(),)

    def command(self, program: list[str]) -> list[str]:
        """The keeper's command, for that of its program."""
        line, grace = str(self._its.fileno()), str(self._grace_seconds)
        return [sys.executable, "-I", "-S", str(PROGRAM), line, grace, str(self.cgroup or ""), *program]

    async def attach(self) -> None:
        """The keeper is started: listen to it."""
        self._its.close()
        reader, self._writer = await asyncio.open_connection(sock=self._ours)
        self.gone = asyncio.create_task(self._listen(reader))

    def discard(self) -> None:
        """It could not be started; one that was ends everything when it sees that nobody listens."""
        self._its.close()
        self._ours.close()
        if self.cgroup is not None:
            with contextlib.suppress(OSError):  # not empty: it is the keeper's to remove
                self.cgroup.rmdir()

    async def end(self) -> bool:
        """Have everything killed, unless it ends within its grace; whether nothing is left."""
        if self._writer is not None and not self._writer.is_closing() and self._writer.can_write_eof():
            self._writer.write_eof()
        await asyncio.wait({self.gone}, timeout=self._grace_seconds + _SECONDS_TO_KILL)
        return self.gone.done() and self.gone.result()

    def close(self) -> None:
        """Stop listening."""
        self.gone.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> bool:
        clean = False
        try:
            async for line in reader:
                match line.split():
                    case [b"started", pid, keeper_pid] if not self.started.done():
                        self.started.set_result(Started(int(pid), int(keeper_pid)))
                    case [b"clean"]:
                        clean = True
        except ConnectionError:  # killed with words of ours unread
            pass
        return clean
