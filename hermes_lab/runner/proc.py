"""What Linux tells of processes in /proc and of cgroups, read with as few calls as it takes. A process that is gone,
or that this one may not look at, has nothing: 0, or no children."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

_SECONDS_A_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_READ_AT_ONCE: Final = 65_536
_FORGET_PEAK: Final = b"5"
_CPU_CLOCK: Final = 2


def cpu_seconds(pid: int) -> float:
    """Processor time of one process, to the nanosecond; its children not counted."""
    try:
        # The number of a process's clock is made of its id; what clock_getcpuclockid(3) does.
        return time.clock_gettime((~pid << 3) | _CPU_CLOCK)
    except OSError:
        return 0.0


def reaped_cpu_seconds(pids: set[int]) -> float:
    """Processor time of the children that these processes had, and that have ended."""
    ticks = 0
    for pid in pids:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        ticks += int(fields[13]) + int(fields[14]) if fields else 0
    return ticks * _SECONDS_A_TICK


def cgroup_cpu_seconds(cgroup: Path) -> float:
    """Processor time of all that has run in the cgroup.

    Raises:
        OSError: it is gone.
    """
    for line in (cgroup / "cpu.stat").read_text(encoding="ascii").splitlines():
        if line.startswith("usage_usec "):
            return int(line.split()[1]) / 1e6
    raise OSError(f"{cgroup} does not count processor time")


def descendants(pid: int) -> set[int]:
    """All that is below this process now, itself not."""
    found: set[int] = set()
    parents = [pid]
    while parents:
        children = _children(parents.pop()) - found
        found |= children
        parents.extend(children)
    return found


def numbers(file: Path) -> set[int]:
    """The process ids in a file.

    Raises:
        OSError: there is no such file.
    """
    return set(map(int, file.read_bytes().split()))


def forget_peak(pid: int) -> bool:
    """Have `peak_memory` count from now on; whether that is allowed."""
    try:
        file = os.open(f"/proc/{pid}/clear_refs", os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(file, _FORGET_PEAK)
    except OSError:  # it ended meanwhile
        return False
    finally:
        os.close(file)
    return True


def peak_memory(pid: int) -> int:
    """The most bytes that the process had in memory."""
    return _kibibytes(_read(f"/proc/{pid}/status"), b"VmHWM:")


def present_memory(pid: int) -> int:
    """The bytes that the process has in memory now."""
    return _kibibytes(_read(f"/proc/{pid}/status"), b"VmRSS:")


def proportional_memory(pid: int) -> int:
    """Bytes in memory, of a page shared by n processes the nth part. Takes milliseconds for a large process."""
    return _kibibytes(_read(f"/proc/{pid}/smaps_rollup"), b"Pss:")


def _kibibytes(text: bytes, name: bytes) -> int:
    at = text.find(b"\n" + name)
    return int(text[at + len(name) + 1 :].split(maxsplit=1)[0]) * 1024 if at >= 0 else 0


def _children(pid: int) -> set[int]:
    folder = f"/proc/{pid}/task"
    try:
        tasks = os.listdir(folder)  # noqa: PTH208 - called for each cell
    except OSError:
        return set()
    return {int(child) for task in tasks for child in _read(f"{folder}/{task}/children").split()}


def _read(path: str) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, _READ_AT_ONCE)
    except OSError:
        return b""
    finally:
        os.close(file)
