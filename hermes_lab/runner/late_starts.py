"""Starts of kernels that were given up and go on all the same: whoever starts a kernel may be a plugin."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from hermes_lab.runner.descendants import kill_run

_LOG = logging.getLogger(__name__)
_SECONDS_AT_THE_END = 5.0
"""How long the end of the runner waits for them."""


class LateStarts:
    """Sees to it that what such a start brings is ended when it comes, and with the runner at the latest."""

    def __init__(self) -> None:
        self._marks: dict[asyncio.Task[None], str] = {}
        """Of each start, and of each cleaning after one, that has not ended."""

    def add(self, starting: asyncio.Task[None], mark: str, clean_up: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """``clean_up`` ends what the start has brought; the processes of that carry ``mark``."""
        self._marks[starting] = mark
        starting.add_done_callback(lambda _: self._came(starting, clean_up))

    async def close(self) -> None:
        """Wait for them, but not for ever; then kill what there is of them on this machine."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SECONDS_AT_THE_END
        while self._marks and loop.time() < deadline:
            left = deadline - loop.time()
            await asyncio.wait(set(self._marks), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for mark in self._marks.values():
            _LOG.warning("A start that was given up goes on: what it starts from here on is not ended (%s).", mark)
            await asyncio.to_thread(kill_run, mark)

    def _came(self, starting: asyncio.Task[None], clean_up: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """It has started its kernel after all, or failed to."""
        mark = self._ended(starting, "A start that was given up has failed: %r")
        cleaning = asyncio.create_task(clean_up())
        self._marks[cleaning] = mark
        cleaning.add_done_callback(lambda _: self._ended(cleaning, "The end of a kernel that came late failed: %r"))

    def _ended(self, task: asyncio.Task[None], failed: str) -> str:
        if not task.cancelled() and task.exception() is not None:
            _LOG.warning(failed, task.exception())
        return self._marks.pop(task)
