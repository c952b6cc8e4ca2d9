"""The small functions that scripts written for Hermes rely on, with Hermes' names and behaviour."""

import json
import shlex
import time
from typing import Any, Callable, TypeVar

Answer = TypeVar("Answer")


def json_parse(text: str) -> Any:
    """The value of a JSON text whose strings may hold raw control characters, as command output does."""
    return json.loads(text, strict=False)


def shell_quote(s: str) -> str:
    """``s`` quoted so that a shell reads it as one word: ``terminal(f"ls {shell_quote(name)}")``."""
    return shlex.quote(s)


def retry(fn: Callable[[], Answer], max_attempts: int = 3, delay: float = 2) -> Answer:
    """What ``fn()`` returns, called again after ``delay``, then twice, four times ... as many seconds.

    Raises:
        Exception: what ``fn`` raised at the last attempt.
    """
    for attempt in range(max_attempts - 1):
        try:
            return fn()
        except Exception:  # noqa: BLE001 - which failures pass is for the caller's function to know
            time.sleep(delay * 2**attempt)
    return fn()
