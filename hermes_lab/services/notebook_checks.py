"""Whether something has the shape of a normalised notebook, as quickly as it can be told. Pure.

`engines.notebook_format` judges whole notebooks by nbformat's schema when they come in. A merge looks once more at
what it builds on: with an id twice or a source that is no text it would give a wrong notebook and not say so.
"""

from __future__ import annotations

from typing import Any, NoReturn

from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import Notebook

_TYPES = frozenset({"code", "markdown", "raw"})


def check_notebook(notebook: Notebook, field: str) -> None:
    """Refuse what no normalised notebook looks like.

    Raises:
        InvalidRequest: code ``invalid_notebook``; ``details.field`` names the place, from ``field`` on.
    """
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        _refuse("The notebook has no list of cells.", f"{field}.cells")
    if (notebook.get("nbformat"), notebook.get("nbformat_minor")) != (4, 5):
        _refuse("The notebook is not of format 4.5.", f"{field}.nbformat")
    if not isinstance(notebook.get("metadata"), dict):
        _refuse("The notebook's metadata are no object.", f"{field}.metadata")
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        if not _is_cell(cell) or cell["id"] in seen:
            _refuse_cell(cell, seen, f"{field}.cells.{number}")
        seen.add(cell["id"])


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict):
        return False
    source, cell_type = cell.get("source"), cell.get("cell_type")
    return (
        isinstance(cell.get("id"), str)
        and isinstance(source, str)
        and (source.isascii() or _is_encodable(source))
        and isinstance(cell.get("metadata"), dict)
        and isinstance(cell_type, str)
        and cell_type in _TYPES
        and (cell_type != "code" or (isinstance(cell.get("outputs"), list) and "execution_count" in cell))
    )


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_cell(cell: Any, seen: set[str], field: str) -> NoReturn:
    if not isinstance(cell, dict):
        _refuse("The cell is not a JSON object.", field)
    for key, expected in (("id", str), ("source", str), ("metadata", dict)):
        if not isinstance(cell.get(key), expected):
            _refuse(f"The cell has no {key!r} of type {expected.__name__}.", f"{field}.{key}")
    if cell["id"] in seen:
        _refuse(f"The id {cell['id']!r} is another cell's, too.", f"{field}.id")
    if not _is_encodable(cell["source"]):
        _refuse("The text holds a lone surrogate, which UTF-8 cannot hold.", f"{field}.source")
    if cell.get("cell_type") not in _TYPES:
        _refuse(f"There is no cell type {cell.get('cell_type')!r}.", f"{field}.cell_type")
    missing = "execution_count" if isinstance(cell.get("outputs"), list) else "outputs"
    _refuse(f"The code cell has no {missing!r}.", f"{field}.{missing}")


def _refuse(message: str, field: str) -> NoReturn:
    raise InvalidRequest(message, code="invalid_notebook", field=field)
