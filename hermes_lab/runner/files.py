"""Writing a file so that it is whole at every instant."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path

_KEPT = ".old.tmp"
Identity = tuple[int, int, int]
"""A file as it was at one moment: inode, time of the last change in ns, size in bytes."""


def identity(path: Path) -> Identity | None:
    """Which file is there now; None: there is none. Another write, or another file in its place, has another one.

    A link counts as what it is, not as what it leads to.
    """
    try:
        return _identity(path.lstat())
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result) -> Identity:
    return status.st_ino, status.st_mtime_ns, status.st_size


def write_whole(path: Path, chunks: Iterable[bytes], *, new: bool = False, own: Identity | None = None) -> Identity:
    """Replace a file so that a reader, or a crash, finds the old content or the new one, never a part.

    With ``new`` the file must not exist; with ``own`` it must be that one, not written by anybody since.

    Returns:
        What the file is now.

    Raises:
        FileExistsError: it is another one, and stays.
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
        # Taken before it has its name: from then on somebody else may put another file there.
        written = _identity(temporary.stat())
        if new:
            os.link(temporary, target)
            temporary.unlink()
        elif own is not None:
            _replace_own(temporary, target, own)
        else:
            if target.exists():
                temporary.chmod(target.stat().st_mode)
            temporary.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)
    return written


def _replace_own(temporary: Path, target: Path, own: Identity) -> None:
    """Replace the file unless somebody else has written it, be it in the very instant in which it is replaced."""
    kept = temporary.with_suffix(_KEPT)
    kept.unlink(missing_ok=True)
    if identity(target) == own:
        os.link(target, kept, follow_symlinks=False)
        try:
            if identity(kept) == own:
                temporary.chmod(kept.stat().st_mode)
                temporary.replace(target)
                if identity(kept) == own:
                    return
                kept.replace(target)
        finally:
            kept.unlink(missing_ok=True)
    elif identity(target) is None:
        raise FileNotFoundError(errno.ENOENT, "somebody took it away", str(target))
    raise FileExistsError(errno.EEXIST, "somebody else wrote it, and it is left as it is", str(target))


def remove_leftover(path: Path, pid: int) -> None:
    """Remove what a process that was killed while it wrote this file has left beside it."""
    temporary = _temporary(path.resolve(), pid)
    temporary.unlink(missing_ok=True)
    temporary.with_suffix(_KEPT).unlink(missing_ok=True)


def _temporary(target: Path, pid: int) -> Path:
    return target.with_name(f".{target.name}.{pid}.tmp")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
