"""What differs between two notebooks, as one change a cell and as nbdime's operations. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from hermes_lab.engines import nbdime
from hermes_lab.engines.text_hunks import line_hunks
from hermes_lab.model.diffs import Change, ChangeCounts
from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.services import cell_changes
from hermes_lab.services.cell_alignment import align
from hermes_lab.services.cell_changes import CellChange, differences
from hermes_lab.services.cell_parts import empty_notebook
from hermes_lab.services.ignoring import NOTHING, Ignored


@dataclass(frozen=True)
class Compared:
    """What differs between two notebooks; `model.diffs.Diff` says what the fields mean."""

    changes: list[Change]
    ops: list[JsonObject]
    other_ids: int


def compare(base: Notebook, remote: Notebook, ignored: Ignored = NOTHING) -> Compared:
    """The changes and the operations from base to remote, but for what is ignored.

    Both notebooks are normalised (`engines.notebook_format`).
    """
    alignment = align(base["cells"], remote["cells"])
    compared, alignment = ignored.applied(base, remote, alignment)
    # The changes and the operations need the same hunks.
    find_hunks = cache(line_hunks)
    found = differences(base, compared, alignment, shown=remote, find_hunks=find_hunks)
    moved = alignment.moved
    pairs = [(i, j) for j, i in enumerate(alignment.base_of) if i is not None and j not in moved]
    ops = nbdime.diff_ops(base, compared, pairs, unequal=found.unequal, find_hunks=find_hunks)
    return Compared([_payload(change) for change in found.changes], ops, found.other_ids)


def diff_notebooks(
    base: Notebook | None, remote: Notebook, *, outputs: bool = True, metadata: bool = True
) -> list[Change]:
    """The changes from base to remote in the order of remote, deletions where the cell stood.

    Both notebooks are normalised (`engines.notebook_format`); a base of None is an empty notebook.
    ``outputs`` compares outputs, execution counts and what runs leave in metadata, ``metadata`` all other
    metadata. A cell whose id alone differs is not a change.
    """
    base = base or empty_notebook()
    alignment = align(base["cells"], remote["cells"])
    found = differences(base, remote, alignment, outputs=outputs, metadata=metadata)
    return [_payload(change) for change in found.changes]


def diff_ops(base: Notebook, remote: Notebook) -> list[JsonObject]:
    """nbdime's diff operations (JEP 8): ``nbdime.patching.patch(base, ops)`` is exactly remote.

    nbdime knows no moves: a moved cell is removed at one place and added at another.
    """
    return compare(base, remote).ops


def counts(changes: Iterable[Change]) -> ChangeCounts:
    """How many changes of each kind."""
    found: Counter[str] = Counter(change.kind for change in changes)
    return ChangeCounts(**found)


def cell_change_id(cell: JsonObject) -> str:
    """The change_id for a cell: its id, but for a cell that is called as the notebook's own change is."""
    return cell_changes.cell_change_id(cell["id"])


def _payload(change: CellChange) -> Change:
    return Change.model_validate(change, from_attributes=True)
