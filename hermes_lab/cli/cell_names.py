"""What to call a code cell while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hermes_lab.model.payload import JsonObject, Notebook

_LONGEST = 40
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_DESCRIPTION = re.compile(r"papermill_description=(\S+)")


def cell_names(notebook: Notebook) -> dict[str, str]:
    """Cell id -> name: the ``name`` of its metadata, papermill's ``papermill_description=…`` in its source, the heading
    above it, or its first line."""
    return {cell_id: _trimmed(name) for cell_id, name in _named(notebook)}


def _named(notebook: Notebook) -> Iterator[tuple[str, str]]:
    heading = ""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            headings = _HEADING.findall(cell["source"])
            heading = headings[-1] if headings else heading
        elif cell["cell_type"] == "code":
            yield cell["id"], _own_name(cell) or heading or _first_line(cell["source"])


def _trimmed(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _own_name(cell: JsonObject) -> str:
    name = cell["metadata"].get("name")
    if isinstance(name, str) and name.strip():
        return name.strip()
    described = _DESCRIPTION.search(cell["source"])
    return described[1] if described else ""


def _first_line(source: str) -> str:
    return next((line.strip() for line in source.splitlines() if line.strip()), "")
