"""Telling whoever waits that something changed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol, TypeVar

from hermes_lab.model.events import Changed, Noun
from hermes_lab.model.payload import WaitRequest


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=_Versioned)


class Events:
    """Wakes long polls in this process and hands every change to ``emit`` (Jupyter's event log)."""

    def __init__(self, emit: Callable[[Changed], None]) -> None:
        self._emit = emit
        self._waiting: dict[tuple[Noun, str], set[asyncio.Future[None]]] = defaultdict(set)

    def publish(self, noun: Noun, subject: str, state: str) -> None:
        """Say to everybody that the thing changed."""
        self.wake(noun, subject)
        self._emit(Changed(noun=noun, id=subject, state=state))

    def wake(self, noun: Noun, subject: str) -> None:
        """Say it to those alone who wait for this thing in this process."""
        for waiter in self._waiting.pop((noun, subject), set()):
            if not waiter.done():
                waiter.set_result(None)

    async def changed(self, noun: Noun, subject: str, timeout: float) -> bool:
        """Return True at the next change of the thing, False after ``timeout`` seconds without one."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[noun, subject].add(waiter)
        try:
            await asyncio.wait_for(waiter, timeout)
        except asyncio.TimeoutError:
            return False
        finally:
            self._forget(noun, subject, waiter)
        return True

    async def until(self, noun: Noun, subject: str, timeout: float, condition: Callable[[], bool]) -> None:
        """Return when the condition holds, or after ``timeout`` seconds; it is tried at every change of the thing."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        while not condition() and (left := deadline - clock()) > 0:
            await self.changed(noun, subject, left)

    def _forget(self, noun: Noun, subject: str, waiter: asyncio.Future[None]) -> None:
        waiting = self._waiting.get((noun, subject))
        if waiting is not None:
            waiting.discard(waiter)
            if not waiting:
                del self._waiting[noun, subject]

    async def latest(
        self, noun: Noun, subject: str, request: WaitRequest, ended: Callable[[V], bool], read: Callable[[], V]
    ) -> V:
        """A read that may wait (see WaitRequest); what has ended is answered at once."""
        item = read()
        newer = request.since is not None and item.version > request.since
        if request.wait == 0 or newer or ended(item):
            return item
        await self.changed(noun, subject, request.wait)
        return read()
