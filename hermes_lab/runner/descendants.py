"""Finding and killing everything that a run started, however far it went to get away.

Three ways to belong to a run: to descend from its kernel, to be in the kernel's session, or to carry the
run's id in the environment, which a child inherits even when it detaches from its parent and its session.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator

import psutil

RUN_MARKER = "HERMES_LAB_RUN_ID"
"""Environment variable that every process of a run carries."""

_GONE_WITHIN_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.005


def descendants(root: psutil.Process) -> set[psutil.Process]:
    """The process and all that descend from it now; empty when it is gone."""
    try:
        return {root, *root.children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def kill_run(run_id: str, known: Iterable[psutil.Process] = (), session: int | None = None) -> None:
    """Kill every process of a run and return when all are gone. Blocks; up to 5 s for one that cannot die.

    ``known`` are processes seen earlier, whose link to the kernel may be lost by now; ``session`` is the id
    of the kernel's session. Looks again after each kill: a process may fork while it is being killed.
    """
    deadline = time.monotonic() + _GONE_WITHIN_SECONDS
    found = set(known)
    while time.monotonic() < deadline:
        found |= set(_belonging(run_id, session))
        alive = {process for process in found if _is_alive(process)}
        if not alive:
            return
        for process in alive:
            found |= _kill(process)
        time.sleep(_LOOK_AGAIN_SECONDS)


def _belonging(run_id: str, session: int | None) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            in_session = session is not None and os.getsid(process.pid) == session
            if in_session or process.environ().get(RUN_MARKER) == run_id:
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
    except psutil.NoSuchProcess:
        return set()
    return children
