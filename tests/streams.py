"""Reading server-sent events as a client does, from the words of the specification."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from tests.clients import SECONDS, Client


@dataclass(frozen=True)
class Told:
    """One event, as it came."""

    id: str
    event: str
    data: dict[str, Any]


@contextmanager
def stream(
    client: Client, run_id: str, headers: dict[str, str] | None = None, **query: Any
) -> Iterator[requests.Response]:
    """The open answer of `follow_run`."""
    path = f"{client.url}/hermes/api/runs/{run_id}/events"
    with client.session.get(path, params=query, headers=headers, stream=True, timeout=SECONDS) as answer:
        yield answer


def lines(answer: requests.Response) -> Iterator[str]:
    """The lines as they come."""
    for line in answer.iter_lines(chunk_size=1):
        yield line.decode()


def events(answer: requests.Response) -> Iterator[Told]:
    """The events as they come, comments left out."""
    fields: dict[str, str] = {}
    for line in lines(answer):
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Told(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


def followed(client: Client, run_id: str, **query: Any) -> list[Told]:
    """All events until the run has ended."""
    with stream(client, run_id, **query) as answer:
        assert answer.status_code == 200, answer.text
        return list(events(answer))
