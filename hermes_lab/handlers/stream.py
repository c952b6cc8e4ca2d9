"""Server-sent events: the changes of one thing, numbered, as they happen.

https://html.spec.whatwg.org/multipage/server-sent-events.html. A client that lost its connection asks again with the
number of the last event that it saw, and misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.iostream import StreamClosedError

from hermes_lab.handlers.authentication import HermesHandler, Shared
from hermes_lab.model.actors import require_scope
from hermes_lab.model.errors import NotAllowed
from hermes_lab.model.run_events import RunEvent
from hermes_lab.operations import STREAMS, Stream, validated

_LAST_ID = "Last-Event-ID"
_SECONDS_BETWEEN_CHECKS = 5.0
_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy that collected events would make progress come in lumps
}


class StreamHandler(HermesHandler):
    """One stream. A reader that is slow holds itself up and nobody else: no event waits in memory for it."""

    SUPPORTED_METHODS = ("GET",)

    def initialize(self, shared: Shared, stream: Stream = STREAMS[0]) -> None:
        """Which stream it is."""
        super().initialize(shared)
        self._stream = stream
        self._answering: asyncio.Task[Any] | None = None
        self._has_begun = False
        self._checked_at = 0.0

    # Jupyter's own check knows people only; ours is in `actor`.
    @allow_unauthenticated
    async def get(self, **path_fields: str) -> None:
        """The events, until the last one; 204 where there are none left, which tells a browser not to ask again."""
        self._answering = asyncio.current_task()
        query = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        last = self.request.headers.get(_LAST_ID)
        actor = await self._allowed()
        request = validated(self._stream.request, {**query, **({"after": last} if last else {}), **path_fields})
        try:
            async with aclosing(self._stream.call(self.services, actor, request)) as portions:
                await self._send(portions)
        except StreamClosedError:
            return  # whoever asked has gone
        except asyncio.CancelledError:
            if self._answering is not None:
                raise  # it is the server that ends
            return
        except NotAllowed:
            if not self._has_begun:
                raise
            self.log.info("A stream was ended, for its reader's token is good no more.")
        if not self._has_begun:
            self.set_status(204)
        self.finish()

    def on_connection_close(self) -> None:
        """Whoever asked has gone: wait for nothing more."""
        if self._answering is not None:
            answering, self._answering = self._answering, None
            answering.cancel()

    def finish(self, *args: Any, **kwargs: Any) -> asyncio.Future[None]:
        """Jupyter would call everything JSON."""
        kind = {"set_content_type": _HEADERS["Content-Type"]} if self._has_begun else {}
        finished: asyncio.Future[None] = super().finish(*args, **{**kind, **kwargs})
        return finished

    async def _send(self, portions: AsyncIterator[list[RunEvent]]) -> None:
        async for portion in portions:
            if not self._has_begun:
                self._begin()
            self.write("".join(map(_framed, portion)) or ": nothing new\n\n")
            await self.flush()
            if asyncio.get_running_loop().time() - self._checked_at > _SECONDS_BETWEEN_CHECKS:
                await self._allowed()

    async def _allowed(self) -> Any:
        """Who asks; a token that was revoked or has expired meanwhile is worth nothing here either.

        Raises:
            NotAllowed: nobody who may.
        """
        actor = await self.actor()
        require_scope(actor, self._stream.scope)
        self._checked_at = asyncio.get_running_loop().time()
        return actor

    def _begin(self) -> None:
        self._has_begun = True
        for name, value in _HEADERS.items():
            self.set_header(name, value)
        # Without it, the system holds a small event back until the one before is acknowledged.
        self.request.connection.stream.set_nodelay(True)  # type: ignore[union-attr]


def _framed(event: RunEvent) -> str:
    return f"id: {event.sequence}\nevent: {event.event}\ndata: {event.model_dump_json()}\n\n"
