"""The one shape that every notebook has inside hermes_lab, and how a notebook of format 4 is brought into it.

Imports next to nothing: the command line reads notebooks with it. `engines.notebook_format` reads older formats,
checks, and writes.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from hermes_lab.model.values import JsonObject, Notebook, sha256

MAJOR, MINOR = 4, 5
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# What nbformat itself strips at each read and write: it belongs to a session, not to the file.
_TRANSIENT_METADATA = ("orig_nbformat", "orig_nbformat_minor", "signature")
_TRANSIENT_CELL_METADATA = ("trusted",)


def normalised(notebook: JsonObject, *, keep_invalid_ids: bool) -> Notebook:
    """The notebook, whose ``cells`` are a list of objects, in our shape; it shares what needed no change.

    ``keep_invalid_ids`` leaves ids that are none for a schema to refuse; else such cells get ids.
    """
    joined = [_joined_cell(cell) for cell in notebook["cells"]]
    metadata = notebook.get("metadata")
    return {
        **notebook,
        "cells": _with_ids(joined, keep_invalid=keep_invalid_ids),
        "nbformat": MAJOR,
        "nbformat_minor": MINOR,
        **({"metadata": without(metadata, _TRANSIENT_METADATA)} if isinstance(metadata, dict) else {}),
    }


def without(fields: JsonObject, keys: tuple[str, ...]) -> JsonObject:
    """The object without these keys; itself where it has none of them."""
    if fields.keys().isdisjoint(keys):
        return fields
    return {key: value for key, value in fields.items() if key not in keys}


def _joined_cell(cell: JsonObject) -> JsonObject:
    joined = dict(cell)
    if "source" in cell:
        joined["source"] = _joined(cell["source"])
    if isinstance(cell.get("metadata"), dict):
        joined["metadata"] = without(cell["metadata"], _TRANSIENT_CELL_METADATA)
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
            own = made_id(_seed(source, occurrences[source]), taken)
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


def counted_ids(source: str, count: int) -> set[str]:
    """The ids that the first ``count`` of equal sources get in a file without ids."""
    return {made_id(_seed(source, occurrence), set()) for occurrence in range(count)}


def _seed(source: str, occurrence: int) -> str:
    return f"{occurrence}\n{source}"


def made_id(seed: str, taken: set[str]) -> str:
    """An id made of ``seed``, the same each time, that nothing in ``taken`` has."""
    made = sha256(seed)
    while made[:8] in taken:
        made = sha256(made)
    return made[:8]
