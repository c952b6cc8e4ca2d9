"""The text of a stream output while it grows: pieces come, and are joined when the notebook is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

_LINE_SEARCH_BYTES = 1_000
"""How far the nearest end of a line may be from where a text is cut."""


def utf8_size(text: str) -> int:
    """How many bytes the text takes in a file."""
    return len(text) if text.isascii() else len(to_utf8(text))


def to_utf8(text: str) -> bytes:
    """The text as it is written; a lone surrogate is spelled out, as `strict_json` does."""
    return text.encode("utf-8", "backslashreplace")


class StreamText:
    """A text that is shown whole."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def append(self, piece: str) -> None:
        """More of it has come."""
        self._pieces.append(piece)

    def text(self) -> str:
        """All of it."""
        if len(self._pieces) != 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0]


class ShortenedText(StreamText):
    """A text of which the head and the tail are kept, whatever its size, with a marker between them.

    ``marker`` gets how many bytes are not shown.
    """

    def __init__(self, limit: int, marker: Callable[[int], str]) -> None:
        super().__init__()
        self._head_limit = limit * 2 // 5
        self._tail_limit = limit - self._head_limit
        self._marker = marker
        self._head = b""
        self._head_is_full = False
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._size = 0

    def append(self, piece: str) -> None:
        """More of it has come."""
        content = to_utf8(piece)
        self._size += len(content)
        if not self._head_is_full:
            content = self._filled(content)
        self._keep(content)

    def text(self) -> str:
        """What is kept of it."""
        tail = _from_line_start(b"".join(self._tail)[-self._tail_limit :] if self._tail_limit else b"")
        hidden = self._size - len(self._head) - len(tail)
        return f"{self._head.decode('utf-8', 'ignore')}{self._marker(hidden)}{tail.decode('utf-8', 'ignore')}"

    def _filled(self, content: bytes) -> bytes:
        """The head takes what it has room for; the rest."""
        joined = self._head + content
        if len(joined) <= self._head_limit:
            self._head = joined
            return b""
        self._head = _to_line_end(joined[: self._head_limit])
        self._head_is_full = True
        return joined[len(self._head) :]

    def _keep(self, content: bytes) -> None:
        if len(content) > self._tail_limit:
            content = content[len(content) - self._tail_limit :]
            self._tail.clear()
            self._tail_size = 0
        self._tail.append(content)
        self._tail_size += len(content)
        while self._tail_size - len(self._tail[0]) > self._tail_limit:
            self._tail_size -= len(self._tail.popleft())


def _to_line_end(content: bytes) -> bytes:
    """Without a line that was cut, where it is short, and without a character that was cut."""
    end = content.rfind(b"\n", len(content) - _LINE_SEARCH_BYTES)
    return content[: end + 1] if end >= 0 else content.decode("utf-8", "ignore").encode()


def _from_line_start(content: bytes) -> bytes:
    start = content.find(b"\n", 0, _LINE_SEARCH_BYTES)
    return content[start + 1 :] if start >= 0 else content.decode("utf-8", "ignore").encode()
