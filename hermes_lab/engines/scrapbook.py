"""Scraps: the values that a notebook glued, read from its outputs in scrapbook's format.

Only the scrap MIME types are looked at, and only what was glued last under a name is decoded. scrapbook itself is
never imported: it costs pandas and pyarrow, and pyarrow is loaded here only when a notebook glued a table. What is
no scrap is passed over; a scrap that cannot be read is an answer, and costs no other.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.notebook_shape import joined_bundle
from hermes_lab.engines.strict_json import strict
from hermes_lab.model.errors import InvalidRequest, NotFound
from hermes_lab.model.payload import JsonObject, Notebook

_SCRAP = "application/scrapbook.scrap"
_RECORD = "application/papermill.record+"
"""What papermill wrote before there was scrapbook; scrapbook's reader still takes it."""
_DISPLAY = "display"
_NEWEST_FORMAT_WITH_WORKSHEETS = 3


class Scrap(NamedTuple):
    """One scrap, as scrapbook has it: ``display`` is the output that shows it, in the notebook's own JSON.

    ``data`` is a value for every JSON parser. A table is ``{"columns": […], "rows": [[…], …]}``; what is shown
    only has the encoder "display" and no data; what cannot be read is ``{"error": why}``.
    """

    name: str
    data: Any
    encoder: str
    display: JsonObject | None = None

    @property
    def value(self) -> Any:
        """What a client gets: the data; or, where the scrap is shown only, ``{MIME type: content}``."""
        if self.encoder != _DISPLAY or self.display is None:
            return self.data
        return _decoded(_DISPLAY, self.display.get("data"))


def read_scraps(notebook: Notebook) -> JsonObject:
    """The value of every scrap by name."""
    return {name: scrap.value for name, scrap in scraps_in(notebook).items()}


def read_scraps_of_file(path: Path) -> JsonObject:
    """The value of every scrap in a notebook file, by name. The file is parsed, but not judged as a notebook.

    Raises:
        NotFound: there is no such file.
        InvalidRequest: it cannot be read, or is no notebook.
    """
    return read_scraps(_loaded(path))


def read_scraps_of_folder(folder: Path) -> dict[str, JsonObject]:
    """The scraps of every notebook in a folder, by the name of its file without ``.ipynb``; not of those below it.

    Raises:
        NotFound: there is no such folder.
        InvalidRequest: one of the files is no notebook.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", code="no_such_notebook", field="path")
    return {path.stem: read_scraps_of_file(path) for path in sorted(folder.glob("*.ipynb"))}


def scraps_in(notebook: Notebook) -> dict[str, Scrap]:
    """Every scrap by name; what was glued last under a name counts.

    ``glue(name, value, display=True)`` writes two outputs, first the value and then its display: they are one scrap
    here. (scrapbook's own reader forgets the value.)
    """
    scraps: dict[str, Scrap] = {}
    for outputs in _outputs_by_cell(notebook):
        glued = None
        for output in outputs:
            for scrap in _values_of(output):
                scraps[scrap.name] = scrap
                glued = scrap.name
            shown = _display_name(output)
            if shown is None:
                continue
            scrap = scraps[shown] if shown == glued else Scrap(shown, None, _DISPLAY)
            scraps[shown] = scrap._replace(display=output)
            glued = None
    return {name: scrap._replace(data=_decoded(scrap.encoder, scrap.data)) for name, scrap in scraps.items()}


def _loaded(path: Path) -> JsonObject:
    try:
        text = path.read_bytes()
        notebook = json.loads(text)
    except FileNotFoundError as error:
        raise NotFound(f"There is no {path}.", code="no_such_notebook", field="path") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}", code="invalid_notebook", field="path") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise InvalidRequest(f"{path} is no notebook.", code="invalid_notebook", field="path")
    return parse(text.decode(), "path") if notebook["nbformat"] <= _NEWEST_FORMAT_WITH_WORKSHEETS else notebook


def _outputs_by_cell(notebook: Notebook) -> Iterator[list[JsonObject]]:
    """The outputs of each cell that may be scraps: those with a MIME bundle. Most cells have none."""
    cells = notebook.get("cells")
    for cell in cells if isinstance(cells, list) else ():
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        if outputs and isinstance(outputs, list):
            bundles = [output for output in outputs if isinstance(output, dict) and "data" in output]
            if bundles:
                yield bundles


def _values_of(output: JsonObject) -> Iterator[Scrap]:
    """What an output holds as values, not decoded yet."""
    for mime, payload in _dict(output.get("data")).items():
        if not isinstance(payload, dict):
            continue
        if mime.startswith(_SCRAP) and isinstance(payload.get("name"), str):
            yield _scrap(payload)
        elif mime.startswith(_RECORD) and payload:
            name, value = next(iter(payload.items()))  # papermill recorded one value an output
            yield Scrap(name, value, mime.removeprefix(_RECORD))


def _scrap(payload: JsonObject) -> Scrap:
    encoder = payload.get("encoder", "json")
    # A reference takes the place of the data: scrapbook plans the key, and readers of today ignore it.
    data = {"ref": payload["ref"]} if "ref" in payload and payload.get("data") is None else payload.get("data")
    return Scrap(payload["name"], data, encoder if isinstance(encoder, str) else "json")


def _display_name(output: JsonObject) -> str | None:
    metadata = _dict(output.get("metadata"))
    if "papermill" in metadata:
        name = _dict(metadata["papermill"]).get("name")
    else:
        of_scrapbook = _dict(metadata.get("scrapbook"))
        name = of_scrapbook.get("name") if of_scrapbook.get("display") else None
    return name if isinstance(name, str) and name else None


def _decoded(encoder: str, encoded: Any) -> Any:
    try:
        return strict(_decode(encoder, encoded))
    except RecursionError:
        return {"error": "The scrap is nested too deeply to be read."}


def _decode(encoder: str, encoded: Any) -> Any:
    match encoder:
        case "text" if encoded is not None:
            return encoded if isinstance(encoded, str) else str(encoded)
        case "json":
            return _json(encoded)
        case "pandas" | "arrow":
            return _table(encoded)
        case "display":
            return joined_bundle(encoded)
        case _:  # an encoder that somebody registered; what it stored is JSON all the same
            return encoded


def _json(encoded: Any) -> Any:
    """scrapbook's own rule: text that parses as JSON is what it parses to, other text is itself."""
    if not isinstance(encoded, str):
        return encoded
    try:
        return json.loads(encoded)
    except ValueError:
        return encoded


def _table(encoded: Any) -> JsonObject:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        return {"error": "The scrap is a table; reading it needs pyarrow, which is not installed."}
    try:
        return _rows(parquet.read_table(io.BytesIO(base64.b64decode(encoded))))
    except (ArrowException, OSError, TypeError, ValueError) as error:
        return {"error": f"The scrap is not a table that can be read: {error}"}


def _rows(table: Any) -> JsonObject:
    places = _index_first(table)
    values = [[_cell(value) for value in table.column(place).to_pylist()] for place in places]
    return {
        "columns": [_label(table.column_names[place]) for place in places],
        "rows": [list(row) for row in zip(*values, strict=True)],
    }


def _index_first(table: Any) -> list[int]:
    """pandas stores an index that is more than a row number as the last columns; readers expect it first."""
    described = _dict(json.loads((table.schema.metadata or {}).get(b"pandas", b"{}")))
    names = list(table.column_names)
    index = [names.index(name) for name in described.get("index_columns", []) if name in names]
    return index + [place for place in range(len(names)) if place not in index]


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


def _dict(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}
