"""The base of every payload, and the few types that all nouns share."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Generic, TypeVar
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hermes_lab.model.values import JsonObject, Notebook, sha256

__all__ = [
    "IdempotencyKey",
    "Item",
    "JsonObject",
    "Notebook",
    "Page",
    "PageRequest",
    "Payload",
    "Sha256",
    "UtcTime",
    "WaitRequest",
    "WaitSeconds",
    "new_id",
    "now",
    "sha256",
]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of the bytes, in hex")]
UtcTime = AwareDatetime
WaitSeconds = Annotated[float, Field(ge=0, le=60, description="Seconds to wait for a change; 0 answers at once.")]
IdempotencyKey = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=200,
        description="The same key and request answer with what the first call made; also a header.",
    ),
]


class Payload(BaseModel):
    """Immutable, and strict about names: a misspelled field is an error, not a silent default.

    Answers always carry every field, and their schema says so: a client need not ask whether one is there.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_serialization_defaults_required=True,
        # What a caller sent may be secret, and errors are logged.
        hide_input_in_errors=True,
    )


Item = TypeVar("Item")


class Page(Payload, Generic[Item]):
    """One page of a list, newest first; ``next_cursor`` is null on the last page."""

    items: list[Item]
    next_cursor: str | None = None


class PageRequest(Payload):
    """Which page of a list is wanted."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before")


class WaitRequest(Payload):
    """A read that may wait: it answers when the version is above ``since``, at a change, or when time is up."""

    wait: WaitSeconds = 0
    since: int | None = Field(default=None, ge=0, description="A version already seen; a newer one answers at once.")


def new_id() -> str:
    """A new identifier: 32 hexadecimal digits that cannot be guessed."""
    return uuid4().hex


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(timezone.utc)
