"""JSON as its standard has it: kernels send ``NaN`` and lone surrogates, and a file must hold neither."""

from __future__ import annotations

import json
import math
from typing import Any


def finite(value: Any) -> Any:
    """The value with null in place of every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def encode(text: str) -> bytes:
    r"""JSON text as UTF-8; a lone surrogate, which UTF-8 has no form for, as its ``\udXXX`` escape."""
    return text.encode("utf-8", "backslashreplace")


def dumps(value: Any, **options: Any) -> bytes:
    """``json.dumps`` to bytes that every parser reads."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, **options)
    except ValueError:
        text = json.dumps(finite(value), ensure_ascii=False, allow_nan=False, **options)
    return encode(text)
