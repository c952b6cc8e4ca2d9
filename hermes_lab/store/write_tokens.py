"""Who may write a document: a number for each path that only grows, and the newest alone is good (a fencing token).

A lock goes with its process, but a process can be stopped for a minute and go on as if nothing had been. The token
is asked for again in the last moment before a write, and whoever was overtaken meanwhile writes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select

from hermes_lab.model.payload import now
from hermes_lab.store import tables
from hermes_lab.store.connection import Database

_table = tables.write_tokens


class WriteTokens:
    """The newest token of each path, until when it is good, and the token of the last write that was carried out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, path: str, seconds: float) -> int:
        """The next token of the path, good for these seconds; all older ones are good for nothing any more."""
        with self._database.transaction() as connection:
            row = self._row(path)
            token = row.token + 1 if row else 1
            fields = {"token": token, "expires_at": now() + timedelta(seconds=seconds)}
            if row is None:
                connection.execute(_table.insert().values(path=path, written=0, **fields))
            else:
                connection.execute(_table.update().where(_table.c.path == path).values(**fields))
        return token

    def renew(self, path: str, token: int, seconds: float) -> bool:
        """Have the token be good for these seconds from now on; False: it is good for nothing any more."""
        with self._database.transaction() as connection:
            if not self.is_good(path, token):
                return False
            until = now() + timedelta(seconds=seconds)
            connection.execute(_table.update().where(_table.c.path == path).values(expires_at=until))
        return True

    def is_good(self, path: str, token: int) -> bool:
        """Whether its holder may write now: it is the newest of its path and has not expired."""
        with self._database.transaction() as connection:
            good = select(_table.c.token).where(
                _table.c.path == path, _table.c.token == token, _table.c.expires_at > now()
            )
            return connection.execute(good).first() is not None

    def is_held(self, path: str) -> bool:
        """Whether anybody may write the path now."""
        row = self._row(path)
        return row is not None and self.is_good(path, row.token)

    def give_back(self, path: str, token: int) -> None:
        """Its holder writes no more."""
        with self._database.transaction() as connection:
            held = _table.update().where(_table.c.path == path, _table.c.token == token)
            connection.execute(held.values(expires_at=now()))

    def record(self, path: str, token: int) -> None:
        """What was written with this token is in the document; in the transaction that records the merge."""
        with self._database.transaction() as connection:
            connection.execute(_table.update().where(_table.c.path == path).values(written=token))

    def written(self, path: str) -> int:
        """The token of the last write that was carried out; 0: there was none."""
        row = self._row(path)
        return row.written if row else 0

    def _row(self, path: str) -> Row[Any] | None:
        with self._database.transaction() as connection:
            return connection.execute(select(_table).where(_table.c.path == path)).first()
