"""The audit log: who did what, each entry chained to the one before by its hash."""

from __future__ import annotations

import hashlib
import json

from pydantic import Field

from hermes_lab.model.actors import Author
from hermes_lab.model.payload import JsonObject, Payload, UtcTime

GENESIS = "0" * 64
"""``previous_hash`` of the first entry."""


class AuditEntry(Payload):
    """One thing done. ``subject`` is the id of what it was done to."""

    sequence: int
    at: UtcTime
    author: Author
    action: str
    subject: str
    details: JsonObject = Field(default_factory=dict)
    previous_hash: str
    hash: str

    @classmethod
    def after(
        cls,
        previous: AuditEntry | None,
        at: UtcTime,
        author: Author,
        action: str,
        subject: str,
        details: JsonObject,
    ) -> AuditEntry:
        """The entry that follows ``previous`` (None: the first), with its hash."""
        entry = cls(
            sequence=previous.sequence + 1 if previous else 1,
            at=at,
            author=author,
            action=action,
            subject=subject,
            details=details,
            previous_hash=previous.hash if previous else GENESIS,
            hash="",
        )
        return entry.model_copy(update={"hash": entry.digest()})

    def digest(self) -> str:
        """The sha256 that ``hash`` must be, over everything else in the entry."""
        body = json.dumps(self.model_dump(mode="json", exclude={"hash"}), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()
