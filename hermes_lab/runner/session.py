"""The cells of one notebook, executed one after another in one kernel, until something ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode

from hermes_lab.runner.account import Account
from hermes_lab.runner.cells import CellClient
from hermes_lab.runner.kernels import RunKernel
from hermes_lab.runner.outcome import (
    CellOutcome,
    Outcome,
    StopReason,
    failed,
    from_reply,
    kernel_died,
    stopped,
)
from hermes_lab.runner.protocol import OnMessage

GRACE_SECONDS = 3.0
"""How long a cell may take to end after an interrupt, before its kernel is killed (design, section 10)."""
_START_SECONDS = 60.0
_DRAIN_SECONDS = 0.1


class Session:
    """Waits for three things at once: the cell, the kernel's end, and somebody who wants the run to stop."""

    def __init__(
        self,
        notebook: NotebookNode,
        kernel: RunKernel,
        account: Account,
        stop: asyncio.Future[StopReason],
        stop_message: Callable[[StopReason], str],
        on_output: Callable[[], None],
        on_message: OnMessage | None = None,
    ) -> None:
        self._notebook = notebook
        self._kernel = kernel
        self._account = account
        self._stop = stop
        self._stop_message = stop_message
        self._on_output = on_output
        self._on_message = on_message

    async def run(self) -> Outcome:
        """Start the kernel and execute every cell; the kernel is left to the caller to stop."""
        try:
            await self._kernel.start()
        except Exception as error:  # noqa: BLE001 - kernel provisioners are plugins and raise what they like
            return failed("kernel_failed_to_start", f"The kernel cannot be started: {error}")
        client = CellClient(self._notebook, self._kernel, self._on_output, self._on_message)
        try:
            unready = await self._until_ready(client)
            return unready or await self._cells(client)
        finally:
            client.close()

    async def _until_ready(self, client: CellClient) -> Outcome | None:
        ready = asyncio.create_task(client.ready())
        await self._wait(ready, client, timeout=_START_SECONDS)
        if await _finished(ready):
            return None
        if self._stop.done():
            return self._stopped().ends_run
        why = f"did not answer in {_START_SECONDS:g} seconds"
        if self._kernel.exited.done():
            why = f"ended before it was ready ({await self._kernel.epitaph()})"
        return failed("kernel_failed_to_start", f"The kernel {why}. {self._kernel.last_words}".strip())

    async def _cells(self, client: CellClient) -> Outcome:
        for index, cell in enumerate(self._notebook.cells):
            if client.has_nothing_to_run(cell):
                self._account.cell_passed(cell)
                continue
            outcome = await self._cell(client, cell, index)
            if outcome.ends_run is not None:
                return outcome.ends_run
        return Outcome("completed")

    async def _cell(self, client: CellClient, cell: NotebookNode, index: int) -> CellOutcome:
        if self._stop.done():
            return self._stopped()
        if self._kernel.exited.done():
            place = self._account.place(cell, index)
            return kernel_died(place, await self._kernel.epitaph(), while_running=False)
        self._account.cell_started(cell)
        self._on_output()
        running = asyncio.create_task(client.run_cell(cell, index))
        try:
            await self._wait(running, client)
            outcome = await self._judge(client, running, cell, index)
        finally:
            await _finished(running)
        self._account.cell_ended(cell, outcome.state)
        self._on_output()
        return outcome

    async def _judge(
        self, client: CellClient, running: asyncio.Task[dict[str, object]], cell: NotebookNode, index: int
    ) -> CellOutcome:
        place = self._account.place(cell, index)
        if running.done():
            return from_reply(running.result(), place, allows_errors=client.allows_errors(cell))
        if self._kernel.exited.done():
            await client.drain(_DRAIN_SECONDS)
            return kernel_died(place, await self._kernel.epitaph(), while_running=True)
        if self._stop.result() != "interrupted":
            await self._kernel.interrupt()
            await asyncio.wait(
                {running, self._kernel.exited}, timeout=GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        reason = self._stop.result()
        return stopped(reason, self._stop_message(reason), place)

    def _stopped(self) -> CellOutcome:
        reason = self._stop.result()
        return stopped(reason, self._stop_message(reason))

    async def _wait(self, task: asyncio.Task[object], client: CellClient, timeout: float | None = None) -> None:
        """Until the task is done, or there is a reason not to wait for it any longer."""
        reasons: set[asyncio.Future[Any]] = {task, self._stop, self._kernel.exited, *client.readers}
        await asyncio.wait(reasons, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for reader in client.readers:
            if reader.done():
                reader.result()  # it ends by an error alone; from here on nobody would hear the kernel


async def _finished(task: asyncio.Task[object]) -> bool:
    """Whether the task came to its end; one that did not is given up."""
    if task.done():
        return True
    task.cancel()
    await asyncio.wait({task})
    return False
