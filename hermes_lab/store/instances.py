"""Which server owns a row, and whether that server still lives."""

from __future__ import annotations

import os
import socket
from typing import Any

import psutil
from sqlalchemy import Row, select

from hermes_lab.model.payload import new_id, now
from hermes_lab.store import tables
from hermes_lab.store.connection import Database
from hermes_lab.store.locks import InstanceLocks


class Instances:
    """Server instances on this store. One is dead when nobody holds its lock; where it has none, when its process on
    this host is gone (or is another's pid now)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own: str | None = None
        self._locks = InstanceLocks(database.folder("instances"))

    def register(self) -> str:
        """Enter this process; answers its instance_id."""
        instance_id = self._own = new_id()
        self._locks.hold(instance_id)
        row = {
            "instance_id": instance_id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process_started_at": _started_at(os.getpid()),
            "created_at": now(),
        }
        with self._database.transaction() as connection:
            connection.execute(tables.instances.insert().values(**row))
        return instance_id

    def dead(self) -> list[str]:
        """The instances that have ended, each told to one server alone where they have locks."""
        others = select(tables.instances).where(tables.instances.c.instance_id != self._own)
        with self._database.transaction() as connection:
            rows = connection.execute(others).all()
        return [row.instance_id for row in rows if self._is_dead(row)]

    def forget(self, instance_id: str) -> None:
        """Remove an instance whose rows have been put in order."""
        query = tables.instances.delete().where(tables.instances.c.instance_id == instance_id)
        with self._database.transaction() as connection:
            connection.execute(query)
        self._locks.forget(instance_id)

    def close(self) -> None:
        """This instance has ended."""
        self._locks.close()

    def _is_dead(self, row: Row[Any]) -> bool:
        is_dead = self._locks.is_dead(row.instance_id)
        if is_dead is not None:
            return is_dead
        return bool(row.host == socket.gethostname()) and _started_at(row.pid) != row.process_started_at


def _started_at(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return "gone"
