"""Ending everything that a command started, also what left its session or was orphaned."""

from __future__ import annotations

import os
from typing import Final

import psutil

MARK: Final = "HERMES_TERMINAL_CALL"
"""The variable that every descendant of a command inherits, unless it takes pains to drop it."""
_ROUNDS: Final = 20


def kill_descendants(session: int, mark: str) -> int:
    """Kill the members of the session and whatever carries the mark; answers how many there were.

    Killing is repeated until a round finds none, for a process may fork between being seen and being killed.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = [process for process in psutil.process_iter() if _belongs(process, session, mark)]
        if not found:
            break
        for process in found:
            killed.add(process.pid)
            try:
                process.kill()
            except psutil.Error:
                continue  # it ended by itself, or is another user's (a setuid program)
        psutil.wait_procs(found, timeout=0.5)
    return len(killed)


def _belongs(process: psutil.Process, session: int, mark: str) -> bool:
    try:
        ours = os.getsid(process.pid) == session or process.environ().get(MARK) == mark
        return ours and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False  # gone in the meantime, or another user's
