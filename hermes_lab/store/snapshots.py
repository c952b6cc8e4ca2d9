"""Notebooks by the sha256 of their bytes: kept once, whoever refers to them."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

from sqlalchemy import select

from hermes_lab.model.payload import now
from hermes_lab.store import tables
from hermes_lab.store.connection import Database


@dataclass(frozen=True)
class Snapshot:
    """A text that is ready to be kept."""

    hash: str
    content: bytes

    @classmethod
    def of(cls, text: str) -> Snapshot:
        """Hash and compress it. For a large one this takes a while; it needs no store, so a thread can do it."""
        encoded = text.encode()
        return cls(hashlib.sha256(encoded).hexdigest(), zlib.compress(encoded, 1))


class Snapshots:
    """Content-addressed texts, compressed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, text: str) -> str:
        """Keep the text; answers its sha256."""
        return self.keep(Snapshot.of(text))

    def keep(self, snapshot: Snapshot) -> str:
        """Keep what was made ready; answers its sha256."""
        with self._database.transaction() as connection:
            found = select(tables.snapshots.c.hash).where(tables.snapshots.c.hash == snapshot.hash)
            if connection.execute(found).first() is None:
                row = {"hash": snapshot.hash, "content": snapshot.content, "created_at": now()}
                connection.execute(tables.snapshots.insert().values(**row))
        return snapshot.hash

    def get(self, digest: str) -> str | None:
        """The text with this sha256."""
        query = select(tables.snapshots.c.content).where(tables.snapshots.c.hash == digest)
        with self._database.transaction() as connection:
            row = connection.execute(query).first()
        return None if row is None else zlib.decompress(row.content).decode()
