"""The escape sequences that colour a terminal."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def without_ansi(text: str) -> str:
    """The text without them."""
    return _SEQUENCE.sub("", text)
