"""The values of secret parameters, masked in all that a kernel says before it is kept or told."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import quote, quote_plus

from hermes_lab.engines.secret_names import SHORTEST
from hermes_lab.runner.finding import Beginnings, Finder
from hermes_lab.runner.wire import Message

_SHORTEST_LINE = 8
_BINARY_MIME = re.compile(r"(image|audio|video|font)/(?!svg)|application/(pdf|octet-stream|zip)")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
_BASE64_BYTES = 3
"""So many bytes are encoded together; a text begins at one of three places among them."""
_SHORTEST_IN_BASE64 = 8
"""Characters. What is shorter is in other base64 by chance."""
_SHORT_BINARY = 1_000
"""What claims to be an image and is shorter than this may well be text."""


class Secrets:
    """Replaces each value by ``[its name]``, in the forms too that it takes in reprs, JSON, HTML, URLs and base64."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._masks = {form: f"[{name}]" for name, value in values.items() for form in _forms(value)}
        self._finder = Finder(self._masks.keys())
        self._beginnings = Beginnings(self._masks)

    def __bool__(self) -> bool:
        """Whether there is anything to mask."""
        return bool(self._masks)

    def masked(self, value: Any) -> Any:
        """The value with the secrets masked in every text of it."""
        if not self._masks:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.masked(key): self._member(key, item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.masked(item) for item in value]
        return value

    def text(self, text: str) -> str:
        """The text with the secrets masked."""
        return _replaced(text, self._finder, self._masks)

    def buffer(self, content: bytes) -> bytes:
        """Bytes with the secrets masked."""
        finder, masks = self._in_bytes
        return _replaced(content.decode("latin-1"), finder, masks).encode("latin-1")

    def first_part(self, text: str) -> tuple[str, str]:
        """The text with the secrets masked, as far as it is known; and the rest, which may be the beginning of one."""
        shown: list[str] = []
        at, held_from = 0, self._beginnings.one_at_the_end_of(text, 0)
        for start, form in self._finder.found(text):
            if start >= held_from:
                break
            shown += (text[at:start], self._masks[form])
            at = start + len(form)
            if at > held_from:
                held_from = self._beginnings.one_at_the_end_of(text, at)
        shown.append(text[at:held_from])
        return "".join(shown), text[held_from:]

    @cached_property
    def _in_bytes(self) -> tuple[Finder, dict[str, str]]:
        """What to look for in bytes of which each is a character."""
        masks = {form.encode("utf-8", "surrogatepass").decode("latin-1"): mask for form, mask in self._masks.items()}
        return Finder(masks.keys()), masks

    def _member(self, key: Any, item: Any) -> Any:
        """A picture is left alone: a few characters of a short secret are in any long base64."""
        picture = isinstance(item, str) and len(item) > _SHORT_BINARY and _BINARY_MIME.match(str(key))
        return item if picture and _BASE64.fullmatch(item) else self.masked(item)


class MaskedStream:
    """A stream whose secrets are masked though they come in pieces: what may be the beginning of one is held back.

    It is held until the stream goes on or ends, across other outputs too, for a file has the stream in one piece.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be shown after this piece."""
        shown, self._held = self._secrets.first_part(self._held + piece)
        return shown

    def release(self) -> str:
        """What was held, when no more will come."""
        held, self._held = self._held, ""
        return self._secrets.text(held)


def _replaced(text: str, finder: Finder, masks: Mapping[str, str]) -> str:
    parts: list[str] = []
    at = 0
    for start, form in finder.found(text):
        parts += (text[at:start], masks[form])
        at = start + len(form)
    return "".join((*parts, text[at:])) if parts else text


def _forms(value: str) -> set[str]:
    """The value as it is and as it is written elsewhere; a long line of one that has several counts by itself."""
    values = {value, value.strip(), *(line for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE)}
    forms: set[str] = set()
    for each in values:
        forms |= {each, repr(each)[1:-1], json.dumps(each)[1:-1], json.dumps(each, ensure_ascii=False)[1:-1]}
        forms |= {html.escape(each), html.escape(each, quote=False)}
        forms |= {
            quote(each, safe="", errors="replace"),
            quote(each, errors="replace"),
            quote_plus(each, errors="replace"),
        }
    return {form for form in forms if len(form) >= SHORTEST} | set().union(*map(_in_base64, values))


def _in_base64(value: str) -> set[str]:
    """The value encoded by itself, and what is the same of it wherever it is in a longer text that is encoded."""
    content = value.encode("utf-8", "surrogatepass")
    if len(content) < SHORTEST:
        return set()
    forms: set[str] = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        alone = encode(content).decode()
        forms |= {alone, alone.rstrip("=")}
        for before in range(_BASE64_BYTES):
            # The characters that hold bits of what is before or after it differ.
            first, last = -(-8 * before // 6), 8 * (before + len(content)) // 6
            inside = encode(bytes(before) + content).decode()[first:last]
            if len(inside) >= _SHORTEST_IN_BASE64:
                forms.add(inside)
    return forms


class MaskedCell:
    """What a kernel publishes for one cell, masked."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._streams: dict[str, MaskedStream] = {}

    def masked(self, message: Message) -> Message:
        """The message as it may be kept and told; the end of a stream's piece may come with the next piece."""
        if not self._secrets:
            return message
        if message.kind == "stream":
            name, text = str(message.content["name"]), str(message.content["text"])
            stream = self._streams.setdefault(name, MaskedStream(self._secrets))
            return replace(message, content={"name": self._secrets.text(name), "text": stream.feed(text)})
        if message.kind == "clear_output" and not message.content.get("wait"):
            self._streams.clear()
        buffers = [self._secrets.buffer(bytes(buffer)) for buffer in message.buffers]
        return replace(message, content=self._secrets.masked(message.content), buffers=buffers)

    def release(self) -> list[Message]:
        """What was held back of the streams, when no more will come."""
        held = [(name, stream.release()) for name, stream in self._streams.items()]
        return [Message("stream", {}, {}, {"name": name, "text": text}, []) for name, text in held if text]
