"""What differs between two notebooks, cell by cell. Pure functions.

What they make is as plain as it can be, for the command line prints it in less time than pydantic takes to
import. `services.diffing` makes payloads of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hermes_lab.engines.text_hunks import LineHunk, line_hunks
from hermes_lab.model.values import JsonObject, Notebook, same
from hermes_lab.services import change_summaries
from hermes_lab.services.cell_alignment import Alignment, ids_of_insertions
from hermes_lab.services.cell_parts import (
    differing_results,
    same_cells,
    same_results,
    written_metadata_keys,
    written_notebook_keys,
)

Kind = Literal["insert", "delete", "modify", "move", "retype", "metadata", "outputs"]

NOTEBOOK = "notebook"
"""The change_id of the one change that concerns the notebook's own metadata (`model.diffs.NOTEBOOK_CHANGE_ID`)."""

FindHunks = Callable[[str, str], Sequence[LineHunk]]


@dataclass(frozen=True)
class CellMove:
    """Where a moved cell stood and where it stands, as 0-based indices in base and remote."""

    from_index: int
    to_index: int


@dataclass(frozen=True)
class CellChange:
    """All that differs for one cell; `model.diffs.Change` says what the fields mean."""

    change_id: str
    kind: Kind
    cell_id: str | None
    cell_type: str | None
    summary: str
    base_index: int | None = None
    remote_index: int | None = None
    before: JsonObject | None = None
    after: JsonObject | None = None
    hunks: Sequence[LineHunk] = ()
    move: CellMove | None = None
    metadata_keys: Sequence[str] = ()
    lines_added: int = 0
    lines_removed: int = 0


@dataclass
class Differences:
    """The changes in the order of remote, deletions where the cell stood, and what is left that is no change."""

    changes: list[CellChange] = field(default_factory=list)
    unequal: set[int] = field(default_factory=set)
    """The remote indices of cells that are not the same as in base, whether that is a change or not."""
    other_ids: int = 0
    """Cells that have another id and are otherwise the same."""


def cell_change_id(cell_id: str) -> str:
    """The change_id for a cell: its id, but for a cell that is called as the notebook's own change is."""
    return f"cell:{cell_id}" if cell_id == NOTEBOOK else cell_id


def differences(
    base: Notebook,
    remote: Notebook,
    alignment: Alignment,
    *,
    outputs: bool = True,
    metadata: bool = True,
    shown: Notebook | None = None,
    find_hunks: FindHunks = line_hunks,
) -> Differences:
    """The differences of two notebooks whose cells are aligned.

    ``outputs`` compares outputs, execution counts and what runs leave in metadata, ``metadata`` all other
    metadata. ``shown`` is what ``after`` shows in place of ``remote``, which may lack what is ignored.
    """
    comparison = _Comparison(
        base["cells"], remote["cells"], (shown or remote)["cells"], alignment, outputs, metadata, find_hunks
    )
    comparison.compare()
    if metadata:
        comparison.found.changes[:0] = _notebook_changes(base, remote, shown or remote)
    return comparison.found


def _notebook_changes(base: Notebook, remote: Notebook, shown: Notebook) -> list[CellChange]:
    keys = written_notebook_keys(base, remote)
    if not keys:
        return []
    return [
        CellChange(
            change_id=NOTEBOOK,
            kind="metadata",
            cell_id=None,
            cell_type=None,
            before={"metadata": base["metadata"]},
            after={"metadata": shown["metadata"]},
            metadata_keys=keys,
            summary=f"Notebook metadata changed: {', '.join(keys)}",
        )
    ]


class _Comparison:
    def __init__(
        self,
        base: list[JsonObject],
        remote: list[JsonObject],
        shown: list[JsonObject],
        alignment: Alignment,
        outputs: bool,
        metadata: bool,
        find_hunks: FindHunks,
    ) -> None:
        self._base, self._remote, self._shown = base, remote, shown
        self._alignment = alignment
        self._outputs = outputs
        self._metadata = metadata
        self._find_hunks = find_hunks
        self._inserted_ids = ids_of_insertions(base, remote, alignment)
        self.found = Differences()

    def compare(self) -> None:
        """Collect the changes of all cells."""
        changes = self.found.changes
        deleted = self._deletions()
        moved = self._alignment.moved
        changes += deleted.get(None, [])
        for j, i in enumerate(self._alignment.base_of):
            if i is None:
                changes.append(self._insertion(j))
            elif not same_cells(self._base[i], self._remote[j]):
                self.found.unequal.add(j)
                changes += self._difference(i, j, j in moved)
            elif j in moved:
                changes += self._difference(i, j, True)
            if j in deleted:
                changes += deleted[j]

    def _deletions(self) -> dict[int | None, list[CellChange]]:
        """Deletions by the remote index of the cell that they followed, None for the top."""
        deleted: dict[int | None, list[CellChange]] = {}
        follows: int | None = None
        for i, j in enumerate(self._alignment.remote_of):
            if j is None:
                deleted.setdefault(follows, []).append(self._deletion(i))
            elif j not in self._alignment.moved:
                follows = j
        return deleted

    def _deletion(self, i: int) -> CellChange:
        cell = self._base[i]
        return CellChange(
            change_id=cell_change_id(cell["id"]),
            kind="delete",
            cell_id=cell["id"],
            cell_type=cell["cell_type"],
            base_index=i,
            before=cell,
            lines_removed=_line_count(cell),
            summary=change_summaries.deletion(cell),
        )

    def _insertion(self, j: int) -> CellChange:
        cell, cell_id = self._shown[j], self._inserted_ids[j]
        return CellChange(
            change_id=cell_change_id(cell_id),
            kind="insert",
            cell_id=cell_id,
            cell_type=cell["cell_type"],
            remote_index=j,
            after=cell,
            lines_added=_line_count(cell),
            summary=change_summaries.insertion(cell, self._shown[j - 1] if j else None),
        )

    def _difference(self, i: int, j: int, moved: bool) -> Iterable[CellChange]:
        before, after = self._base[i], self._remote[j]
        retyped = before["cell_type"] != after["cell_type"]
        hunks = self._find_hunks(before["source"], after["source"]) if before["source"] != after["source"] else ()
        attachments = not same(before.get("attachments", {}), after.get("attachments", {}))
        keys = written_metadata_keys(before, after) if self._metadata else []
        results = differing_results(before, after) if self._outputs and not same_results(before, after) else []
        kind = _weightiest(
            retype=retyped,
            modify=bool(hunks) or attachments,
            move=moved,
            metadata=bool(keys),
            outputs=bool(results),
        )
        if kind is None:
            self.found.other_ids += before["id"] != after["id"]
            return
        yield CellChange(
            change_id=cell_change_id(before["id"]),
            kind=kind,
            cell_id=before["id"],
            cell_type=after["cell_type"],
            base_index=i,
            remote_index=j,
            before=before,
            after=self._shown[j],
            hunks=hunks,
            move=CellMove(from_index=i, to_index=j) if moved else None,
            metadata_keys=keys,
            lines_added=sum(hunk.remote_lines for hunk in hunks),
            lines_removed=sum(hunk.base_lines for hunk in hunks),
            summary=change_summaries.difference(
                retyped=(before["cell_type"], after["cell_type"]) if retyped else None,
                hunks=hunks,
                attachments=attachments,
                moved=(i, j) if moved else None,
                metadata_keys=keys,
                results=results,
            ),
        )


def _weightiest(*, retype: bool, modify: bool, move: bool, metadata: bool, outputs: bool) -> Kind | None:
    weighed: list[tuple[Kind, bool]] = [
        ("retype", retype),
        ("modify", modify),
        ("move", move),
        ("metadata", metadata),
        ("outputs", outputs),
    ]
    return next((kind for kind, differs in weighed if differs), None)


def _line_count(cell: JsonObject) -> int:
    return len(cell["source"].splitlines())
