"""The audit log, appended in the transaction of what it records."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from hermes_lab.model.actors import Author
from hermes_lab.model.audit import GENESIS, AuditEntry
from hermes_lab.model.payload import JsonObject, now
from hermes_lab.store import tables
from hermes_lab.store.connection import Database


class AuditLog:
    """Append-only, hash-chained."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, author: Author, action: str, subject: str, details: JsonObject | None = None) -> AuditEntry:
        """Record that ``author`` did ``action`` to ``subject``."""
        last = select(tables.audit.c.payload).order_by(tables.audit.c.sequence.desc()).limit(1)
        with self._database.transaction() as connection:
            row = connection.execute(last).first()
            previous = None if row is None else AuditEntry.model_validate(row.payload)
            entry = AuditEntry.after(previous, now(), author, action, subject, details or {})
            payload = entry.model_dump(mode="json")
            columns = {name: payload[name] for name in ("sequence", "action", "subject")}
            connection.execute(tables.audit.insert().values(**columns, payload=payload))
        return entry

    def entries(self) -> Iterator[AuditEntry]:
        """All entries, oldest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(select(tables.audit.c.payload).order_by(tables.audit.c.sequence)).all()
        return (AuditEntry.model_validate(row.payload) for row in rows)

    def first_broken(self) -> int | None:
        """The sequence number of the first entry that was altered, or whose predecessor is gone; None: intact."""
        expected, sequence = GENESIS, 1
        for entry in self.entries():
            if entry.previous_hash != expected or entry.sequence != sequence or entry.digest() != entry.hash:
                return entry.sequence
            expected, sequence = entry.hash, sequence + 1
        return None
