"""Waiting for code of others, which may never come to an end, and may not heed that it is given up."""

from __future__ import annotations

import asyncio
from typing import Any

SECONDS_TO_HEED = 1.0
"""How long what is given up may take over it."""


async def given_up(task: asyncio.Task[Any]) -> bool:
    """Cancel what has not ended; whether it ends at that. What goes on all the same is left to itself."""
    task.cancel()
    await asyncio.wait({task}, timeout=SECONDS_TO_HEED)
    return task.done()


async def ended_within(seconds: float, task: asyncio.Task[Any]) -> bool:
    """Wait for the end of a task, whatever that is; whether it came in time. One that did not is given up."""
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    return task.done() or not await given_up(task)
