"""The connection: one transaction at a time, nested blocks join the outer one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

_log = logging.getLogger(__name__)


class Database:
    """An engine used from one thread: the server's event loop, or the command line."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
        self.file: Path | None = Path(str(parsed.database)) if is_file else None
        """The file of the database, where it is one."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.engine: Engine = create_engine(url)
        self._hasty = self.engine.execution_options(durable=False)
        if parsed.get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin_immediately)
        self._connection: Connection | None = None

    def folder(self, name: str) -> Path | None:
        """A folder beside the database for what belongs to it; None where the database is no file."""
        return None if self.file is None else self.file.with_name(f"{self.file.name}-{name}")

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Connection]:
        """All or nothing. Nothing may be awaited inside: the block owns the database.

        What is committed survives the death of this process; ``durable``, that of the machine too. The outermost
        block decides.
        """
        if self._connection is not None:
            yield self._connection
            return
        with (self.engine if durable else self._hasty).begin() as connection:
            self._connection = connection
            try:
                yield connection
            finally:
                self._connection = None

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _prepare(dbapi_connection: Any, _record: object) -> None:
    # sqlite3's own transaction control begins too late for a read that a write depends on: we begin ourselves.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode not in ("wal", "memory"):
        _log.warning("The store keeps journal mode %s: WAL does not work on this file system.", mode)
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()


def _begin_immediately(connection: Connection) -> None:
    # With a write-ahead log, NORMAL leaves the commit to the operating system, and FULL waits for the disk.
    level = "FULL" if connection.get_execution_options().get("durable", True) else "NORMAL"
    if connection.info.get("synchronous") != level:
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
        connection.info["synchronous"] = level
    connection.exec_driver_sql("BEGIN IMMEDIATE")
