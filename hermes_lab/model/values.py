"""What all layers pass around and needs no library to be named: JSON, notebooks, hashes, ids, moments.

The command line compares notebooks in less time than pydantic takes to import, and imports this instead.
"""

from __future__ import annotations

import hashlib
import json
import marshal
from typing import Any

JsonObject = dict[str, Any]
Notebook = dict[str, Any]
"""A notebook as nbformat 4 JSON with every ``source`` a string and every cell with a unique ``id``."""


def sha256(content: str | bytes) -> str:
    """The sha256 of the bytes in hex; text is taken as UTF-8."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def same(one: Any, other: Any) -> bool:
    """Equal as JSON. Unlike in Python true is not 1; 1.0 is 1, for a browser cannot tell them apart."""
    return bool(one == other) and (isinstance(one, str) or fingerprint(one) == fingerprint(other) or _same(one, other))


def fingerprint(value: Any) -> bytes:
    """Bytes that are equal only for equal JSON, quickly; equal JSON may have others."""
    try:
        return marshal.dumps(value, 2)  # of the versions without references, which depend on who else refers to it
    except ValueError:  # a subclass of dict, as nbformat makes them
        return json.dumps(value, sort_keys=True).encode()


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
