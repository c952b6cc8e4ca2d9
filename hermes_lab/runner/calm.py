"""Starting kernels ahead without being in anybody's way."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hermes_lab.runner import autogroups

_LOG = logging.getLogger(__name__)
_LOWER = 5
"""Steps below this process. On a processor that others keep busy this leaves about a quarter; far less, and a kernel
would never be ready."""
_MAY_RAISE_AGAIN = 1 << 23
"""Linux's capability CAP_SYS_NICE."""
_MAY_SET_SESSIONS = 1 << 21
"""CAP_SYS_ADMIN. Without it Linux refuses to set two sessions within 0.1 s, and one might not be raised again."""
_SESSION_SECONDS = 0.5
_SESSION_LOOK_SECONDS = 0.005
_LOOK_SECONDS = 0.05
_IDLE_ENOUGH = 0.5
"""Processors that had nothing to do while it was looked."""
_LONGEST_WAIT_SECONDS = 3.0


class Calm:
    """When a kernel may be started ahead, and at which priority.

    Where a priority can be raised again, it starts at a low one at once. Elsewhere, only root may do so, it waits until
    a processor has nothing to do; on a machine that is always busy, not for long.
    """

    def __init__(self) -> None:
        self._disturbances = 0
        self._undisturbed = asyncio.Event()
        self._undisturbed.set()
        capabilities = _capabilities()
        self._may_renice = bool(capabilities & _MAY_RAISE_AGAIN)
        self._may_set_sessions = bool(capabilities & _MAY_SET_SESSIONS)
        self._lowered: dict[int, int | None] = {}
        """Process -> the nice value that its session had; None: it was left alone."""

    @contextmanager
    def disturbed(self) -> Iterator[None]:
        """Something goes on that nothing shall be beside."""
        self._disturbances += 1
        self._undisturbed.clear()
        try:
            yield
        finally:
            self._disturbances -= 1
            if not self._disturbances:
                self._undisturbed.set()

    async def wait(self) -> None:
        """Until a kernel may be started ahead."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LONGEST_WAIT_SECONDS
        await self._undisturbed.wait()
        while not self._may_renice and loop.time() < deadline:
            before = _idle_seconds()
            await asyncio.sleep(_LOOK_SECONDS)
            await self._undisturbed.wait()
            if before is None or (_idle_seconds() or 0.0) - before >= _IDLE_ENOUGH * _LOOK_SECONDS:
                return

    async def lower(self, pid: int) -> None:
        """A process that has just been started goes on at a low priority, if that can be taken back."""
        if not self._may_renice:
            return
        _set_priority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + _LOWER)
        self._lowered[pid] = None
        if not self._may_set_sessions:
            return
        # Until it has a session of its own, it is in somebody else's.
        deadline = time.monotonic() + _SESSION_SECONDS
        while not autogroups.leads_session(pid) and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_SESSION_LOOK_SECONDS)
        if pid in self._lowered and autogroups.leads_session(pid):
            before = autogroups.nice_of(pid)
            if before is not None and autogroups.set_nice(pid, before + _LOWER):
                self._lowered[pid] = before

    def raise_again(self, pid: int) -> bool:
        """Give the process and its group the priority that this one has; False where they cannot have it."""
        if pid not in self._lowered:
            return True
        own, of_session = os.getpriority(os.PRIO_PROCESS, 0), self._lowered[pid]
        self._may_renice = (
            _set_priority(os.PRIO_PROCESS, pid, own)
            and _set_priority(os.PRIO_PGRP, pid, own)
            and (of_session is None or autogroups.set_nice(pid, of_session))
        )
        if self._may_renice:
            del self._lowered[pid]
        return self._may_renice


def _set_priority(which: int, who: int, priority: int) -> bool:
    try:
        os.setpriority(which, who, priority)
    except ProcessLookupError:  # it has ended, as whoever waits for it will see
        return True
    except PermissionError as error:
        _LOG.warning("The priority of kernels cannot be raised again here: %s", error)
        return False
    return True


def _capabilities() -> int:
    """Those that this process has, one a bit."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # no Linux
        return 0
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)


def _idle_seconds() -> float | None:
    """Seconds that all processors together had nothing to do since the machine started; None where nobody counts."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    except OSError:
        return None
    return int(fields[4]) / os.sysconf("SC_CLK_TCK")
