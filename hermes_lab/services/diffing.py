"""What differs between two notebooks, as one change a cell and as nbdime's operations. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hermes_lab.engines import nbdime
from hermes_lab.model.diffs import NOTEBOOK_CHANGE_ID, Change, ChangeCounts, ChangeKind, Move
from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.services import change_summaries
from hermes_lab.services.cell_alignment import Alignment, align
from hermes_lab.services.cell_parts import (
    empty_notebook,
    same,
    same_results,
    written_metadata_keys,
    written_notebook_keys,
)
from hermes_lab.services.line_merging import hunks


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
    comparison = _Comparison(base["cells"], remote["cells"], alignment, outputs=outputs, metadata=metadata)
    changes = list(comparison.changes())
    return [*_notebook_changes(base, remote), *changes] if metadata else changes


def diff_ops(base: Notebook, remote: Notebook) -> list[JsonObject]:
    """nbdime's diff operations (JEP 8): ``nbdime.patching.patch(base, ops)`` is exactly remote.

    nbdime knows no moves: a moved cell is removed at one place and added at another.
    """
    alignment = align(base["cells"], remote["cells"])
    pairs = [(i, j) for j, i in enumerate(alignment.base_of) if i is not None and j not in alignment.moved]
    return nbdime.diff_ops(base, remote, pairs)


def counts(changes: Iterable[Change]) -> ChangeCounts:
    """How many changes of each kind."""
    found: Counter[str] = Counter(change.kind for change in changes)
    return ChangeCounts(**found)


def cell_change_id(cell: JsonObject) -> str:
    """The change_id for a cell: its id, but for a cell that is called as the notebook's own change is."""
    cell_id: str = cell["id"]
    return f"cell:{cell_id}" if cell_id == NOTEBOOK_CHANGE_ID else cell_id


def _notebook_changes(base: Notebook, remote: Notebook) -> list[Change]:
    keys = written_notebook_keys(base, remote)
    if not keys:
        return []
    return [
        Change(
            change_id=NOTEBOOK_CHANGE_ID,
            kind="metadata",
            cell_id=None,
            cell_type=None,
            before={"metadata": base["metadata"]},
            after={"metadata": remote["metadata"]},
            metadata_keys=keys,
            summary=f"Notebook metadata changed: {', '.join(keys)}",
        )
    ]


@dataclass(frozen=True)
class _Comparison:
    base: list[JsonObject]
    remote: list[JsonObject]
    alignment: Alignment
    outputs: bool
    metadata: bool

    def changes(self) -> Iterable[Change]:
        deleted = self._deletions()
        yield from deleted.get(None, [])
        for j, i in enumerate(self.alignment.base_of):
            change = self._insertion(j) if i is None else self._difference(i, j)
            if change is not None:
                yield change
            yield from deleted.get(j, [])

    def _deletions(self) -> dict[int | None, list[Change]]:
        """Deletions by the remote index of the cell that they followed, None for the top."""
        deleted: dict[int | None, list[Change]] = {}
        follows: int | None = None
        for i, j in enumerate(self.alignment.remote_of):
            if j is None:
                deleted.setdefault(follows, []).append(self._deletion(i))
            elif j not in self.alignment.moved:
                follows = j
        return deleted

    def _deletion(self, i: int) -> Change:
        cell = self.base[i]
        return Change(
            change_id=cell_change_id(cell),
            kind="delete",
            cell_id=cell["id"],
            cell_type=cell["cell_type"],
            base_index=i,
            before=cell,
            summary=change_summaries.deletion(cell),
        )

    def _insertion(self, j: int) -> Change:
        cell = self.remote[j]
        return Change(
            change_id=cell_change_id(cell),
            kind="insert",
            cell_id=cell["id"],
            cell_type=cell["cell_type"],
            remote_index=j,
            after=cell,
            summary=change_summaries.insertion(cell, self.remote[j - 1] if j else None),
        )

    def _difference(self, i: int, j: int) -> Change | None:
        before, after = self.base[i], self.remote[j]
        moved = j in self.alignment.moved
        if not moved and before == after and same(before["metadata"], after["metadata"]):
            return None
        retyped = before["cell_type"] != after["cell_type"]
        found = hunks(before["source"], after["source"]) if before["source"] != after["source"] else []
        attachments = not same(before.get("attachments", {}), after.get("attachments", {}))
        keys = written_metadata_keys(before, after) if self.metadata else []
        results = self.outputs and not same_results(before, after)
        kind = _weightiest(
            retype=retyped,
            modify=bool(found) or attachments,
            move=moved,
            metadata=bool(keys),
            outputs=results,
        )
        if kind is None:
            return None
        move = Move(from_index=i, to_index=j) if moved else None
        return Change(
            change_id=cell_change_id(before),
            kind=kind,
            cell_id=before["id"],
            cell_type=after["cell_type"],
            base_index=i,
            remote_index=j,
            before=before,
            after=after,
            hunks=found,
            move=move,
            metadata_keys=keys,
            summary=change_summaries.difference(
                retyped=(before["cell_type"], after["cell_type"]) if retyped else None,
                hunks=found,
                attachments=attachments,
                move=move,
                metadata_keys=keys,
                outputs=results,
            ),
        )


def _weightiest(*, retype: bool, modify: bool, move: bool, metadata: bool, outputs: bool) -> ChangeKind | None:
    weighed: list[tuple[ChangeKind, bool]] = [
        ("retype", retype),
        ("modify", modify),
        ("move", move),
        ("metadata", metadata),
        ("outputs", outputs),
    ]
    return next((kind for kind, differs in weighed if differs), None)
