"""The operations that a proposal may be made of; cells are addressed by their id."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from hermes_lab.model.diffs import NOTEBOOK_CHANGE_ID
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject, Notebook, Payload, new_id

CellId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$", description="nbformat 4.5 cell id")]


def _joined(value: object) -> object:
    lines = isinstance(value, list) and all(isinstance(line, str) for line in value)
    return "".join(value) if lines and isinstance(value, list) else value


Source = Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[str])]
"""A cell's source: one string, or a list of lines with their line ends as in a notebook file."""

CellType = Literal["code", "markdown", "raw"]
_RATIONALE = Field(default=None, max_length=10_000, description="Why this one change is wanted")


class NewCell(Payload):
    """A cell to insert. Outputs are not accepted: what a cell prints is for a kernel to say."""

    id: CellId | None = None
    cell_type: CellType = "code"
    source: Source = ""
    metadata: JsonObject = Field(default_factory=dict)


class Insert(Payload):
    """Insert a cell after the one named; null puts it first."""

    op: Literal["insert"]
    after_cell_id: CellId | None
    cell: NewCell
    rationale: str | None = _RATIONALE


class ReplaceSource(Payload):
    """Give a cell another source, and another type where ``cell_type`` says so."""

    op: Literal["replace_source"]
    cell_id: CellId
    source: Source
    cell_type: CellType | None = None
    rationale: str | None = _RATIONALE


class Delete(Payload):
    """Remove a cell."""

    op: Literal["delete"]
    cell_id: CellId
    rationale: str | None = _RATIONALE


class MoveCell(Payload):
    """Move a cell after the one named; null puts it first."""

    op: Literal["move"]
    cell_id: CellId
    after_cell_id: CellId | None
    rationale: str | None = _RATIONALE


class SetMetadata(Payload):
    """Set metadata keys of a cell, or of the notebook where ``cell_id`` is null; a null value removes the key."""

    op: Literal["set_metadata"]
    cell_id: CellId | None
    metadata: JsonObject
    rationale: str | None = _RATIONALE


CellOperation = Annotated[Insert | ReplaceSource | Delete | MoveCell | SetMetadata, Field(discriminator="op")]


def apply_operations(base: Notebook, operations: Sequence[CellOperation]) -> tuple[Notebook, dict[str, str]]:
    """The notebook that the operations make of ``base``, applied in their order, and the rationales given, by the id
    of the cell ("notebook" for the notebook's own metadata). ``base`` is not touched.

    Raises:
        InvalidRequest: an operation names a cell that is not there, or an id that is taken
            (``details.field`` is ``operations.<index>.<field>``).
    """
    notebook = copy.deepcopy(base)
    rationales: dict[str, str] = {}
    for position, operation in enumerate(operations):
        cell_id = _apply(notebook, operation, f"operations.{position}")
        if operation.rationale is not None:
            rationales[cell_id or NOTEBOOK_CHANGE_ID] = operation.rationale
    return notebook, rationales


def _apply(notebook: Notebook, operation: CellOperation, field: str) -> str | None:
    """Apply one operation in place; answers the id of the cell concerned."""
    cells: list[JsonObject] = notebook["cells"]
    match operation:
        case Insert():
            cell = _new_cell(cells, operation.cell, f"{field}.cell.id")
            cells.insert(_after(cells, operation.after_cell_id, f"{field}.after_cell_id"), cell)
            return str(cell["id"])
        case ReplaceSource():
            index = _find(cells, operation.cell_id, f"{field}.cell_id")
            cells[index] = _with_source(cells[index], operation)
        case Delete():
            del cells[_find(cells, operation.cell_id, f"{field}.cell_id")]
        case MoveCell():
            if operation.cell_id == operation.after_cell_id:
                raise InvalidRequest("A cell cannot be moved after itself.", field=f"{field}.after_cell_id")
            cell = cells.pop(_find(cells, operation.cell_id, f"{field}.cell_id"))
            cells.insert(_after(cells, operation.after_cell_id, f"{field}.after_cell_id"), cell)
        case SetMetadata():
            target = notebook
            if operation.cell_id is not None:
                target = cells[_find(cells, operation.cell_id, f"{field}.cell_id")]
            merged = {**target.get("metadata", {}), **operation.metadata}
            target["metadata"] = {key: value for key, value in merged.items() if value is not None}
    return operation.cell_id


def _find(cells: list[JsonObject], cell_id: str, field: str) -> int:
    for index, cell in enumerate(cells):
        if cell["id"] == cell_id:
            return index
    raise InvalidRequest(f"There is no cell {cell_id!r}.", code="unknown_cell", field=field, cell_id=cell_id)


def _after(cells: list[JsonObject], cell_id: str | None, field: str) -> int:
    return 0 if cell_id is None else _find(cells, cell_id, field) + 1


def _new_cell(cells: list[JsonObject], new: NewCell, field: str) -> JsonObject:
    cell_id = new.id or new_id()[:8]
    if any(cell["id"] == cell_id for cell in cells):
        raise InvalidRequest(f"The cell id {cell_id!r} is taken.", code="duplicate_cell_id", field=field)
    return _shaped({"id": cell_id, "metadata": new.metadata, "source": new.source}, new.cell_type)


def _with_source(cell: JsonObject, operation: ReplaceSource) -> JsonObject:
    cell_type = operation.cell_type or cell["cell_type"]
    if cell_type == cell["cell_type"]:
        return {**cell, "source": operation.source}
    kept = {key: cell[key] for key in ("id", "metadata")}
    return _shaped({**kept, "source": operation.source}, cell_type)


def _shaped(fields: JsonObject, cell_type: str) -> JsonObject:
    code_only: JsonObject = {"execution_count": None, "outputs": []} if cell_type == "code" else {}
    return {"cell_type": cell_type, **fields, **code_only}
