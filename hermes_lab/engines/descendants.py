"""Ending everything that a program started, however far it went to get away.

A process belongs to the program if it is in the session that was made for it, if it carries the program's mark
in its environment, which a child inherits even when it leaves parent and session, or if it descends from one
that belongs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import psutil

_GONE_WITHIN: Final = 5.0
"""Seconds after which a process that cannot die is given up."""
_LOOK_AGAIN: Final = 0.005
_EMPTY_LOOKS: Final = 2


def kill_descendants(
    variable: str, mark: str, *, session: int | None = None, more: Callable[[], Iterable[psutil.Process]] = tuple
) -> int:
    """Kill all that belongs, wait until it is gone, and answer how many processes there were. Blocks.

    ``variable`` is the environment variable that holds the mark, ``session`` the id of the program's session,
    ``more`` answers with processes that belong to it by what the caller knows. Looks again after each kill, for a
    process may fork while it is being killed, and once more when nothing is found, for one that ends hands on its
    children at a moment of its own.
    """
    deadline = time.monotonic() + _GONE_WITHIN
    found: set[psutil.Process] = set()
    killed: set[psutil.Process] = set()
    empty_looks = 0
    while time.monotonic() < deadline:
        found |= {*_belonging(variable, mark, session), *more()}
        alive = {process for process in found if _is_alive(process)}
        empty_looks = 0 if alive else empty_looks + 1
        if empty_looks == _EMPTY_LOOKS:
            break
        killed |= alive
        for process in alive:
            found |= _kill(process)
        # Not psutil's wait: it would take the exit code of our own child away from asyncio.
        time.sleep(_LOOK_AGAIN)
    return len(killed)


def _belonging(variable: str, mark: str, session: int | None) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            in_session = session is not None and os.getsid(process.pid) == session
            if in_session or process.environ().get(variable) == mark:
                yield process
        except (psutil.Error, OSError):  # gone meanwhile, or another user's: neither is ours to kill
            continue


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(process: psutil.Process) -> set[psutil.Process]:
    """Kill one process; its children of this moment, which the kill makes orphans."""
    try:
        children = set(process.children(recursive=True))
        process.kill()
    except psutil.Error:  # gone meanwhile, or a setuid program: it is looked at again until the deadline
        return set()
    return children
