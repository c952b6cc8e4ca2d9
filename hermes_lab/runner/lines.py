"""One line of JSON after the other, over a pipe."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from hermes_lab.model.payload import Payload

LINE_LIMIT = 1 << 30
"""Bytes in the longest line: a notebook with all its outputs is one line."""


def to_line(payload: Payload) -> bytes:
    """The payload as one line. Python's encoder, for a notebook may hold what pydantic's refuses to write."""
    return json.dumps(payload.model_dump(mode="json")).encode("ascii") + b"\n"


async def read_lines(reader: asyncio.StreamReader) -> AsyncIterator[Any]:
    """The value on every whole line until the pipe ends; a line that could not be finished is dropped."""
    while True:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            return
        yield json.loads(line)
