"""One shelf holds the payloads of one noun."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from sqlalchemy import Select, Table, and_, or_, select

from hermes_lab.model.errors import Conflict, InvalidRequest
from hermes_lab.model.payload import Page, Payload
from hermes_lab.store.connection import Database

P = TypeVar("P", bound=Payload)


class Shelf(Generic[P]):
    """Insert, replace, get, find and page the payloads of a table; ``created_at`` then key is the order."""

    def __init__(self, database: Database, table: Table, model: type[P], instance_id: str) -> None:
        self._database = database
        self._table = table
        self._model = model
        self._instance_id = instance_id
        self._key = table.primary_key.columns.values()[0]
        self._columns = [column.name for column in table.columns if column.name not in ("payload", "instance_id")]

    def insert(self, item: P) -> None:
        """Add it, owned by this server instance."""
        with self._database.transaction() as connection:
            connection.execute(self._table.insert().values(instance_id=self._instance_id, **self._row(item)))

    def replace(self, item: P) -> None:
        """Put it in the place of the one with the same key; it is this server instance's from now on."""
        with self._database.transaction() as connection:
            row = self._row(item) | {"instance_id": self._instance_id}
            connection.execute(self._table.update().where(self._key == row[self._key.name]).values(**row))

    def advance(self, old: P, new: P) -> None:
        """Put ``new`` in the place of ``old``, which the caller has read before.

        Raises:
            Conflict: another server has put something else there meanwhile; code ``changed_meanwhile``.
        """
        with self._database.transaction():
            if self.get(getattr(old, self._key.name)) != old:
                raise Conflict("It was changed at the same moment; read it again.", code="changed_meanwhile")
            self.replace(new)

    def get(self, key: str) -> P | None:
        """The one with this key."""
        return self._first(select(self._table.c.payload).where(self._key == key))

    def find(self, **equal: Any) -> P | None:
        """The newest whose columns have these values."""
        return self._first(self._newest_first(equal))

    def all(self, *, instance_id: str | None = None, **equal: Any) -> list[P]:
        """All whose columns have these values (a list value: any of them), newest first."""
        query = self._newest_first(equal)
        if instance_id is not None:
            query = query.where(self._table.c.instance_id == instance_id)
        with self._database.transaction() as connection:
            return [self._model.model_validate(row.payload) for row in connection.execute(query)]

    def below(self, column: str, path: str) -> list[P]:
        """All whose column names this path, or something in the folder that it is; newest first."""
        place = self._table.c[column]
        query = self._newest_first({}).where(or_(place == path, place.startswith(f"{path}/", autoescape=True)))
        with self._database.transaction() as connection:
            found = [self._model.model_validate(row.payload) for row in connection.execute(query)]
        # SQLite's LIKE does not tell capital letters from small ones.
        return [item for item in found if f"{getattr(item, column)}/".startswith(f"{path}/")]

    def page(self, limit: int, cursor: str | None, **equal: Any) -> Page[P]:
        """A page, newest first; filters that are None do not filter.

        Raises:
            InvalidRequest: the cursor is none that a page before gave.
        """
        query = self._newest_first({name: value for name, value in equal.items() if value is not None})
        with self._database.transaction() as connection:
            if cursor is not None:
                query = query.where(self._older_than(cursor))
            payloads = [row.payload for row in connection.execute(query.limit(limit + 1))]
        items = [self._model.model_validate(payload) for payload in payloads[:limit]]
        more = len(payloads) > limit
        return Page[P](items=items, next_cursor=getattr(items[-1], self._key.name) if more else None)

    def _older_than(self, cursor: str) -> Any:
        created = self._table.c.created_at
        with self._database.transaction() as connection:
            last = connection.execute(select(created).where(self._key == cursor)).first()
        if last is None:
            raise InvalidRequest("The cursor is none of this list.", field="cursor")
        return or_(created < last.created_at, and_(created == last.created_at, self._key < cursor))

    def _newest_first(self, equal: dict[str, Any]) -> Select[Any]:
        query = select(self._table.c.payload)
        for name, value in equal.items():
            column = self._table.c[name]
            query = query.where(column.in_(value) if isinstance(value, list | set | frozenset) else column == value)
        return query.order_by(self._table.c.created_at.desc(), self._key.desc())

    def _first(self, query: Select[Any]) -> P | None:
        with self._database.transaction() as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else self._model.model_validate(row.payload)

    def _row(self, item: P) -> dict[str, Any]:
        columns = {name: getattr(item, name) for name in self._columns}
        return {**columns, "payload": item.model_dump(mode="json")}
