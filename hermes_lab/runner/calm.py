"""Starting kernels ahead without being in anybody's way."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOG = logging.getLogger(__name__)
_LOWER = 5
"""Steps below this process. On a processor that others keep busy this leaves about a quarter; far less, and a kernel
would never be ready."""
_MAY_RAISE_AGAIN = 1 << 23
"""Linux's capability CAP_SYS_NICE."""
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
        self._may_renice = _may_renice()
        self._lowered: set[int] = set()

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

    def lower(self, pid: int) -> None:
        """A process that has just been started goes on at a low priority, if that can be taken back."""
        if self._may_renice:
            _set_priority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + _LOWER)
            self._lowered.add(pid)

    def raise_again(self, pid: int) -> bool:
        """Give the process and its group the priority that this one has; False where they cannot have it."""
        if pid not in self._lowered:
            return True
        own = os.getpriority(os.PRIO_PROCESS, 0)
        self._may_renice = _set_priority(os.PRIO_PROCESS, pid, own) and _set_priority(os.PRIO_PGRP, pid, own)
        if self._may_renice:
            self._lowered.discard(pid)
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


def _may_renice() -> bool:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # no Linux
        return False
    capabilities = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")]
    return bool(capabilities and int(capabilities[0], 16) & _MAY_RAISE_AGAIN)


def _idle_seconds() -> float | None:
    """Seconds that all processors together had nothing to do since the machine started; None where nobody counts."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    except OSError:
        return None
    return int(fields[4]) / os.sysconf("SC_CLK_TCK")
