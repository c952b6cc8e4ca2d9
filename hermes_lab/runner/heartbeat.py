"""Noticing that a kernel is frozen: its heartbeat stays away.

A thread in C answers the heartbeat, so that a kernel which computes, holds Python's lock or waits in a system call
goes on beating; one that is stopped, or whose machine has no memory left to run it, does not.
"""

from __future__ import annotations

import asyncio
import math

import zmq.asyncio

_LONGEST_PAUSE_SECONDS = 1.0
_ASKED_EACH_LIMIT = 5


async def until_frozen(socket: zmq.asyncio.Socket, limit: float, first_limit: float = math.inf) -> None:
    """Return when the kernel has not answered for ``limit`` seconds; closes the socket.

    ``socket`` is connected to its heartbeat channel. For the first answer it has ``first_limit`` seconds; infinite for
    one that may have no heartbeat at all.
    """
    pause = min(limit / _ASKED_EACH_LIMIT, _LONGEST_PAUSE_SECONDS)
    allowed = first_limit
    silent = 0.0
    try:
        await socket.send(b"ping")
        while silent < allowed:
            # Waits are counted, not the clock: a machine that slept, or a runner that was busy, is no silence.
            if not await socket.poll(round(pause * 1000)):
                silent += pause
                continue
            await socket.recv()
            allowed, silent = limit, 0.0
            await asyncio.sleep(pause)
            await socket.send(b"ping")
    finally:
        socket.close(linger=0)
