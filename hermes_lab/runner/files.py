"""Writing a file so that it is whole at every instant."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

Identity = tuple[int, int, int]
"""A file as it was at one moment: inode, time of the last change in ns, size in bytes."""


def identity(path: Path) -> Identity | None:
    """Which file is there now; None: there is none. Another write, or another file in its place, has another one."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def write_whole(path: Path, chunks: Iterable[bytes], *, new: bool = False) -> None:
    """Replace a file so that a reader, or a crash, finds the old content or the new one, never a part.

    With ``new`` the file must not exist.

    Raises:
        OSError: nothing was replaced, and nothing is left behind.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target, os.getpid())
    try:
        with temporary.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            # Without this, a power cut right after the renaming could leave an empty file.
            os.fsync(file.fileno())
        if new:
            os.link(temporary, target)
            temporary.unlink()
        else:
            if target.exists():
                temporary.chmod(target.stat().st_mode)
            temporary.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def remove_leftover(path: Path, pid: int) -> None:
    """Remove what a process that was killed while it wrote this file has left beside it."""
    _temporary(path.resolve(), pid).unlink(missing_ok=True)


def _temporary(target: Path, pid: int) -> Path:
    return target.with_name(f".{target.name}.{pid}.tmp")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
