"""What an IPython kernel is told before its first cell, so that no output is lost and none piles up.

By itself ipykernel sends what was printed in a fifth of a second as one message, of whatever size, and throws messages
away when they are not fetched as fast as they come. Here a message is never long, and printing waits for its reader.
And a lone surrogate in printed text is spelled out, where ipykernel fails to send it.
"""

from __future__ import annotations

from hermes_lab.model.payload import JsonObject

IMPLEMENTATION = "ipython"
"""As the kernel names itself."""
MESSAGES_UNREAD = 100
"""So many may wait for their reader in the runner, and as many in the kernel."""

_SOURCE = f"""
import sys
import zmq
from ipykernel.iostream import OutStream

LONGEST = 250_000
schedule_flush, flush_buffers = OutStream._schedule_flush, OutStream._flush_buffers

def flush_where_much(self):
    schedule_flush(self)
    with self._buffer_lock:
        unsent = sum(buffer.tell() for buffer in self._buffers.values())
    if unsent > LONGEST:
        self.flush()

def flush_in_pieces(self):
    for parent, text in flush_buffers(self):
        # A lone surrogate cannot be sent, and what tries to send it fails, and all that is sent with it.
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        for start in range(0, len(text), LONGEST):
            yield parent, text[start : start + LONGEST]

def wait_for_the_reader():
    thread.socket.setsockopt(zmq.SNDHWM, {MESSAGES_UNREAD})
    thread.socket.setsockopt(zmq.XPUB_NODROP, 1)

thread = sys.stdout.pub_thread
thread.schedule(wait_for_the_reader)
OutStream._schedule_flush, OutStream._flush_buffers = flush_where_much, flush_in_pieces
"""


def prologue() -> JsonObject:
    """The content of an execute request that leaves no trace: no name, no history, no count."""
    return {
        "code": f"exec({_SOURCE!r}, {{}})",
        "silent": True,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }
