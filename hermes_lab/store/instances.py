"""Which server owns a row, and whether that server still lives."""

from __future__ import annotations

import os
import socket

import psutil
from sqlalchemy import select

from hermes_lab.model.payload import new_id, now
from hermes_lab.store import tables
from hermes_lab.store.connection import Database


class Instances:
    """Server instances on this store. One is dead when its process on this host is gone (or is another's pid now)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self) -> str:
        """Enter this process; answers its instance_id."""
        instance_id = new_id()
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
        """The instances of this host whose process is gone."""
        here = select(tables.instances).where(tables.instances.c.host == socket.gethostname())
        with self._database.transaction() as connection:
            rows = connection.execute(here).all()
        return [row.instance_id for row in rows if _started_at(row.pid) != row.process_started_at]

    def forget(self, instance_id: str) -> None:
        """Remove an instance whose rows have been put in order."""
        query = tables.instances.delete().where(tables.instances.c.instance_id == instance_id)
        with self._database.transaction() as connection:
            connection.execute(query)


def _started_at(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return "gone"
