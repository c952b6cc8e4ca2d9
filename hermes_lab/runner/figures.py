"""What a cell costs: processor time and memory of the kernel and of all that it started, while the cell ran."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Protocol

import psutil

from hermes_lab.runner import proc

Cost = tuple[float | None, int | None]
"""Processor seconds, and the most bytes of memory held at once; None where it cannot be known."""
_FIRST_SAMPLE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0
_SHARE_OF_SAMPLING = 0.05
"""The most of one processor's time that looking at memory may take."""


class Meter(Protocol):
    """Measures from one call to the next. `end` without `begin` knows nothing."""

    def begin(self) -> None:
        """A cell begins."""

    def end(self) -> Cost:
        """A cell has ended."""

    def stop(self) -> None:
        """The kernel is gone; nothing more is looked at."""


class NoMeter:
    """For a kernel on another machine."""

    def begin(self) -> None:
        """Nothing to look at."""

    def end(self) -> Cost:
        """Nothing is known."""
        return None, None

    def stop(self) -> None:
        """Nothing goes on."""


class KeptMeter:
    """Of a kernel that has a keeper: everything below the keeper belongs to it. Reads /proc and the cgroup.

    The peak is exact for the largest single process, by Linux's own high-water mark. What several processes hold
    together is sampled, each shared page counted once; one that lives shorter than a sample goes unseen.
    """

    def __init__(self, keeper_pid: int, cgroup: Path | None) -> None:
        self._keeper_pid = keeper_pid
        self._cgroup = cgroup
        self._known: set[int] = set()
        self._old_peak: set[int] = set()
        self._began_at: float | None = None
        self._peak = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sampling: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """See `Meter`."""
        self.stop()
        # Whoever came since the cell before is found at the end, and counted from its own start.
        self._known = self._known or self._members()
        self._began_at = self._cpu_seconds(self._known)
        self._peak = 0
        self._old_peak = {pid for pid in self._known if not proc.forget_peak(pid)}
        self._plan(_FIRST_SAMPLE_SECONDS)

    def end(self) -> Cost:
        """See `Meter`."""
        self.stop()
        if self._began_at is None:
            return None, None
        self._known = self._members()
        if not self._known:
            return None, self._peak or None
        spent = self._cpu_seconds(self._known)
        cpu = None if spent is None else _difference(spent, self._began_at)
        self._peak = max(self._peak, *(self._largest(pid) for pid in self._known))
        return cpu, self._peak or None

    def stop(self) -> None:
        """See `Meter`."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sampling is not None:
            self._sampling.cancel()
        self._timer = self._sampling = None

    def _largest(self, pid: int) -> int:
        """The most that one process held since the cell began, as far as that can be told."""
        return proc.present_memory(pid) if pid in self._old_peak else proc.peak_memory(pid)

    def _members(self) -> set[int]:
        if self._cgroup is not None:
            with contextlib.suppress(OSError):
                return proc.numbers(self._cgroup / "cgroup.procs")
        return proc.descendants(self._keeper_pid)

    def _cpu_seconds(self, pids: set[int]) -> float | None:
        if self._cgroup is not None:
            with contextlib.suppress(OSError):
                return proc.cgroup_cpu_seconds(self._cgroup)
        return sum(proc.cpu_seconds(pid) for pid in pids) + proc.reaped_cpu_seconds({*pids, self._keeper_pid})

    def _plan(self, pause: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(pause, self._begin_sample)

    def _begin_sample(self) -> None:
        self._sampling = asyncio.ensure_future(self._sample())

    async def _sample(self) -> None:
        members = self._members()
        self._peak = max(self._peak, *(proc.present_memory(pid) for pid in members & self._old_peak), 0)
        pause = _FIRST_SAMPLE_SECONDS
        if len(members) > 1:
            held, took = await asyncio.to_thread(_held, members)
            self._peak = max(self._peak, held)
            pause = min(max(pause, took / _SHARE_OF_SAMPLING), _LONGEST_PAUSE_SECONDS)
        self._plan(pause)


def _held(pids: set[int]) -> tuple[int, float]:
    """Bytes that the processes hold together, and the processor seconds that it took to look."""
    began = time.thread_time()
    return sum(map(proc.proportional_memory, pids)), time.thread_time() - began


class PortableMeter:
    """By what psutil tells of the kernel's process and its children; memory is that at the end of the cell."""

    def __init__(self, root: psutil.Process) -> None:
        self._root = root
        self._began_at: float | None = None

    def begin(self) -> None:
        """See `Meter`."""
        self._began_at = sum(self._cpu_seconds(process) for process in self._members())

    def end(self) -> Cost:
        """See `Meter`."""
        members = self._members()
        if self._began_at is None or not members:
            return None, None
        cpu = _difference(sum(map(self._cpu_seconds, members)), self._began_at)
        return cpu, sum(map(self._memory, members)) or None

    def stop(self) -> None:
        """Nothing goes on between the calls."""

    def _members(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []

    @staticmethod
    def _cpu_seconds(process: psutil.Process) -> float:
        try:
            return float(sum(process.cpu_times()[:4]))
        except psutil.Error:
            return 0.0

    @staticmethod
    def _memory(process: psutil.Process) -> int:
        try:
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0


def _difference(seconds: float, before: float) -> float:
    """Between two readings, in seconds. To the microsecond: nothing counts finer, and what a float adds is noise."""
    return round(max(seconds - before, 0.0), 6)
