"""A copy of one file: sharing its blocks where the file system can, else of its bytes, with the holes it has."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

if sys.platform == "linux":
    import fcntl

_FICLONE: Final = 0x40049409
"""The ioctl with which Btrfs, XFS and others let two files share their blocks until one is written."""
_ATTEMPTS: Final = 3
_CHUNK: Final = 1 << 20
_HELD: Final = 0o777
"""What a copy keeps of a file's mode: no set-user-id, no set-group-id."""

Take = Callable[[int], None]
"""Called with a number of bytes before so many are copied; raises where that is too much."""


class FileCopies:
    """Copies files, and remembers between which devices blocks cannot be shared."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._unshared: set[tuple[int, int]] = set()
        self.have_shared = False
        """Whether a copy shares its blocks."""

    def copy(self, read: int, target: Path) -> bool:
        """Copy an open regular file with its times and permissions, never as a link of any kind; whether it was still
        while it was copied.

        Raises:
            OSError: the copy cannot be made, for want of space perhaps.
        """
        write = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            return self._copy(read, write)
        finally:
            os.close(write)

    def _copy(self, read: int, write: int) -> bool:
        for _ in range(_ATTEMPTS):
            before = os.fstat(read)
            if not self._share(read, write, before):
                self._copy_bytes(read, write, before.st_size)
            after = os.fstat(read)
            still = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
            if still:
                break
        os.fchmod(write, stat.S_IMODE(before.st_mode) & _HELD)
        os.utime(write, ns=(before.st_atime_ns, before.st_mtime_ns))
        return still

    def _share(self, read: int, write: int, status: os.stat_result) -> bool:
        """Have both share their blocks; False where that cannot be."""
        devices = (status.st_dev, os.fstat(write).st_dev)
        if sys.platform != "linux" or devices in self._unshared:
            return False
        try:
            fcntl.ioctl(write, _FICLONE, read)
        except OSError:
            self._unshared.add(devices)
            return False
        self.have_shared = True
        return True

    def _copy_bytes(self, read: int, write: int, size: int) -> None:
        os.ftruncate(write, size)
        at = 0
        while at < size:
            start, end = _data(read, at, size)
            self._take(end - start)
            at = start
            while at < end and (copied := _copy_some(read, write, min(_CHUNK, end - at), at)):
                at += copied
            if at < end:  # somebody has cut it off meanwhile
                os.ftruncate(write, at)
                return


def _data(read: int, at: int, size: int) -> tuple[int, int]:
    """From where to where data come next, at most to ``size``; what is between is a hole."""
    if not hasattr(os, "SEEK_DATA"):
        return at, size
    try:
        start = os.lseek(read, at, os.SEEK_DATA)
        return min(start, size), min(os.lseek(read, start, os.SEEK_HOLE), size)
    except OSError as error:
        # ENXIO: there is nothing but a hole from there on; else the file system does not say.
        return (size, size) if error.errno == errno.ENXIO else (at, size)


def _copy_some(read: int, write: int, count: int, at: int) -> int:
    """Copy up to ``count`` bytes from one place to the same place; how many there were."""
    if hasattr(os, "copy_file_range"):
        with contextlib.suppress(OSError):  # not between these file systems, or not this kind of file
            return os.copy_file_range(read, write, count, at, at)
    return os.pwrite(write, os.pread(read, count, at), at)


def open_regular(path: Path) -> int:
    """A descriptor to read a regular file with, for the caller to close. What is none is not waited for.

    Raises:
        OSError: it cannot be opened; `EINVAL`: it is a folder, a named pipe, a socket or a device; `ELOOP`: a link.
    """
    # O_NONBLOCK: opening a named pipe would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor
