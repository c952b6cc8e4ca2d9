"""Notebook files: reading, normalising, checking and writing them, with nbformat.

Every notebook inside hermes_lab has the same shape, whatever version its file has: nbformat 4.5, every
``source`` and every text of an output one string, every cell with an id that is unique in the notebook.
Reading is deterministic: the same text gives the same ids, so that two readers of a file without ids agree.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from math import isfinite
from typing import Any, NoReturn

from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject, Notebook, sha256

# nbformat is imported where it is used: beside JupyterLab it costs 1.4 s, most of it a JSON schema extra.

_MAJOR, _MINOR = 4, 5
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# What nbformat itself strips at each read and write: it belongs to a session, not to the file.
_TRANSIENT_METADATA = ("orig_nbformat", "orig_nbformat_minor", "signature")
_TRANSIENT_CELL_METADATA = ("trusted",)


def load() -> None:
    """Have the notebook format's schema read and compiled now, so that nobody waits for it later."""
    validate({"nbformat": _MAJOR, "nbformat_minor": _MINOR, "metadata": {}, "cells": []})


def parse(text: str, field: str = "notebook") -> Notebook:
    """The normalised notebook in the text of a notebook file of any version up to 4.

    Raises:
        InvalidRequest: code ``invalid_notebook``; ``details.field`` names the place, from ``field`` on.
    """
    try:
        # NaN and Infinity parse here and are refused below, where their place can be named.
        loaded = json.loads(text)
    except RecursionError:
        _refuse("The notebook is nested too deeply.", field)
    except ValueError as error:
        _refuse(f"The notebook is not JSON: {error}.", field)
    return validate(loaded, field)


def validate(notebook: Any, field: str = "notebook") -> Notebook:
    """The normalised form of a notebook that came as JSON values; what was given is not touched.

    The result shares with ``notebook`` whatever needed no change.

    Raises:
        InvalidRequest: code ``invalid_notebook``; ``details.field`` names the place, from ``field`` on.
    """
    if not isinstance(notebook, dict):
        _refuse("The notebook is not a JSON object.", field)
    _check_values(notebook, field)
    major, minor = _version(notebook, field)
    if major < _MAJOR:
        notebook, minor = _upgraded(notebook, field), 0
    normalised = _normalised(notebook, field, keep_invalid_ids=minor >= _MINOR)
    _check_schema(normalised, field)
    return normalised


def serialise(notebook: Notebook) -> str:
    """The text of the notebook's file, byte for byte as Jupyter's contents manager writes it."""
    from nbformat import from_dict, v4

    text: str = v4.writes(from_dict(notebook))
    return text + "\n"


def _refuse(message: str, field: str) -> NoReturn:
    raise InvalidRequest(message, code="invalid_notebook", field=field)


def _check_values(notebook: JsonObject, field: str) -> None:
    """Refuse what JSON in UTF-8 cannot hold: NaN, infinities, lone surrogates."""
    try:
        json.dumps(notebook, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        _refuse("The notebook is nested too deeply.", field)
    except (ValueError, TypeError) as error:  # UnicodeEncodeError is a ValueError
        for place, value in _values(notebook, field):
            if isinstance(value, float) and not isfinite(value):
                _refuse(f"{value} is not a JSON number.", place)
            if isinstance(value, str) and not _encodable(value):
                _refuse("The text holds a lone surrogate, which UTF-8 cannot hold.", place)
        _refuse(f"The notebook cannot be written as JSON: {error}.", field)


def _values(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield place, key
            yield from _values(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _values(inner, f"{place}.{index}")
    else:
        yield place, value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _version(notebook: JsonObject, field: str) -> tuple[int, int]:
    for key in ("nbformat", "nbformat_minor"):
        version = notebook.get(key, 0 if notebook.get("nbformat") in {1, 2} else None)
        if version is None:
            _refuse(f"The notebook has no {key!r}.", f"{field}.{key}")
        if type(version) is not int or version < 0:
            _refuse(f"{key!r} is not a version number.", f"{field}.{key}")
    major: int = notebook["nbformat"]
    if not 1 <= major <= _MAJOR:
        _refuse(f"Notebook format {major} is not known; 4 is the newest that is.", f"{field}.nbformat")
    return major, notebook.get("nbformat_minor", 0)


def _upgraded(notebook: JsonObject, field: str) -> JsonObject:
    import nbformat

    try:
        upgraded = json.loads(json.dumps(nbformat.reads(json.dumps(notebook), as_version=_MAJOR)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _refuse(f"The notebook cannot be read as format {notebook['nbformat']}: {error!r}.", field)
    # nbformat gives random ids; without them they are made of the content, the same at each reading.
    return {**upgraded, "cells": [_without(cell, ("id",)) for cell in upgraded["cells"]]}


def _normalised(notebook: JsonObject, field: str, *, keep_invalid_ids: bool) -> Notebook:
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        _refuse("The notebook has no list of cells.", f"{field}.cells")
    joined = [_joined_cell(cell) for cell in cells]
    metadata = notebook.get("metadata")
    return {
        **notebook,
        "cells": _with_ids(joined, keep_invalid=keep_invalid_ids),
        "nbformat": _MAJOR,
        "nbformat_minor": _MINOR,
        **({"metadata": _without(metadata, _TRANSIENT_METADATA)} if isinstance(metadata, dict) else {}),
    }


def _without(fields: JsonObject, keys: tuple[str, ...]) -> JsonObject:
    if fields.keys().isdisjoint(keys):
        return fields
    return {key: value for key, value in fields.items() if key not in keys}


def _joined_cell(cell: JsonObject) -> JsonObject:
    joined = dict(cell)
    if "source" in cell:
        joined["source"] = _joined(cell["source"])
    if isinstance(cell.get("metadata"), dict):
        joined["metadata"] = _without(cell["metadata"], _TRANSIENT_CELL_METADATA)
    if isinstance(cell.get("attachments"), dict):
        joined["attachments"] = {name: joined_bundle(each) for name, each in cell["attachments"].items()}
    if isinstance(cell.get("outputs"), list):
        joined["outputs"] = [_joined_output(output) for output in cell["outputs"]]
    return joined


def _joined_output(output: Any) -> Any:
    if not isinstance(output, dict):
        return output
    if "data" in output:
        return {**output, "data": joined_bundle(output["data"])}
    if isinstance(output.get("text"), list):
        return {**output, "text": _joined(output["text"])}
    return output


def joined_bundle(bundle: Any) -> Any:
    """A MIME bundle with every multi-line text as one string; what is no bundle as it is."""
    if not isinstance(bundle, dict):
        return bundle
    return {mime: value if _is_json_mime(mime) else _joined(value) for mime, value in bundle.items()}


def _is_json_mime(mime: str) -> bool:
    return mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json"))


def _joined(value: Any) -> Any:
    """A multi-line string as one; anything else as it is, for the schema to judge."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value


def _with_ids(cells: list[JsonObject], *, keep_invalid: bool) -> list[JsonObject]:
    """The cells, each with its own id: the first owner keeps it, others get one made of their source.

    Equal sources are told apart by counting, not by place: a cell inserted above changes no made id.
    """
    given = [_given_id(cell, keep_invalid=keep_invalid) for cell in cells]
    taken = {cell_id for cell_id in given if isinstance(cell_id, str)}
    seen: set[str] = set()
    occurrences: Counter[str] = Counter()
    for cell, cell_id in zip(cells, given, strict=True):
        own = cell_id
        if cell_id is None or (isinstance(cell_id, str) and cell_id in seen):
            source = str(cell.get("source"))
            own = _made_id(f"{occurrences[source]}\n{source}", taken)
            occurrences[source] += 1
            taken.add(own)
        cell["id"] = own
        if isinstance(own, str):
            seen.add(own)
    return cells


def _given_id(cell: JsonObject, *, keep_invalid: bool) -> Any:
    """The id in the file; before 4.5 the field has no meaning and is taken only if it looks like an id."""
    cell_id = cell.get("id")
    valid = isinstance(cell_id, str) and _CELL_ID.fullmatch(cell_id) is not None
    return cell_id if valid or keep_invalid else None


def _made_id(seed: str, taken: set[str]) -> str:
    made = sha256(seed)
    while made[:8] in taken:
        made = sha256(made)
    return made[:8]


def _check_schema(notebook: Notebook, field: str) -> None:
    from nbformat.validator import iter_validate

    error = next(iter_validate(notebook, version=_MAJOR, version_minor=_MINOR), None)
    if error is None:
        return
    place = [field, *(str(step) for step in error.relative_path)]
    message = str(error.message)
    missing = re.fullmatch(r"'(\w+)' is a required property", message)
    if missing:
        place.append(missing[1])
    shown = message if len(message) <= 200 else f"{message[:100]} … {message[-90:]}"
    _refuse(f"The notebook is not valid: {shown}.", ".".join(place))
