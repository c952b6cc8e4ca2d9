"""The events of runs, appended as they happen."""

from __future__ import annotations

from sqlalchemy import select

from hermes_lab.model.run_events import RunEvent
from hermes_lab.store import tables
from hermes_lab.store.connection import Database

_table = tables.run_events


class RunEvents:
    """Append-only; an event is never altered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, event: RunEvent) -> None:
        """Add it. It survives the death of this process at once, and that of the machine with the next thing that is
        acknowledged: waiting for the disk at every cell would cost more than most cells."""
        row = {"run_id": event.run_id, "sequence": event.sequence, "payload": event.model_dump_json()}
        with self._database.transaction(durable=False) as connection:
            connection.execute(_table.insert(), row)

    def after(self, run_id: str, sequence: int, limit: int | None = None) -> list[RunEvent]:
        """The run's events after that one, in their order, ``limit`` of them at most."""
        query = select(_table.c.payload).where(_table.c.run_id == run_id, _table.c.sequence > sequence)
        with self._database.transaction(durable=False) as connection:
            rows = connection.execute(query.order_by(_table.c.sequence).limit(limit)).all()
        return [RunEvent.model_validate_json(row.payload) for row in rows]
