"""Notebooks by the sha256 of their bytes: kept once, whoever refers to them."""

from __future__ import annotations

import hashlib
import zlib

from sqlalchemy import select

from hermes_lab.model.payload import now
from hermes_lab.store import tables
from hermes_lab.store.connection import Database


class Snapshots:
    """Content-addressed texts, compressed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, text: str) -> str:
        """Keep the text; answers its sha256."""
        encoded = text.encode()
        digest = hashlib.sha256(encoded).hexdigest()
        with self._database.transaction() as connection:
            found = select(tables.snapshots.c.hash).where(tables.snapshots.c.hash == digest)
            if connection.execute(found).first() is None:
                row = {"hash": digest, "content": zlib.compress(encoded, 1), "created_at": now()}
                connection.execute(tables.snapshots.insert().values(**row))
        return digest

    def get(self, digest: str) -> str | None:
        """The text with this sha256."""
        query = select(tables.snapshots.c.content).where(tables.snapshots.c.hash == digest)
        with self._database.transaction() as connection:
            row = connection.execute(query).first()
        return None if row is None else zlib.decompress(row.content).decode()
