"""What was answered to a request with an idempotency key."""

from __future__ import annotations

import hashlib
import json
import logging

from sqlalchemy import and_, select
from sqlalchemy.sql import ColumnElement

from hermes_lab.model.claims import Claim
from hermes_lab.model.errors import Conflict
from hermes_lab.model.payload import JsonObject, Payload, now
from hermes_lab.store import tables
from hermes_lab.store.connection import Database

_log = logging.getLogger(__name__)
_table = tables.idempotency


class Idempotency:
    """A claim before the work, its answer in the transaction of what the work makes: whoever asks again after a crash
    gets the thing that is there, or makes it. A key belongs to one caller and one operation.

    What an operation does outside of the store comes after that transaction: the execution of a run, of evidence or of
    a tool call, which a crash ends and no repeated request begins again. The write of a merge comes before it, and is
    journalled with the claim: whoever completes the write answers the key, and until then nobody else has it.
    """

    def __init__(self, database: Database, instance_id: str) -> None:
        self._database = database
        self._instance_id = instance_id

    def claim(self, claim: Claim, request: JsonObject) -> JsonObject | None:
        """The answer that was given before; None: nobody asked yet, and the key is now the caller's.

        Raises:
            Conflict: the key was used with another request, or that request is still being worked on.
        """
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        with self._database.transaction() as connection:
            row = connection.execute(select(_table).where(_place(claim))).first()
            if row is None:
                rest = {"request_digest": digest, "created_at": now(), "instance_id": self._instance_id}
                connection.execute(_table.insert().values(**claim.model_dump(), **rest))
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

    def keep(self, claim: Claim | None, made: Payload) -> None:
        """What the work has made, for whoever asks again; to be called in the transaction that makes it, and again
        when more is known. Nothing is kept where no key was given, or where it is nobody's any more: what was made is
        there all the same, and must not be undone for want of somebody to tell.
        """
        if claim is None:
            return
        with self._database.transaction() as connection:
            answered = _table.update().where(_place(claim)).values(response=made.model_dump(mode="json"))
            if connection.execute(answered).rowcount != 1:
                _log.warning("Nobody holds the key %r for %s any more.", claim.key, claim.operation)

    def release(self, claim: Claim) -> None:
        """The work failed: the key may be used again, unless something was made all the same, or may have been: a
        write that is journalled with the claim is completed, or given up, at the next start."""
        with self._database.transaction() as connection:
            journalled = select(tables.writes.c.payload).where(tables.writes.c.state == "journalled")
            if claim.model_dump() not in [write.get("claim") for write in connection.scalars(journalled)]:
                connection.execute(_table.delete().where(_place(claim), _table.c.response.is_(None)))

    def release_claims_of(self, instance_id: str) -> None:
        """Claims for which a dead server has made nothing."""
        dead = and_(_table.c.instance_id == instance_id, _table.c.response.is_(None))
        with self._database.transaction() as connection:
            connection.execute(_table.delete().where(dead))


def _place(claim: Claim) -> ColumnElement[bool]:
    return and_(_table.c.caller == claim.caller, _table.c.operation == claim.operation, _table.c.key == claim.key)
