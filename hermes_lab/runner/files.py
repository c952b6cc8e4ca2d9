"""Writing a file so that it is whole at every instant."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hermes_lab.runner.renaming import UNSUPPORTED, exchange, rename_to_new

_KEPT = ".old"
"""End of the name of a file that is about to be replaced; no longer than that of a temporary one, ``.tmp``."""
_NOTE = "user.hermes_lab.written"
"""Extended attribute of a file: what it was when it was written."""


@dataclass(frozen=True)
class Identity:
    """A file as it was at one moment. Another write, or another file in its place, has another one."""

    inode: int
    changed_ns: int
    """When its content was written last."""
    size: int
    """In bytes."""
    mode: int = field(compare=False)
    """Who may do what; that is changed without writing it."""


def identity(path: Path) -> Identity | None:
    """Which file is there now; None: there is none. A link counts as what it is, not as what it leads to."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return Identity(status.st_ino, status.st_mtime_ns, status.st_size, stat.S_IMODE(status.st_mode))


def write_whole(path: Path, chunks: Iterable[bytes], *, own: Identity | None, mode: int | None = None) -> Identity:
    """Write a file so that a reader, or a crash, finds the old content or the new one, never a part.

    What is there must be ``own``, not written or replaced by anybody since; None: nothing may be there, and the new
    file gets ``mode``, by default what the process gives to new files. Nobody who may not read the file can read its
    content while it is on the way.

    Somebody else's file is found in the very instant of the renaming too, but where neither the system can exchange
    two files nor the file system knows hard links; and not what somebody writes into the old file when it has lost
    its name.

    Returns:
        What the file is now.

    Raises:
        FileExistsError: it is another one, and stays.
        FileNotFoundError: ``own`` is not there any more.
        OSError: nothing was replaced, and nothing is left behind.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target, os.getpid())
    written: Identity | None = None
    try:
        # Taken before it has its name: from then on somebody else may put another file there.
        written = _written(temporary, chunks, mode if own is None else own.mode)
        if own is None:
            _put(temporary, target)
        else:
            _replace(temporary, written, target, own)
    except OSError:
        with contextlib.suppress(OSError):
            if written is None or identity(temporary) == written:
                temporary.unlink()
        raise
    _sync_folder(target.parent)
    return written


def _written(temporary: Path, chunks: Iterable[bytes], mode: int | None) -> Identity:
    temporary.unlink(missing_ok=True)
    first_mode = 0o666 if mode is None else 0o600
    # Nothing that lies there, a link to elsewhere least of all, is written through ("x").
    with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, first_mode)) as file:
        if mode is not None and mode != first_mode:
            _change_mode(file.fileno() if os.chmod in os.supports_fd else temporary, mode)
        file.writelines(chunks)
        file.flush()
        _note(file.fileno())
        # Without this, a power cut right after the renaming could leave an empty file.
        os.fsync(file.fileno())
    written = identity(temporary)
    if written is None:
        raise FileNotFoundError(errno.ENOENT, "somebody took it away", str(temporary))
    return written


def is_as_written(path: Path) -> bool:
    """Whether the file is surely one that `write_whole` wrote, in whatever process, and that nobody has written since.

    A copy is not. Where the file system keeps no notes about files (extended attributes), nothing is sure.
    """
    if sys.platform != "linux":
        return False
    try:
        return os.getxattr(path, _NOTE) == _noted(path.stat())
    except OSError:  # no note, no notes here, or no file
        return False


def _note(descriptor: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # without it, all that is lost is that the file is surely ours
            os.setxattr(descriptor, _NOTE, _noted(os.fstat(descriptor)))


def _noted(status: os.stat_result) -> bytes:
    return f"{status.st_ino} {status.st_mtime_ns} {status.st_size}".encode()


def _change_mode(file: int | Path, mode: int) -> None:
    try:
        os.chmod(file, mode)  # noqa: PTH101 - by its descriptor
    except OSError as error:
        if error.errno not in UNSUPPORTED:  # there is no mode of their own for files here
            raise


def _put(temporary: Path, target: Path) -> None:
    """Give the file its name where nothing has it."""
    for rename in (rename_to_new, _link_to_new):
        try:
            rename(temporary, target)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
        else:
            return
    if identity(target) is not None:
        raise _somebody_elses(target)
    temporary.replace(target)


def _link_to_new(temporary: Path, target: Path) -> None:
    os.link(temporary, target)
    temporary.unlink()


def _replace(temporary: Path, written: Identity, target: Path, own: Identity) -> None:
    """Replace the file unless somebody else has written it, be it in the very instant in which it is replaced."""
    for replace in (_exchange, _replace_kept):
        _check(target, own)
        try:
            replace(temporary, written, target, own)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
        else:
            return
    _check(target, own)
    temporary.replace(target)


def _check(target: Path, own: Identity) -> None:
    present = identity(target)
    if present is None:
        raise FileNotFoundError(errno.ENOENT, "somebody took it away", str(target))
    if present != own:
        raise _somebody_elses(target)


def _exchange(temporary: Path, written: Identity, target: Path, own: Identity) -> None:
    """Replace the file and look at what came back; what is not ours gets its place again."""
    exchange(temporary, target)
    there: Identity | None = written
    back = identity(temporary)
    if back == own:
        temporary.unlink()
        return
    # Where somebody renames a file over ours, too, theirs is the newer one: it comes back in its turn and is put there.
    while True:
        try:
            exchange(temporary, target)
        except FileNotFoundError:  # somebody took away what was there
            rename_to_new(temporary, target)
            break
        put, back = back, identity(temporary)
        if back == there:
            temporary.unlink()
            break
        there = put
    raise _somebody_elses(target)


def _replace_kept(temporary: Path, _written: Identity, target: Path, own: Identity) -> None:
    """Replace the file where two cannot be exchanged, and keep it for a moment to look at it."""
    kept = temporary.with_suffix(_KEPT)
    kept.unlink(missing_ok=True)
    os.link(target, kept, follow_symlinks=False)
    try:
        if identity(kept) == own:
            temporary.replace(target)
            if identity(kept) == own:
                return
            kept.replace(target)
    finally:
        kept.unlink(missing_ok=True)
    raise _somebody_elses(target)


def _somebody_elses(target: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "somebody else wrote it, and it is left as it is", str(target))


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
