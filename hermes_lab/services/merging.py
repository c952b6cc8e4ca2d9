"""The three-way merge of what a person accepted into the document as it is now (DESIGN section 6). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.diffs import Change
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject, Notebook, sha256
from hermes_lab.model.proposals import Conflict, ProposedChange
from hermes_lab.services.cell_alignment import Alignment, align, with_ids_of_insertions
from hermes_lab.services.cell_keys import CellKey, local_keys, proposed_keys
from hermes_lab.services.cell_merging import is_edited, merge_cell, merge_keys, with_source
from hermes_lab.services.cell_ordering import Landmarks, place
from hermes_lab.services.cell_parts import empty_notebook, same_writing, without_results, written_notebook_keys
from hermes_lab.services.change_summaries import position
from hermes_lab.services.conflicts import Conflicts
from hermes_lab.services.executed_cells import with_executed_results
from hermes_lab.services.line_merging import hunks
from hermes_lab.services.notebook_checks import check_notebook
from hermes_lab.services.proposed_edits import ProposedEdit, differs, proposed_edits

Decisions = Mapping[str, ChangeDecision]


@dataclass(frozen=True)
class Merged:
    """The merged notebook, what could not be merged, and the change_ids that are now in the document.

    With conflicts the notebook is the best that could be done (local stands where the sides overlap) and is not
    meant to be written. It shares unchanged cells with the notebooks that it was made from.
    """

    notebook: Notebook
    conflicts: list[Conflict]
    applied: list[str]


def merge(
    base: Notebook | None,
    local: Notebook | None,
    remote: Notebook,
    decisions: Decisions,
    executed: Notebook | None = None,
) -> Merged:
    """Local with the accepted ones of the changes from base to remote.

    ``decisions`` name changes of ``diff_notebooks(base, remote, outputs=False)``. What is rejected or undecided
    never alters local; what local already has is applied silently. A base of None is a new notebook, a local of
    None a document that does not exist. All notebooks are normalised, and so is the result. Cells whose source the
    merge changed or brought have no results, or those that they have in ``executed``, an execution of such a merge.

    Raises:
        InvalidRequest: a decision names a change or a hunk that there is not, or a notebook is none.
    """
    base, local = base or empty_notebook(), local or empty_notebook()
    for side, notebook in (("base", base), ("local", local), ("remote", remote)):
        check_notebook(notebook, side)
    proposed = align(base["cells"], remote["cells"])
    remote = with_ids_of_insertions(base, remote, proposed)
    wanted = [each for each in _decided(base, remote, proposed, decisions) if is_wanted(each[1])]
    if not wanted:
        return Merged(local, [], [])
    merging = _Merging(base, local, remote, proposed)
    conflicts: list[Conflict] = []
    applied: list[str] = []
    for edit, decision in wanted:
        found = merging.apply(edit, decision)
        conflicts += found
        if not found and decision.decision != "undecided":
            applied.append(edit.change_id)
    return Merged(merging.notebook(executed), conflicts, applied)


def _decided(
    base: Notebook, remote: Notebook, proposed: Alignment, decisions: Decisions
) -> list[tuple[ProposedEdit, ChangeDecision]]:
    found = [
        (edit, decisions[edit.change_id])
        for edit in proposed_edits(base, remote, proposed)
        if edit.change_id in decisions and differs(edit, base, remote)
    ]
    known: dict[str, set[str]] = {edit.change_id: set() for edit, _ in found}
    for edit, decision in found:
        if decision.hunks and edit.base_index is not None and edit.remote_index is not None:
            sources = base["cells"][edit.base_index]["source"], remote["cells"][edit.remote_index]["source"]
            known[edit.change_id] = {hunk.hunk_id for hunk in hunks(*sources)}
    _check(known, decisions)
    return found


def check_decisions(changes: Iterable[Change], decisions: Decisions) -> None:
    """Refuse decisions about what does not exist.

    Raises:
        InvalidRequest: code ``unknown_change`` or ``unknown_hunk``.
    """
    _check({change.change_id: {hunk.hunk_id for hunk in change.hunks} for change in changes}, decisions)


def _check(known: Mapping[str, Collection[str]], decisions: Decisions) -> None:
    for change_id, decision in decisions.items():
        field = f"decisions.{change_id}"
        if change_id not in known:
            raise InvalidRequest(f"There is no change {change_id!r}.", code="unknown_change", field=field)
        for hunk_id in decision.hunks or ():
            if hunk_id not in known[change_id]:
                raise InvalidRequest(
                    f"The change {change_id!r} has no hunk {hunk_id!r}.",
                    code="unknown_hunk",
                    field=f"{field}.hunks.{hunk_id}",
                )


def is_wanted(decision: ChangeDecision) -> bool:
    """Whether the decision takes anything of its change: all of it, or a hunk."""
    return decision.decision == "accept" or "accept" in (decision.hunks or {}).values()


def accepted(changes: Iterable[ProposedChange]) -> dict[str, ChangeDecision]:
    """The decisions that a merge would carry out now: what is accepted, and not in the document yet."""
    return {
        change.change_id: change.decision
        for change in changes
        if change.state == "pending" and change.decision is not None and is_wanted(change.decision)
    }


class _Merging:
    """Local on its way to the merged notebook: what each cell holds, and which cells are to be placed."""

    def __init__(self, base: Notebook, local: Notebook, remote: Notebook, proposed: Alignment) -> None:
        self._base, self._local, self._remote = base, local, remote
        self._wanted = proposed_keys(proposed)
        self._landmarks = {key for j, key in enumerate(self._wanted) if key.side == "base" and j not in proposed.moved}
        self._order = local_keys(base["cells"], local["cells"], remote["cells"], proposed)
        self._cells = dict(zip(self._order, local["cells"], strict=True))
        self._placing: set[CellKey] = set()
        self._metadata: JsonObject = local["metadata"]

    def apply(self, edit: ProposedEdit, decision: ChangeDecision) -> list[Conflict]:
        """Take one accepted change into local; answers the conflicts that are left."""
        conflicts = Conflicts(edit.change_id, edit.cell_id, decision.resolution)
        if edit.base_index is not None and edit.remote_index is not None:
            self._change(edit, decision, conflicts)
        elif edit.remote_index is not None:
            self._insert(edit.remote_index, decision, conflicts)
        elif edit.base_index is not None:
            self._delete(edit.base_index, decision, conflicts)
        else:
            sides = self._base["metadata"], self._metadata, self._remote["metadata"]
            self._metadata = merge_keys(*sides, written_notebook_keys(self._base, self._remote), conflicts)
        return conflicts.found

    def notebook(self, executed: Notebook | None) -> Notebook:
        """The merged notebook, with the results of cells that are new as they were executed."""
        order = [key for key in self._order if key in self._cells]
        if self._placing:
            order = place(order, self._wanted, self._landmarks, self._placing)
        cells = [self._cells[key] for key in order]
        if executed is not None:
            cells = with_executed_results(cells, self._new_sources(), executed)
        return {**self._local, "metadata": self._metadata, "cells": cells}

    def _new_sources(self) -> set[str]:
        """The ids of cells whose source or type local has not."""
        had = dict(zip(self._order, self._local["cells"], strict=True))
        return {
            cell["id"]
            for key, cell in self._cells.items()
            if key not in had or (cell["source"], cell["cell_type"]) != (had[key]["source"], had[key]["cell_type"])
        }

    def _insert(self, index: int, decision: ChangeDecision, conflicts: Conflicts) -> None:
        key = CellKey("remote", index)
        cell = without_results(self._remote["cells"][index])
        if decision.text is not None:
            cell = {**cell, "source": decision.text}
        local = self._cells.get(key)
        if local is None:
            self._put(key, cell)
        elif not same_writing(local, cell):
            conflicts.add("cell", None, local["source"], cell["source"])
            if conflicts.remote_wins:
                self._cells[key] = cell
            elif conflicts.resolution == "both":
                beside = CellKey("beside", index)
                self._wanted.insert(self._wanted.index(key) + 1, beside)
                self._put(beside, {**cell, "id": self._fresh_id(cell)})

    def _delete(self, index: int, decision: ChangeDecision, conflicts: Conflicts) -> None:
        key = CellKey("base", index)
        local, base = self._cells.get(key), self._base["cells"][index]
        if local is None:
            return
        if not is_edited(base, local):
            if local["id"] == base["id"]:
                del self._cells[key]
                return
            if self._ids_are_kept:
                # Local deleted the cell too, and what looks like it is a copy.
                return
        conflicts.add("cell", base["source"], local["source"], None)
        if conflicts.resolution == "remote":
            del self._cells[key]
        elif conflicts.resolution == "edited" and decision.text is not None:
            self._cells[key] = with_source(local, decision.text)

    def _change(self, edit: ProposedEdit, decision: ChangeDecision, conflicts: Conflicts) -> None:
        i, j = edit.base_index or 0, edit.remote_index or 0
        key = CellKey("base", i)
        base, remote = self._base["cells"][i], self._remote["cells"][j]
        local = self._cells.get(key)
        if local is not None:
            self._cells[key] = merge_cell(base, local, remote, decision, conflicts)
            if edit.moved and decision.decision == "accept":
                self._move(key, conflicts)
            return
        # Local deleted the cell: the edits are merged into what it was in base.
        accepted = merge_cell(base, base, remote, decision, Conflicts(edit.change_id, edit.cell_id, None))
        if decision.decision == "accept" and not edit.moved and not is_edited(base, accepted):
            return
        conflicts.add("cell", base["source"], None, accepted["source"])
        if conflicts.resolution not in {None, "local"}:
            self._put(key, without_results(accepted))

    def _move(self, key: CellKey, conflicts: Conflicts) -> None:
        """Move a cell to its proposed place; that it stands at a third one in local is a conflict."""
        was, here, wanted = (landmarks.before[key] for landmarks in self._surroundings)
        if here == wanted:
            return
        if here != was:
            conflicts.add("position", *(self._position(landmark) for landmark in (was, here, wanted)))
            if conflicts.resolution in {None, "local"}:
                return
        self._placing.add(key)

    @cached_property
    def _ids_are_kept(self) -> bool:
        """Whether local's cells still go by base's ids, and no editor has renamed them all."""
        known = {cell["id"] for cell in self._base["cells"]}
        return any(cell["id"] in known for cell in self._local["cells"])

    @cached_property
    def _surroundings(self) -> list[Landmarks[CellKey]]:
        """In base, in local and in the proposal, which landmark of those that local still has precedes a cell."""
        bases = [CellKey("base", i) for i in range(len(self._base["cells"]))]
        present = self._landmarks.intersection(self._order)
        return [Landmarks.in_order(order, present) for order in (bases, self._order, self._wanted)]

    def _position(self, landmark: CellKey | None) -> str:
        return position(None if landmark is None else self._cells[landmark])

    def _put(self, key: CellKey, cell: JsonObject) -> None:
        self._cells[key] = cell
        self._placing.add(key)

    def _fresh_id(self, cell: JsonObject) -> str:
        taken = {other["id"] for other in (*self._cells.values(), *self._remote["cells"])}
        made = sha256(f"{cell['id']}\n{cell['source']}")
        while made[:8] in taken:
            made = sha256(made)
        return made[:8]
