"""How much two cells' sources have in common. Pure functions."""

from __future__ import annotations

import re
from collections import Counter

from hermes_lab.model.values import JsonObject

_TOKEN = re.compile(r"\w+|[^\w\s]")


def tokens(cell: JsonObject) -> Counter[str]:
    """The words and signs of a cell's source, with how often each occurs."""
    return Counter(_TOKEN.findall(cell["source"]))


def likeness(one: Counter[str], other: Counter[str]) -> float:
    """Dice's coefficient over words and signs: 0 for nothing in common, 1 for the same ones."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0
