"""Executing a notebook whose output is kept at a URL: written on this machine, and copied there while it changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hermes_lab.engines.remote_copy import RemoteCopy
from hermes_lab.engines.storage import scheme_of
from hermes_lab.runner.protocol import (
    ExecuteNotebook,
    ExecutionEnded,
    ExecutionEvent,
    ExecutionProgressed,
    ExecutionStarted,
    NotebookRunner,
    OnEvent,
)


async def execute_and_upload(runner: NotebookRunner, request: ExecuteNotebook, on_event: OnEvent) -> ExecutionEnded:
    """Like ``runner.execute``; where ``recorded_output_path`` is a URL, the output notebook is kept there, too.

    The file at ``output_path`` stays. A run whose output cannot be uploaded ends as ``output_unwritable``, at once
    where the first upload fails, and names the file that holds it.
    """
    remote = request.recorded_output_path
    if remote is None or scheme_of(remote) is None:
        return await runner.execute(request, on_event)
    copy = RemoteCopy(Path(request.output_path), remote)
    cancelling: list[asyncio.Task[None]] = []

    def give_up() -> None:
        cancelling.append(asyncio.ensure_future(runner.cancel(request.run_id)))

    def hear(event: ExecutionEvent) -> None:
        if isinstance(event, ExecutionStarted):
            copy.begin(give_up)
        if isinstance(event, ExecutionProgressed) and event.output_path is not None:
            copy.local = Path(event.output_path)
        on_event(event)

    try:
        ended = await runner.execute(request, hear)
        if ended.output_path is not None:
            copy.local = Path(ended.output_path)
    finally:
        failure = await _finished(copy)
    if failure is None:
        return ended
    if ended.cause == "output_unwritable":  # it says itself where the output is kept, or what is lost
        return _unwritable(ended, f"{ended.message} {failure}")
    return _unwritable(ended, f"{failure} The output notebook is kept in {copy.local}.")


async def _finished(copy: RemoteCopy) -> OSError | None:
    try:
        await copy.finish()
    except OSError as error:
        return error
    return copy.broken


def _unwritable(ended: ExecutionEnded, message: str) -> ExecutionEnded:
    result = ended.result.model_copy(update={"status": "error"}) if ended.result else None
    return ended.model_copy(
        update={"state": "failed", "cause": "output_unwritable", "message": message, "result": result}
    )
