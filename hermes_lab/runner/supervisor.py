"""The server's side of the runner: keeps one runner process alive, and a bounded number of runs in it."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Final

from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.flight import Flight
from hermes_lab.runner.link import Link, LinkLost
from hermes_lab.runner.places import Places
from hermes_lab.runner.protocol import ExecuteNotebook, ExecutionEnded, OnEvent, PrepareKernel

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_ATTEMPTS = 3
UNRESPONSIVE_SECONDS: Final = 120.0
"""How long a runner may be silent: longer than a machine that swaps keeps it from its work."""


class SupervisedRunner:
    """A `NotebookRunner` in a process of its own.

    ``concurrency`` runs execute at a time (default: one for each processor); the others wait in the order in
    which they came. When the process dies, its runs end as `interrupted`, and a new one is started, after a pause
    that doubles while no run comes to an end. One that lives and has not answered for ``unresponsive_seconds`` is
    killed. It keeps ``warm_kernels`` of each kind of kernel ready.
    """

    def __init__(
        self,
        concurrency: int | None = None,
        *,
        warm_kernels: int = 0,
        unresponsive_seconds: float = UNRESPONSIVE_SECONDS,
    ) -> None:
        self._warm_kernels = warm_kernels
        self._unresponsive_seconds = unresponsive_seconds
        self._prepared: PrepareKernel | None = None
        self._places = Places(concurrency or os.cpu_count() or 1)
        self._cancelled: dict[str, asyncio.Event] = {}
        self._opening = asyncio.Lock()
        self._link: Link | None = None
        self._useless_links = 0
        self._restarting: asyncio.Task[None] | None = None
        self._closing = False

    async def start(self) -> None:
        """Have the process ready before the first run asks for it.

        Raises:
            OSError: it cannot be started.
        """
        await self._current_link()

    async def prepare(
        self, kernel_name: str, environment: dict[str, str], kernel_spec: JsonObject | None = None
    ) -> None:
        """Have a kernel ready for a run that will come, now and whenever the process had to be started again."""
        self._prepared = PrepareKernel(kernel_name=kernel_name, kernel_spec=kernel_spec, environment=environment)
        if self._link is not None:
            await self._link.prepare(self._prepared)

    async def execute(self, request: ExecuteNotebook, on_event: OnEvent) -> ExecutionEnded:
        """See `NotebookRunner.execute`."""
        cancelled = self._cancelled[request.run_id] = asyncio.Event()
        if request.cancelled:
            cancelled.set()
        try:
            flight = Flight(request, on_event)
            has_place = await self._places.take(cancelled, flight.queued)
            try:
                return await self._fly(flight, cancelled)
            finally:
                if has_place:
                    self._places.leave()
        finally:
            del self._cancelled[request.run_id]

    async def cancel(self, run_id: str) -> None:
        """See `NotebookRunner.cancel`. A run that waits needs no place to end, and gets its output notebook."""
        if run_id in self._cancelled:
            self._cancelled[run_id].set()
            if self._link is not None:
                await self._link.cancel(run_id)

    async def close(self) -> None:
        """See `NotebookRunner.close`."""
        self._closing = True
        for cancelled in self._cancelled.values():
            cancelled.set()
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.wait({self._restarting})
        async with self._opening:
            if self._link is not None:
                await self._link.close()

    async def _fly(self, flight: Flight, cancelled: asyncio.Event) -> ExecutionEnded:
        pid, last = None, ""
        for _ in range(_ATTEMPTS):
            if self._closing:
                return flight.lost("The runner was closed before the run began.", None)
            try:
                link = await self._current_link()
                pid = link.pid
                await link.fly(flight, cancelled=cancelled.is_set())
            except OSError as error:
                return flight.lost(f"The runner cannot be started: {error}", None)
            except LinkLost as lost:
                if flight.started:
                    return await asyncio.to_thread(flight.lost, str(lost), pid)
                last = str(lost)  # nothing of it was executed, so it may be tried again
                continue
            return flight.ended.result()
        return flight.lost(f"{last} So it was {_ATTEMPTS} times; the log says more.", pid)

    async def _current_link(self) -> Link:
        async with self._opening:
            if self._link is None or self._link.lost.done():
                await asyncio.sleep(self._pause())
                opening = asyncio.create_task(self._open())
                try:
                    return await asyncio.shield(opening)
                except asyncio.CancelledError:
                    await asyncio.wait({opening})  # a process that is started is somebody's to end
                    raise
            return self._link

    async def _open(self) -> Link:
        self._link = link = await Link.open(self._warm_kernels, self._unresponsive_seconds)
        link.lost.add_done_callback(self._restart)
        if self._prepared is not None:
            await link.prepare(self._prepared)
        return link

    def _pause(self) -> float:
        if self._link is None or self._link.was_useful:
            self._useless_links = 0
            return 0.0
        self._useless_links += 1
        return min(_FIRST_PAUSE_SECONDS * 2.0**self._useless_links, _LONGEST_PAUSE_SECONDS)

    def _restart(self, lost: asyncio.Task[None]) -> None:
        if self._closing:
            return
        if not lost.cancelled() and lost.exception() is not None:
            _LOG.error("The connection to the runner broke.", exc_info=lost.exception())
        _LOG.warning("The runner process has ended; a new one is started.")
        self._restarting = asyncio.ensure_future(self._reopen())

    async def _reopen(self) -> None:
        try:
            await self._current_link()
        except OSError as error:
            _LOG.error("The runner cannot be started: %s", error)
