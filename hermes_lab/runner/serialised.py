"""A notebook as the bytes that nbformat writes, made anew only where it has changed.

nbformat copies and encodes the whole notebook at each write, which is quadratic for who writes after each cell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring
from typing import Any

from hermes_lab.engines.strict_json import strict
from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.runner.stream_text import StreamText

_CELLS_DEPTH = 2
_TRANSIENT = {"orig_nbformat", "orig_nbformat_minor", "signature"}
"""What nbformat leaves out of the metadata of a notebook."""
_TRANSIENT_OF_CELL = {"trusted"}
_SPLIT_MIMES = {"application/javascript", "image/svg+xml"}
"""What nbformat splits into lines beside ``text/…``."""


class SerialisedNotebook:
    """Keeps the bytes of every cell until somebody says that the cell `changed`."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._cells: dict[str, bytes] = {}

    def changed(self, cell_id: str) -> None:
        """Have the cell encoded anew at the next `chunks`."""
        self._cells.pop(cell_id, None)

    def chunks(self) -> list[bytes]:
        """The pieces of the file, in their order. Numbers that are not finite are null, as in `strict`."""
        chunks: list[bytes] = []
        lead = b"{\n "
        for key, value in sorted(self._notebook.items()):
            chunks += (lead, encode_basestring(key).encode(), b": ")
            if key == "cells":
                chunks += self._cell_chunks(value)
            elif key == "metadata":
                chunks.append(_bytes(_without(value, _TRANSIENT), 1))
            else:
                chunks.append(_bytes(value, 1))
            lead = b",\n "
        chunks.append(b"\n}\n")
        return chunks

    def _cell_chunks(self, cells: list[JsonObject]) -> Iterator[bytes]:
        lead = b"[\n  "
        for cell in cells:
            cell_id = cell["id"]
            known = self._cells.get(cell_id)
            if known is None:
                known = self._cells[cell_id] = _bytes(_split_cell(cell), _CELLS_DEPTH)
            yield lead
            yield known
            lead = b",\n  "
        yield b"\n ]" if cells else b"[]"


def serialise(notebook: Notebook) -> bytes:
    """The whole notebook at once."""
    return b"".join(SerialisedNotebook(notebook).chunks())


def _bytes(value: Any, depth: int) -> bytes:
    try:
        return _encode(value, depth).encode()
    except ValueError:  # not a finite number, or a lone surrogate
        return _encode(strict(value), depth).encode()


def _encode(value: Any, depth: int) -> str:
    """JSON as ``json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)`` at this depth."""
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return _enclosed("{", _members(value, depth + 1), "}", depth)
    if isinstance(value, (list, tuple)):
        if all(type(item) is str for item in value):
            return _enclosed("[", map(encode_basestring, value), "]", depth)
        return _enclosed("[", [_encode(item, depth + 1) for item in value], "]", depth)
    return json.dumps(value, allow_nan=False)


def _members(value: JsonObject, depth: int) -> list[str]:
    return [f"{encode_basestring(key)}: {_encode(value[key], depth)}" for key in sorted(value)]


def _enclosed(opening: str, items: Iterable[str], closing: str, depth: int) -> str:
    inner = "\n" + " " * (depth + 1)
    joined = f",{inner}".join(items)
    return f"{opening}{inner}{joined}\n{' ' * depth}{closing}" if joined else opening + closing


def _split_cell(cell: JsonObject) -> JsonObject:
    """The cell with its long texts as lists of lines, as they are in a file."""
    split = {**cell, "source": _lines(cell["source"]), "metadata": _without(cell["metadata"], _TRANSIENT_OF_CELL)}
    if "attachments" in cell:
        split["attachments"] = {name: _split_bundle(bundle) for name, bundle in cell["attachments"].items()}
    if cell["cell_type"] == "code":
        split["outputs"] = [_split_output(output) for output in cell["outputs"]]
    return split


def _split_output(output: JsonObject) -> JsonObject:
    if output["output_type"] == "stream":
        text = output["text"]
        return {**output, "text": _lines(text.text() if isinstance(text, StreamText) else text)}
    if "data" in output:
        return {**output, "data": _split_bundle(output["data"])}
    return output


def _split_bundle(bundle: JsonObject) -> JsonObject:
    return {mime: _lines(value) if _is_split(mime) else value for mime, value in bundle.items()}


def _is_split(mime: str) -> bool:
    return mime.startswith("text/") or mime in _SPLIT_MIMES


def _lines(text: Any) -> Any:
    return text.splitlines(keepends=True) if isinstance(text, str) else text


def _without(fields: JsonObject, keys: set[str]) -> JsonObject:
    return fields if keys.isdisjoint(fields) else {key: fields[key] for key in fields if key not in keys}
