"""A bounded number of places, and the queue before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

OnPosition = Callable[[int], None]
"""Called with the position in the queue whenever it changes: 1 is the next, 0 has a place."""


class Places:
    """Gives ``count`` places to those who come, in the order in which they come."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: dict[asyncio.Future[None], OnPosition] = {}
        self._told: dict[asyncio.Future[None], int] = {}

    async def take(self, gave_up: asyncio.Event, on_position: OnPosition) -> bool:
        """Wait for a place; False when the event came first. Who has a place must leave it."""
        if self._free and not self._queue:
            self._free -= 1
            on_position(0)
            return True
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue[place] = on_position
        self._tell_positions()
        giving_up = asyncio.create_task(gave_up.wait())
        either: set[asyncio.Future[Any]] = {place, giving_up}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if place.done():
                self.leave()
            raise
        finally:
            giving_up.cancel()
            if self._queue.pop(place, None) is not None:
                self._tell_positions()
        return place.done()

    def leave(self) -> None:
        """Give the place to the next in the queue."""
        if not self._queue:
            self._free += 1
            return
        place = next(iter(self._queue))
        on_position = self._queue.pop(place)
        place.set_result(None)
        on_position(0)
        self._tell_positions()

    def _tell_positions(self) -> None:
        told, self._told = self._told, {place: at for at, place in enumerate(self._queue, start=1)}
        for place, position in self._told.items():
            if told.get(place) != position:
                self._queue[place](position)
