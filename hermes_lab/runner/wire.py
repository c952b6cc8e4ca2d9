"""Jupyter's messages on a kernel's sockets: signed, checked, and read in batches.

jupyter_client reads one message at a time, and parses every part of it; a cell needs a few parts of a few messages.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.jsonutil import parse_date

from hermes_lab.model.payload import JsonObject

_LOG = logging.getLogger(__name__)
_DELIMITER = b"<IDS|MSG>"
_EVENTS, _READABLE = int(zmq.EVENTS), int(zmq.POLLIN)
_PROTOCOL = "5.3"
_SIGNATURES_KEPT = 2**16
_BYTES_IN_A_ROW = 1_000_000
_MESSAGES_IN_A_ROW = 200
"""Messages at hand are read without a pause up to here; then others have their turn."""
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass(frozen=True, slots=True)
class Message:
    """What a kernel said. ``parent`` is the header of the request that it belongs to."""

    kind: str
    header: JsonObject
    parent: JsonObject
    content: JsonObject
    buffers: list[bytes]

    @property
    def parent_id(self) -> str:
        """The id of that request; empty where the kernel speaks on its own account."""
        return str(self.parent.get("msg_id", ""))

    @property
    def time(self) -> str:
        """The moment that the message bears, in the form that nbclient and JupyterLab write."""
        date = str(self.header.get("date"))
        if _UTC.fullmatch(date):
            return date
        parsed = parse_date(date)
        moment = parsed if isinstance(parsed, datetime) else datetime.now(timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


OnMessage = Callable[[Message], None]


class Wire:
    """The shell and iopub sockets of a kernel's client, read as long as the wire is open.

    It takes the sockets over: nobody else may receive from them meanwhile.
    """

    def __init__(self, client: AsyncKernelClient, on_shell: OnMessage, on_iopub: OnMessage) -> None:
        self._loop = asyncio.get_running_loop()
        self._session = uuid.uuid4().hex
        self._user = client.session.username
        self._sent = 0
        self._signing = _Signing(client.session.key, client.session.signature_scheme)
        self._shell = _plain(client.shell_channel.socket)
        self._iopub = _plain(client.iopub_channel.socket)
        # Many a kernel throws away what a slow reader has no room for; here is room for all of it.
        self._iopub.set(zmq.RCVHWM, 0)
        self._handlers = ((self._iopub, on_iopub), (self._shell, on_shell))
        self._parents: dict[bytes, JsonObject] = {}
        self._reading: asyncio.Handle | None = None
        self.received = 0
        """How many messages have come."""
        self.broken: asyncio.Future[None] = self._loop.create_future()
        """Fails where nothing can be received any more."""
        for socket, _ in self._handlers:
            self._loop.add_reader(socket.FD, self.poke)
        self.poke()

    def send(self, kind: str, content: JsonObject, metadata: JsonObject | None = None) -> str:
        """Send a request on the shell channel; its message id.

        Raises:
            zmq.ZMQError: the kernel takes no more requests.
        """
        self._sent += 1
        message_id = f"{self._session}_{self._sent}"
        header = {
            "msg_id": message_id,
            "msg_type": kind,
            "username": self._user,
            "session": self._session,
            "date": datetime.now(timezone.utc).isoformat(),
            "version": _PROTOCOL,
        }
        parts = [_pack(header), b"{}", _pack(metadata or {}), _pack(content)]
        self._shell.send_multipart([_DELIMITER, self._signing.sign(parts), *parts], zmq.NOBLOCK)
        if _has_message(self._shell):
            self.poke()
        return message_id

    def make_kernel_wait(self, messages: int) -> None:
        """Let no more than so many messages pile up here; for a kernel that waits where there is no room."""
        self._iopub.set(zmq.RCVHWM, messages)

    def poke(self) -> None:
        """Look for messages soon. Needed after each use of the sockets: they announce what is new once only."""
        if self._reading is None and not self.broken.done():
            self._reading = self._loop.call_soon(self._read)

    def close(self) -> None:
        """Receive nothing any more."""
        self.broken.cancel()
        if self._reading is not None:
            self._reading.cancel()
        for socket, _ in self._handlers:
            self._loop.remove_reader(socket.FD)
        # A kernel that still speaks must not wait for somebody who does not listen any more.
        self._iopub.disconnect(self._iopub.get_string(zmq.LAST_ENDPOINT))

    def _read(self) -> None:
        self._reading = None
        try:
            more = [self._read_from(socket, handle) for socket, handle in self._handlers]
            if any(more):
                self.poke()
        except Exception as error:  # noqa: BLE001 - whoever waits for the kernel must hear of it
            if not self.broken.done():
                self.broken.set_exception(error)

    def _read_from(self, socket: zmq.Socket[bytes], handle: OnMessage) -> bool:
        """Read what is there; whether there may be more."""
        read = 0
        for _ in range(_MESSAGES_IN_A_ROW):
            if not _has_message(socket):
                return False
            frames = socket.recv_multipart(zmq.NOBLOCK)
            self.received += 1
            message = self._checked(frames)
            if message is not None:
                handle(message)
            read += sum(map(len, frames))
            if read > _BYTES_IN_A_ROW:
                break
        return True

    def _checked(self, frames: list[bytes]) -> Message | None:
        """The message, or None where it does not come from the kernel or is none."""
        try:
            signature, *parts = frames[frames.index(_DELIMITER) + 1 :]
            header, parent, _, content, *buffers = parts
            if not self._signing.is_genuine(signature, parts[:4]):
                raise ValueError("its signature is wrong")
            header_fields = _unpack(header)
            return Message(header_fields["msg_type"], header_fields, self._parent(parent), _unpack(content), buffers)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            _LOG.warning("A message of a kernel is ignored: %s", error)
            return None

    def _parent(self, packed: bytes) -> JsonObject:
        """The kernel repeats the same header in all that it says of a cell."""
        known = self._parents.get(packed)
        if known is None:
            known = _unpack(packed)
            self._parents = {packed: known}
        return known


class _Signing:
    """Signatures as the messaging protocol has them; without a key there are none."""

    def __init__(self, key: bytes, scheme: str) -> None:
        digest = getattr(hashlib, scheme.removeprefix("hmac-"))
        self._keyed = hmac.new(key, digestmod=digest) if key else None
        self._seen: dict[bytes, None] = {}

    def sign(self, parts: list[bytes]) -> bytes:
        if self._keyed is None:
            return b""
        signature = self._keyed.copy()
        for part in parts:
            signature.update(part)
        return signature.hexdigest().encode()

    def is_genuine(self, signature: bytes, parts: list[bytes]) -> bool:
        """Whether who sent this knows the key, and sends it for the first time."""
        if self._keyed is None:
            return True
        if signature in self._seen or not hmac.compare_digest(signature, self.sign(parts)):
            return False
        self._seen[signature] = None
        if len(self._seen) > _SIGNATURES_KEPT:
            del self._seen[next(iter(self._seen))]
        return True


def _has_message(socket: zmq.Socket[bytes]) -> bool:
    return bool(int(socket.getsockopt(_EVENTS)) & _READABLE)


def _plain(socket: zmq.Socket[Any]) -> zmq.Socket[bytes]:
    """The same socket without futures: what it has is taken from it in one go."""
    return zmq.Socket.shadow(socket.underlying)


def _pack(value: JsonObject) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def _unpack(packed: bytes) -> Any:
    return json.loads(packed.decode("utf-8", "replace"))
