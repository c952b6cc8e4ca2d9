"""The changes of a proposal as a merge needs them: which cell of base became which of remote. Pure.

`services.diffing` describes the same changes for people, which costs more: here nothing inside a cell is compared
unless a decision is about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hermes_lab.model.diffs import NOTEBOOK_CHANGE_ID
from hermes_lab.model.payload import Notebook
from hermes_lab.services.cell_alignment import Alignment
from hermes_lab.services.cell_parts import same_writing, written_notebook_keys
from hermes_lab.services.diffing import cell_change_id


class ProposedEdit(NamedTuple):
    """A cell by its index in base and in remote, None where it is not there; both None: the notebook's metadata."""

    change_id: str
    cell_id: str | None
    base_index: int | None
    remote_index: int | None
    moved: bool = False


def proposed_edits(base: Notebook, remote: Notebook, alignment: Alignment) -> Iterator[ProposedEdit]:
    """A possible change for the notebook and for each cell, in the order of `diff_notebooks`."""
    yield ProposedEdit(NOTEBOOK_CHANGE_ID, None, None, None)
    bases, remotes = base["cells"], remote["cells"]
    for i, j in _in_reading_order(alignment):
        cell = remotes[j] if i is None and j is not None else bases[i or 0]
        yield ProposedEdit(cell_change_id(cell), cell["id"], i, j, j in alignment.moved)


def differs(edit: ProposedEdit, base: Notebook, remote: Notebook) -> bool:
    """Whether it is a change, other than of results."""
    if edit.base_index is not None and edit.remote_index is not None:
        before, after = base["cells"][edit.base_index], remote["cells"][edit.remote_index]
        return edit.moved or not same_writing(before, after)
    return edit.cell_id is not None or bool(written_notebook_keys(base, remote))


def _in_reading_order(alignment: Alignment) -> Iterator[tuple[int | None, int | None]]:
    """Pairs of indices in the order of remote, deleted cells after the cell that they followed."""
    deleted: dict[int | None, list[int]] = {}
    follows: int | None = None
    for i, j in enumerate(alignment.remote_of):
        if j is None:
            deleted.setdefault(follows, []).append(i)
        elif j not in alignment.moved:
            follows = j
    yield from ((i, None) for i in deleted.get(None, ()))
    for j, partner in enumerate(alignment.base_of):
        yield partner, j
        yield from ((i, None) for i in deleted.get(j, ()))
