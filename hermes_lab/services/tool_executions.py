"""Tools at work: each call that was let through is one task, and ends with an answer whatever happens."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Final

from hermes_lab.engines.tool_provider import ToolProvider
from hermes_lab.model.errors import HermesError
from hermes_lab.model.kernels import KernelToken
from hermes_lab.model.payload import JsonObject
from hermes_lab.model.tool_calls import ToolCall

MAX_RESULT: Final = 16 * 1024 * 1024
"""Bytes of an answer as JSON."""

Ended = Callable[[ToolCall, JsonObject | None], None]
"""(the call as it was when it began, the tool's answer); None: it was broken off."""

_log = logging.getLogger(__name__)


class ToolExecutions:
    """Hands calls to the provider and tells when they have ended."""

    def __init__(self, provider: ToolProvider) -> None:
        self._provider = provider
        self._running: dict[str, asyncio.Task[JsonObject]] = {}

    def start(self, call: ToolCall, kernel: KernelToken, ended: Ended) -> None:
        """Begin now, and call ``ended`` once, even if the provider fails or the call is cancelled."""

        def finish(task: asyncio.Task[JsonObject]) -> None:
            del self._running[call.tool_call_id]
            ended(call, _result(task))

        task = asyncio.get_running_loop().create_task(self._execute(call, kernel))
        self._running[call.tool_call_id] = task
        task.add_done_callback(finish)

    def cancel(self, tool_call_id: str) -> bool:
        """Stop the tool; False where it is not running here."""
        task = self._running.get(tool_call_id)
        return task is not None and task.cancel()

    async def close(self) -> None:
        """Stop every tool and wait until all have ended."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _execute(self, call: ToolCall, kernel: KernelToken) -> JsonObject:
        try:
            return _bounded(await self._provider.call(call.tool, call.arguments, kernel))
        except HermesError as error:
            return {"error": error.message}


def _result(task: asyncio.Task[JsonObject]) -> JsonObject | None:
    if task.cancelled():
        return None
    error = task.exception()
    if error is not None:
        _log.error("A tool broke.", exc_info=error)
        return {"error": "The tool broke; the server's log says why."}
    return task.result()


def _bounded(result: JsonObject) -> JsonObject:
    size = len(json.dumps(result))
    if size <= MAX_RESULT:
        return result
    return {"error": f"The tool answered {size} bytes; at most {MAX_RESULT} are passed on. Ask for less."}
