"""A locked file for every living server instance on a store: the lock goes with its process, wherever that ran."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)


class InstanceLocks:
    """Locks of instances, in a folder beside the database; where there is no folder, nobody can tell who lives.

    The operating system drops a lock with the process that holds it, also where a container comes back under another
    host name. On a network file system this holds only as far as its locks reach: mounted without a lock service, an
    instance on another machine looks dead. (SQLite does not work there either.)
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder if sys.platform != "win32" else None
        self._held: dict[str, int] = {}

    def hold(self, instance_id: str) -> None:
        """Say that the instance lives, until this process ends or `close`."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._take(instance_id, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            _log.warning("No files can be locked in %s; dead servers are known by their host: %s", self._folder, error)
            self._file(self._folder, instance_id).unlink(missing_ok=True)

    def is_dead(self, instance_id: str) -> bool | None:
        """Whether nobody holds the instance's lock; then it is held here, so that no other server finds the same.
        None: it has no lock that could tell."""
        if instance_id in self._held:
            return True
        try:
            return self._take(instance_id, os.O_RDWR)
        except OSError:
            return None

    def forget(self, instance_id: str) -> None:
        """Remove the lock of an instance that is dead."""
        if self._folder is not None:
            self._file(self._folder, instance_id).unlink(missing_ok=True)
        if instance_id in self._held:
            os.close(self._held.pop(instance_id))

    def close(self) -> None:
        """Let go of all locks."""
        while self._held:
            os.close(self._held.popitem()[1])

    def _take(self, instance_id: str, flags: int) -> bool:
        """Try to take the lock.

        Raises:
            OSError: there is no such file, or files cannot be locked here.
        """
        if sys.platform == "win32" or self._folder is None:
            raise FileNotFoundError(instance_id)
        # Not inherited by what this process starts: else a runner would hold the lock of its dead server.
        file = os.open(self._file(self._folder, instance_id), flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        except OSError:
            os.close(file)
            raise
        self._held[instance_id] = file
        return True

    def _file(self, folder: Path, instance_id: str) -> Path:
        return folder / f"{instance_id}.lock"
