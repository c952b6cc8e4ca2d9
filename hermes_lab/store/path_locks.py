"""A lock a document, among all servers on a store: the operating system drops it with the process that holds it."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from hermes_lab.model.payload import sha256

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PathLock:
    """A lock that is held until it is released, or its process ends."""

    file: Path
    descriptor: int

    def release(self) -> None:
        """Let others have it."""
        self.file.unlink(missing_ok=True)
        os.close(self.descriptor)


class PathLocks:
    """Locked files in a folder beside the database. Where there is no folder, or no file can be locked in it, they do
    not work, and only the tokens in the store tell who may write."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder if sys.platform != "win32" else None

    @property
    def work(self) -> bool:
        """Whether there are locks here."""
        return self._folder is not None

    def hold(self, path: str) -> PathLock | None:
        """The lock of the document; None: another holds it, in this process or in another, or locks do not work."""
        if self._folder is None:
            return None
        file = self._folder / f"{sha256(path)}.lock"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return _taken(file)
        except OSError as error:
            _log.warning("No files can be locked in %s; tokens alone keep writers apart: %s", self._folder, error)
            self._folder = None
            return None


def _taken(file: Path) -> PathLock | None:
    """Try to take the lock.

    Raises:
        OSError: no file can be made or locked there.
    """
    if sys.platform == "win32":
        return None
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(file, descriptor):
                return PathLock(file, descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        # Its last holder removed the file between our two steps: what we have locked nobody else will find.
        os.close(descriptor)


def _is_there(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
