"""Scraps: the values that a notebook glued, read from its outputs in scrapbook's format.

Only the scrap MIME types are parsed. scrapbook itself is never imported: it costs pandas and pyarrow, and
pyarrow is loaded here only when a notebook glued a table.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator
from typing import Any

from hermes_lab.engines.strict_json import strict
from hermes_lab.model.payload import JsonObject, Notebook

_SCRAP = "application/scrapbook.scrap."
_RECORD = "application/papermill.record+"
"""What papermill wrote before there was scrapbook; scrapbook's reader still takes it."""


def read_scraps(notebook: Notebook) -> JsonObject:
    """Every scrap by name, the last one glued under a name winning, a value winning over its display.

    A table is ``{"columns": […], "rows": [[…], …]}``, a display ``{MIME type: content}``, anything else the
    value itself. A scrap that cannot be read is ``{"error": why}``.
    """
    values: JsonObject = {}
    displays: JsonObject = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            values.update(_values_of(output))
            name = _display_name(output.get("metadata", {}))
            if name is not None:
                displays[name] = dict(output.get("data", {}))
    scraps: JsonObject = strict({**displays, **values})
    return scraps


def _values_of(output: JsonObject) -> Iterator[tuple[str, Any]]:
    for mime, payload in output.get("data", {}).items():
        for name, encoder, encoded in _payloads(mime, payload):
            yield name, _decode(encoder, encoded)


def _payloads(mime: str, payload: Any) -> Iterator[tuple[str, str, Any]]:
    if not isinstance(payload, dict):
        return
    if mime.startswith(_SCRAP) and "name" in payload:
        yield payload["name"], payload.get("encoder", "json"), payload.get("data")
    elif mime.startswith(_RECORD):
        for name, value in payload.items():
            yield name, mime.removeprefix(_RECORD), value


def _display_name(metadata: JsonObject) -> str | None:
    of_scrapbook = metadata.get("scrapbook", {})
    name = of_scrapbook.get("name") if of_scrapbook.get("display") else None
    named: str | None = name or metadata.get("papermill", {}).get("name")
    return named


def _decode(encoder: str, encoded: Any) -> Any:
    match encoder:
        case "text":
            return encoded if isinstance(encoded, str) else str(encoded)
        case "json":
            return _json(encoded)
        case "pandas" | "arrow":
            return _table(encoded)
        case _:  # an encoder that somebody registered; what it stored is JSON all the same
            return encoded


def _json(encoded: Any) -> Any:
    """scrapbook's own rule: text that parses as JSON is what it parses to, other text is itself."""
    if not isinstance(encoded, str):
        return encoded
    try:
        return json.loads(encoded)
    except json.JSONDecodeError:
        return encoded


def _table(encoded: Any) -> JsonObject:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        return {"error": "The scrap is a table; reading it needs pyarrow, which is not installed."}
    try:
        table = parquet.read_table(io.BytesIO(base64.b64decode(encoded)))
    except (ArrowException, binascii.Error, TypeError) as error:
        return {"error": f"The scrap is not a table that can be read: {error}"}
    columns = _index_first(table)
    values = [[_cell(value) for value in table.column(name).to_pylist()] for name in columns]
    return {
        "columns": [_label(name) for name in columns],
        "rows": [list(row) for row in zip(*values, strict=True)],
    }


def _index_first(table: Any) -> list[str]:
    """pandas stores an index that is more than a row number as the last columns; readers expect it first."""
    described = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
    index = [name for name in described.get("index_columns", []) if isinstance(name, str)]
    return index + [name for name in table.column_names if name not in index]


def _label(column: str) -> str:
    return column.strip("_").replace("index_level_0", "index") if column.startswith("__index_level_") else column


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_cell(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _cell(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
