"""JSON as its standard has it: kernels send ``NaN`` and lone surrogates, and what is kept holds neither."""

from __future__ import annotations

import math
from typing import Any


def strict(value: Any) -> Any:
    r"""The value with null for a number that is not finite, and a lone surrogate spelled out as ``\udXXX``."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {strict(key): strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return value
