"""The cells of one notebook, executed one after another in one kernel, until something ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode

from hermes_lab.model.runs import FailedCell
from hermes_lab.runner.account import Account
from hermes_lab.runner.cells import CellClient, CellRequest
from hermes_lab.runner.kernels import RunKernel
from hermes_lab.runner.masking import Secrets
from hermes_lab.runner.outcome import (
    CellOutcome,
    Outcome,
    StopReason,
    cell_timed_out,
    failed,
    from_reply,
    kernel_died,
    stopped,
    unresponsive,
)
from hermes_lab.runner.outputs import RunOutputs
from hermes_lab.runner.protocol import ExecuteNotebook, OnMessage

_DRAIN_SECONDS = 0.1


class Session:
    """Waits for several things at once: the cell, the kernel's end, and somebody who wants the run to stop."""

    def __init__(
        self,
        request: ExecuteNotebook,
        notebook: NotebookNode,
        kernel: RunKernel,
        account: Account,
        outputs: RunOutputs,
        secrets: Secrets,
        stop: asyncio.Future[StopReason],
        stop_message: Callable[[StopReason], str],
        on_output: Callable[[str], None],
        on_message: OnMessage | None = None,
    ) -> None:
        self._request = request
        self._notebook = notebook
        self._kernel = kernel
        self._account = account
        self._outputs = outputs
        self._secrets = secrets
        self._stop = stop
        self._stop_message = stop_message
        self._on_output = on_output
        self._on_message = on_message
        self._attention: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when there is a reason not to wait for a cell any longer."""

    async def run(self) -> Outcome:
        """Start the kernel and execute every cell; the kernel is left to the caller to stop."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._request.limits.start_seconds
        self._stop.add_done_callback(self._attend)
        unstarted = await self._until_started()
        if unstarted is not None:
            return unstarted
        client = CellClient(
            self._notebook,
            self._kernel,
            self._outputs,
            self._secrets,
            self._on_output,
            self._on_message,
            allow_errors=self._request.allow_errors,
        )
        reasons: tuple[asyncio.Future[Any], ...] = (self._kernel.exited, self._kernel.frozen, client.broken)
        for reason in reasons:
            reason.add_done_callback(self._attend)
        try:
            unready = await self._until_ready(client, deadline - loop.time())
            return unready or await self._cells(client)
        finally:
            client.close()
            for outputs in client.outputs:
                self._account.recount(outputs)
            self._account.tell()  # nobody waits for the kernel's own end to hear how the last cell went

    def _attend(self, _reason: asyncio.Future[Any]) -> None:
        if not self._attention.done():
            self._attention.set_result(None)

    async def _until_started(self) -> Outcome | None:
        """Whoever starts the kernel may be a plugin, which raises what it likes, or never comes back."""
        starting = asyncio.create_task(self._kernel.start())
        await self._wait(starting, timeout=self._request.limits.start_seconds)
        awaited = self._kernel.awaited_provisioner
        if await _finished(starting):
            error = "its provisioner gave up" if starting.cancelled() else starting.exception()
            return failed("kernel_failed_to_start", f"The kernel cannot be started: {error}") if error else None
        if self._stop.done():
            return self._stopped().ends_run
        seconds = f"in {self._request.limits.start_seconds:g} seconds"
        why = f"The kernel was not started {seconds}"
        if awaited is not None:
            why = f"The provisioner {awaited!r} did not start the kernel {seconds}"
        return failed("kernel_failed_to_start", f"{why}. {self._kernel.last_words}".strip())

    async def _until_ready(self, client: CellClient, left: float) -> Outcome | None:
        """``left`` are the seconds that it still has, of all that its start may take."""
        limit, left = self._request.limits.start_seconds, max(round(left, 1), 0.0)
        ready = asyncio.create_task(client.ready())
        await self._wait(ready, timeout=left)
        if await _finished(ready):
            return None
        if self._stop.done():
            return self._stopped().ends_run
        _raise_where_broken(client)
        why = f"did not answer in {left:g} seconds"
        if left < limit:
            why += f", which its start had left it of {limit:g}"
        if self._kernel.frozen.done():
            why = "stopped answering before it was ready"
        if self._kernel.exited.done():
            why = f"ended before it was ready ({await self._kernel.epitaph()})"
        return failed("kernel_failed_to_start", f"The kernel {why}. {self._kernel.last_words}".strip())

    async def _cells(self, client: CellClient) -> Outcome:
        for index, cell in enumerate(self._notebook["cells"]):
            if client.has_nothing_to_run(cell):
                self._account.cell_passed(cell)
                self._on_output(cell["id"])
                continue
            outcome = await self._cell(client, cell, index)
            if outcome.ends_run is not None:
                return outcome.ends_run
        failures = len(self._account.failures)
        allowed = f"{failures} of the cells failed, which this run allows." if failures else None
        return Outcome("completed", message=allowed)

    async def _cell(self, client: CellClient, cell: NotebookNode, index: int) -> CellOutcome:
        if self._stop.done():
            return self._stopped()
        if self._kernel.exited.done():
            place = self._account.place(cell, index)
            return kernel_died(place, await self._kernel.epitaph(), while_running=False)
        if self._kernel.frozen.done():
            return self._frozen(cell, index, while_running=False)
        self._account.cell_started(cell)
        self._on_output(cell["id"])
        self._kernel.measure_begin()
        request = client.send(cell, index)
        await self._wait(request.ended, timeout=self._request.cell_timeout_seconds)
        outcome = await self._judge(client, request)
        self._account.cell_ended(cell, outcome, self._kernel.measure_end(), request.outputs)
        self._on_output(cell["id"])
        return outcome

    async def _judge(self, client: CellClient, request: CellRequest) -> CellOutcome:
        if self._kernel.exited.done() and not request.ended.done():
            await client.drain(_DRAIN_SECONDS)
        if request.ended.done():
            return self._replied(client, request)
        _raise_where_broken(client)
        place = self._account.place(request.cell, request.index)
        if self._kernel.exited.done():
            return kernel_died(place, await self._kernel.epitaph(), while_running=True)
        if self._kernel.frozen.done() and not self._stop.done():
            return self._frozen(request.cell, request.index, while_running=True)
        if not (self._stop.done() and self._stop.result() == "interrupted"):
            await self._interrupt(request)
        return self._out_of_time(place)

    def _replied(self, client: CellClient, request: CellRequest) -> CellOutcome:
        reply = request.ended.result()
        if reply["status"] == "ok":
            return CellOutcome("completed")
        return from_reply(
            reply,
            self._account.place(request.cell, request.index),
            expected=client.expects_errors(request.cell),
            allowed=self._request.allow_errors,
        )

    async def _interrupt(self, request: CellRequest) -> None:
        """Give the cell a chance to end by itself, and to say where it was."""
        await self._kernel.interrupt()
        either: set[asyncio.Future[Any]] = {request.ended, self._kernel.exited}
        grace = self._request.limits.grace_seconds
        await asyncio.wait(either, timeout=grace, return_when=asyncio.FIRST_COMPLETED)

    def _frozen(self, cell: NotebookNode, index: int, *, while_running: bool) -> CellOutcome:
        self._kernel.frozen.result()  # a heartbeat that broke is a defect of ours
        place = self._account.place(cell, index)
        if self._kernel.ended_unseen:
            return kernel_died(place, "its keeper was stopped and does not say how", while_running=while_running)
        return unresponsive(place, self._request.limits.unresponsive_seconds, while_running=while_running)

    def _out_of_time(self, place: FailedCell) -> CellOutcome:
        if self._stop.done():
            reason = self._stop.result()
            return stopped(reason, self._stop_message(reason), place)
        return cell_timed_out(place, self._request.cell_timeout_seconds or 0.0)

    def _stopped(self) -> CellOutcome:
        reason = self._stop.result()
        return stopped(reason, self._stop_message(reason))

    async def _wait(self, awaited: asyncio.Future[Any], timeout: float | None = None) -> None:
        """Until it is done, or there is a reason not to wait for it any longer."""
        await asyncio.wait({awaited, self._attention}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


def _raise_where_broken(client: CellClient) -> None:
    """A defect of ours: from here on nobody would hear the kernel."""
    if client.broken.done():
        client.broken.result()


async def _finished(task: asyncio.Task[object]) -> bool:
    """Whether the task came to its end; one that did not is given up."""
    if task.done():
        return True
    task.cancel()
    await asyncio.wait({task})
    return False
