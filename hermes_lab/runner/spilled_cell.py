"""What one cell has written beyond its budget: its files, and what the notebook shows instead of it."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from hermes_lab.engines.strict_json import strict
from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.spill import SpillFile, SpillFolder
from hermes_lab.runner.stream_text import ShortenedText, to_utf8, utf8_size

_EXTENSIONS = {
    "application/javascript": "js",
    "application/pdf": "pdf",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/webp": "webp",
    "text/html": "html",
    "text/latex": "tex",
    "text/markdown": "md",
}
_BASE64_EXTENSIONS = {"pdf", "gif", "jpg", "png", "webp"}
_MOST_FILES = 100
"""Displays of one cell that get files of their own; the others share one."""
_FILE_BYTES = 10_000
"""What is smaller gets no file of its own."""


class SpilledStream:
    """A stream that goes to a file. The notebook shows its ``text``: head, tail, and the exact count."""

    def __init__(self, file: SpillFile, shown_bytes: int) -> None:
        self.text = ShortenedText(shown_bytes, self._marker)
        self._file = file

    def append(self, piece: str) -> None:
        """More of it has come."""
        self._file.write(to_utf8(piece))
        self.text.append(piece)

    def _marker(self, hidden: int) -> str:
        return f"\n… [{hidden:,} bytes are not shown; {self._file.told()}] …\n"


class SpilledCell:
    """The files of one cell."""

    def __init__(self, folder: SpillFolder, cell_id: str) -> None:
        self._folder = folder
        self._cell_id = cell_id
        self._files: list[SpillFile] = []
        self._of_display: dict[int, list[SpillFile]] = {}
        self._shared: tuple[SpillFile, JsonObject] | None = None
        self._shared_count = 0

    @property
    def names(self) -> list[str]:
        """The files that there are, in the order in which they were begun."""
        return [file.name for file in self._files if file.error is None]

    def stream(self, name: str, before: list[str], shown_bytes: int) -> SpilledStream:
        """A stream goes to a file from now on; ``before`` is all of it up to now."""
        file = self._open(name, "txt")
        for piece in before:
            file.write(to_utf8(piece))
        return SpilledStream(file, shown_bytes)

    def error(self, error: JsonObject, shown_bytes: int) -> JsonObject:
        """What the notebook shows of an error whose text is too long for it."""
        file = self._open("error", "txt")
        whole = "\n".join([f"{error['ename']}: {error['evalue']}", *error["traceback"]])
        file.write(to_utf8(whole))
        shown = ShortenedText(shown_bytes, lambda hidden: f"\n… [{hidden:,} bytes are not shown; {file.told()}] …\n")
        shown.append(whole)
        return {**error, "ename": error["ename"][:100], "evalue": error["evalue"][:1_000], "traceback": [shown.text()]}

    def wants_files(self, size: int) -> bool:
        """Whether a display of this size gets files of its own."""
        return size >= _FILE_BYTES and len(self._files) < _MOST_FILES

    def display(self, output: JsonObject) -> JsonObject:
        """Write a display or a result to files; the data that the notebook shows instead."""
        files = self._of_display[id(output)] = []
        kept: list[str] = []
        for mime, value in output["data"].items():
            content, extension = _content(mime, value)
            if mime == "text/plain" and len(content) < _FILE_BYTES:
                kept.insert(0, "".join(value))
                continue
            file = self._open("output", extension)
            file.write(content)
            files.append(file)
            kept.append(f"[{mime} is not shown; {file.told()}]")
        return {"text/plain": "\n".join(kept)}

    def share(self, output: JsonObject) -> JsonObject | None:
        """Add a display to the file that has one a line; the output that says so, the first time."""
        is_first = self._shared is None
        if self._shared is None:
            self._shared = self._open("outputs", "jsonl"), {"output_type": "display_data", "data": {}, "metadata": {}}
        file, shown = self._shared
        file.write(json.dumps(strict(output), ensure_ascii=False).encode() + b"\n")
        self._shared_count += 1
        shown["data"] = {"text/plain": f"[{self._shared_count:,} outputs are not shown; {file.told()}, one a line]"}
        return shown if is_first else None

    def replace(self, output: JsonObject) -> None:
        """This display has another content now; the files of the one before are not wanted any more."""
        for file in self._of_display.pop(id(output), ()):
            self._drop(file)

    def clear(self) -> None:
        """The outputs of the cell are cleared."""
        for file in list(self._files):
            self._drop(file)
        self._of_display.clear()
        self._shared = None
        self._shared_count = 0

    def _open(self, what: str, extension: str) -> SpillFile:
        file = self._folder.open(self._cell_id, what, extension)
        self._files.append(file)
        return file

    def _drop(self, file: SpillFile) -> None:
        self._files.remove(file)
        self._folder.remove(file)


def bundle_size(bundle: JsonObject) -> int:
    """How many bytes the data of a display take, nearly."""
    return sum(_size(value) for value in bundle.values())


def _size(value: Any) -> int:
    if isinstance(value, str):
        return utf8_size(value)
    return sum(map(utf8_size, value)) if _is_lines(value) else len(json.dumps(value))


def _is_lines(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def _content(mime: str, value: Any) -> tuple[bytes, str]:
    """The bytes of a file for this value, and the extension of its name."""
    if mime.endswith("json"):
        return json.dumps(strict(value), ensure_ascii=False).encode(), "json"
    text = "".join(value)
    extension = _EXTENSIONS.get(mime, "txt")
    if extension in _BASE64_EXTENSIONS:
        try:
            return base64.b64decode("".join(text.split()), validate=True), extension
        except (binascii.Error, ValueError):
            return to_utf8(text), "txt"
    return to_utf8(text), extension
