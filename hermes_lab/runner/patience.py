"""Waiting for code of others, which may never come to an end, and may not heed that it is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

_Result = TypeVar("_Result")
SECONDS_TO_HEED = 1.0
"""How long what is given up may take over it."""


async def given_up(task: asyncio.Task[Any]) -> bool:
    """Cancel what has not ended; whether it ends at that. What goes on all the same is left to itself."""
    task.cancel()
    await asyncio.wait({task}, timeout=SECONDS_TO_HEED)
    if not task.done():
        _leave([task])
    return task.done()


async def ended_within(seconds: float, task: asyncio.Task[Any]) -> bool:
    """Wait for the end of a task, whatever that is; whether it came in time. One that did not is given up."""
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    return task.done() or not await given_up(task)


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """As `asyncio.run`, which at its end waits for ever for what does not heed that it is cancelled."""
    return asyncio.run(_and_leave(main))


async def _and_leave(main: Coroutine[Any, Any, _Result]) -> _Result:
    try:
        return await main
    finally:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            _, deaf = await asyncio.wait(others, timeout=SECONDS_TO_HEED)
            _leave(deaf)


def _leave(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Have `asyncio.run` end without these, whoever called it."""
    for task in tasks:
        asyncio.tasks._unregister_task(task)  # in its documentation, for tasks that end in their own way
