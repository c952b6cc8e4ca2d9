"""What was answered to a request with an idempotency key."""

from __future__ import annotations

import hashlib
import json

from sqlalchemy import and_, select
from sqlalchemy.sql import ColumnElement

from hermes_lab.model.errors import Conflict
from hermes_lab.model.payload import JsonObject, now
from hermes_lab.store import tables
from hermes_lab.store.connection import Database

_table = tables.idempotency


class Idempotency:
    """A claim before the work, the answer after it; a key belongs to one caller and one operation."""

    def __init__(self, database: Database, instance_id: str) -> None:
        self._database = database
        self._instance_id = instance_id

    def claim(self, caller: str, operation: str, key: str, request: JsonObject) -> JsonObject | None:
        """The answer that was given before; None: nobody asked yet, and the key is now the caller's.

        Raises:
            Conflict: the key was used with another request, or that request is still being worked on.
        """
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        with self._database.transaction() as connection:
            row = connection.execute(select(_table).where(_place(caller, operation, key))).first()
            if row is None:
                place = {"caller": caller, "operation": operation, "key": key}
                rest = {"request_digest": digest, "created_at": now(), "instance_id": self._instance_id}
                connection.execute(_table.insert().values(**place, **rest))
                return None
        if row.request_digest != digest:
            raise Conflict(
                "This idempotency key came with another request before.",
                code="idempotency_key_reused",
                field="idempotency_key",
            )
        if row.response is None:
            raise Conflict(
                "The first request with this idempotency key is not answered yet.",
                code="idempotency_in_progress",
                field="idempotency_key",
            )
        answer: JsonObject = row.response
        return answer

    def keep(self, caller: str, operation: str, key: str, response: JsonObject) -> None:
        """The answer, for whoever asks again."""
        with self._database.transaction() as connection:
            connection.execute(_table.update().where(_place(caller, operation, key)).values(response=response))

    def release(self, caller: str, operation: str, key: str) -> None:
        """The work failed: the key may be used again."""
        with self._database.transaction() as connection:
            connection.execute(_table.delete().where(_place(caller, operation, key)))

    def release_claims_of(self, instance_id: str) -> None:
        """Claims that a dead server never answered."""
        dead = and_(_table.c.instance_id == instance_id, _table.c.response.is_(None))
        with self._database.transaction() as connection:
            connection.execute(_table.delete().where(dead))


def _place(caller: str, operation: str, key: str) -> ColumnElement[bool]:
    return and_(_table.c.caller == caller, _table.c.operation == operation, _table.c.key == key)
