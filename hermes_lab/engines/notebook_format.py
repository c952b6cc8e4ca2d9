"""Notebook files: reading, normalising, checking and writing them, with nbformat.

Every notebook inside hermes_lab has the same shape, whatever version its file has: nbformat 4.5, every
``source`` and every text of an output one string, every cell with an id that is unique in the notebook.
Reading is deterministic: the same text gives the same ids, so that two readers of a file without ids agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, NoReturn

from hermes_lab.engines import notebook_shape
from hermes_lab.engines.notebook_shape import without
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject, Notebook

# nbformat is imported where it is used: beside JupyterLab it costs 1.4 s, most of it a JSON schema extra.

_MAJOR, _MINOR = notebook_shape.MAJOR, notebook_shape.MINOR


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
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        _refuse("The notebook has no list of cells.", f"{field}.cells")
    normalised = notebook_shape.normalised(notebook, keep_invalid_ids=minor >= _MINOR)
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
    return {**upgraded, "cells": [without(cell, ("id",)) for cell in upgraded["cells"]]}


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
