"""Long output, shortened in the middle while it arrives."""

from __future__ import annotations

import codecs


class ShortenedText:
    """Keeps the beginning and the end of a stream of UTF-8 bytes, and counts what it dropped.

    Memory stays bounded whatever arrives: ``limit`` characters, two fifths of them from the beginning, as
    Hermes has it.
    """

    def __init__(self, limit: int) -> None:
        self._head_limit = limit * 2 // 5
        self._tail_limit = limit - self._head_limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._head = ""
        self._tail = ""
        self._total = 0

    def feed(self, content: bytes, *, final: bool = False) -> None:
        """Take the next bytes."""
        text = self._decoder.decode(content, final)
        self._total += len(text)
        room = self._head_limit - len(self._head)
        self._head += text[:room]
        self._tail += text[room:]
        if len(self._tail) > self._tail_limit:
            self._tail = self._tail[-self._tail_limit :]

    def text(self) -> str:
        """What was kept, with one line in the middle that says how much was not."""
        dropped = self._total - len(self._head) - len(self._tail)
        if not dropped:
            return self._head + self._tail
        notice = f"\n\n... [OUTPUT TRUNCATED - {dropped} chars omitted out of {self._total} total] ...\n\n"
        return self._head + notice + self._tail
