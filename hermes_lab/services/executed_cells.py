"""Results for cells that a merge changed, from an execution of exactly this code. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.services.cell_parts import with_results_of

_INJECTED = "injected-parameters"
"""papermill's tag of the cell that it puts into a notebook that it executes."""


def with_executed_results(
    cells: Sequence[JsonObject], changed: Collection[str], executed: Notebook
) -> list[JsonObject]:
    """The cells, of which those with a ``changed`` id have the results that their execution had.

    What a cell gives depends on the code above it. So a cell gets results only where its source, and all code
    above it, is what was executed; a cell of parameters that the execution injected does not count.
    """
    ran = [cell for cell in executed["cells"] if _is_code(cell)]
    given: list[JsonObject] = []
    place = 0
    for cell in cells:
        known = place < len(ran) and ran[place]["source"] == cell["source"]
        if not _is_code(cell):
            given.append(cell)
            continue
        if not known:
            break
        given.append(with_results_of(cell, ran[place]) if cell["id"] in changed else cell)
        place += 1
    return [*given, *cells[len(given) :]]


def _is_code(cell: JsonObject) -> bool:
    return cell["cell_type"] == "code" and _INJECTED not in cell["metadata"].get("tags", ())
