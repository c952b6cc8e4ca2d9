"""What Linux can do with names at one stroke, and other systems cannot."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_HERE = -100
"""AT_FDCWD: a path that is not absolute begins where the process works."""
_NO_REPLACE = 1
_EXCHANGE = 2
UNSUPPORTED = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL})
"""What is answered, for this and for hard links, where system or file system cannot do it."""


def exchange(one: Path, other: Path) -> None:
    """Give each of two files the other's name.

    Raises:
        OSError: nothing was renamed; one of `UNSUPPORTED` where that cannot be done here.
    """
    _rename(one, other, _EXCHANGE)


def rename_to_new(source: Path, target: Path) -> None:
    """Rename a file to a name that nothing has.

    Raises:
        FileExistsError: something has it.
        OSError: nothing was renamed; one of `UNSUPPORTED` where that cannot be done here.
    """
    _rename(source, target, _NO_REPLACE)


def _rename(source: Path, target: Path, flags: int) -> None:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(source), None, str(target))
    if renameat2(_HERE, os.fsencode(source), _HERE, os.fsencode(target), ctypes.c_uint(flags)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))
