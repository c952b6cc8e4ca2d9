"""The three-way merge of what a person accepted into the document as it is now (DESIGN section 6). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.diffs import Change
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject, Notebook, sha256
from hermes_lab.model.proposals import Conflict, ProposedChange
from hermes_lab.services.cell_alignment import Alignment, align
from hermes_lab.services.cell_merging import Conflicts, accepted_cell, merge_cell, merge_keys
from hermes_lab.services.cell_ordering import Landmarks, place
from hermes_lab.services.cell_parts import empty_notebook, same_writing, without_results
from hermes_lab.services.change_summaries import position
from hermes_lab.services.diffing import diff_notebooks

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


def merge(base: Notebook | None, local: Notebook | None, remote: Notebook, decisions: Decisions) -> Merged:
    """Local with the accepted ones of the changes from base to remote.

    ``decisions`` name changes of ``diff_notebooks(base, remote, outputs=False)``. What is rejected or undecided
    never alters local; what local already has is applied silently. A base of None is a new notebook, a local of
    None a document that does not exist. All notebooks are normalised, and so is the result.

    Raises:
        InvalidRequest: a decision names a change or a hunk that there is not.
    """
    changes = diff_notebooks(base, remote, outputs=False)
    check_decisions(changes, decisions)
    merging = _Merging(base or empty_notebook(), local or empty_notebook(), remote)
    conflicts: list[Conflict] = []
    applied: list[str] = []
    for change in changes:
        decision = decisions.get(change.change_id)
        if decision is not None and is_wanted(decision):
            found = merging.apply(change, decision)
            conflicts += found
            if not found and decision.decision != "undecided":
                applied.append(change.change_id)
    return Merged(merging.notebook(), conflicts, applied)


def check_decisions(changes: Iterable[Change], decisions: Decisions) -> None:
    """Refuse decisions about what does not exist.

    Raises:
        InvalidRequest: code ``unknown_change`` or ``unknown_hunk``.
    """
    known = {change.change_id: {hunk.hunk_id for hunk in change.hunks} for change in changes}
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


class _Key(NamedTuple):
    """A cell across the three notebooks: by its index in base, else in remote, else in local."""

    side: str
    number: int


class _Merging:
    """Local on its way to the merged notebook: what each cell holds, and which cells are to be placed."""

    def __init__(self, base: Notebook, local: Notebook, remote: Notebook) -> None:
        self._base, self._local, self._remote = base, local, remote
        proposed = align(base["cells"], remote["cells"])
        self._wanted = [_Key("remote", j) if i is None else _Key("base", i) for j, i in enumerate(proposed.base_of)]
        self._landmarks = {key for j, key in enumerate(self._wanted) if key.side == "base" and j not in proposed.moved}
        self._order = self._local_order(proposed)
        self._cells = dict(zip(self._order, local["cells"], strict=True))
        self._placing: set[_Key] = set()
        self._metadata: JsonObject = local["metadata"]

    def apply(self, change: Change, decision: ChangeDecision) -> list[Conflict]:
        """Take one accepted change into local; answers the conflicts that are left."""
        conflicts = Conflicts(change, decision.resolution)
        if change.base_index is not None and change.remote_index is not None:
            self._change(change.base_index, change.remote_index, decision, conflicts)
        elif change.remote_index is not None:
            self._insert(change.remote_index, decision, conflicts)
        elif change.base_index is not None:
            self._delete(change.base_index, decision, conflicts)
        else:
            sides = self._base["metadata"], self._metadata, self._remote["metadata"]
            self._metadata = merge_keys(*sides, change.metadata_keys, conflicts)
        return conflicts.found

    def notebook(self) -> Notebook:
        """The merged notebook."""
        order = [key for key in self._order if key in self._cells]
        if self._placing:
            order = place(order, self._wanted, self._landmarks, self._placing)
        return {**self._local, "metadata": self._metadata, "cells": [self._cells[key] for key in order]}

    def _local_order(self, proposed: Alignment) -> list[_Key]:
        """Local's cells as keys.

        A cell with the id of a proposed insertion is that insertion, merged earlier or made by hand; it is not
        offered to the alignment, which could take it for a similar cell of base.
        """
        inserted = {self._remote["cells"][j]["id"]: j for j, i in enumerate(proposed.base_of) if i is None}
        cells = self._local["cells"]
        others = [k for k, cell in enumerate(cells) if cell["id"] not in inserted]
        here = align(self._base["cells"], [cells[k] for k in others])
        keys = {
            k: _Key("local", k) if i is None else _Key("base", i) for k, i in zip(others, here.base_of, strict=True)
        }
        return [keys.get(k) or _Key("remote", inserted[cell["id"]]) for k, cell in enumerate(cells)]

    def _insert(self, index: int, decision: ChangeDecision, conflicts: Conflicts) -> None:
        key = _Key("remote", index)
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
                beside = _Key("beside", index)
                self._wanted.insert(self._wanted.index(key) + 1, beside)
                self._put(beside, {**cell, "id": self._fresh_id(cell)})

    def _delete(self, index: int, decision: ChangeDecision, conflicts: Conflicts) -> None:
        key = _Key("base", index)
        local, base = self._cells.get(key), self._base["cells"][index]
        if local is None:
            return
        if same_writing(local, base):
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
            self._cells[key] = _with_source(local, decision.text)

    def _change(self, i: int, j: int, decision: ChangeDecision, conflicts: Conflicts) -> None:
        key = _Key("base", i)
        base = self._base["cells"][i]
        remote = accepted_cell(conflicts.change, decision, base, self._remote["cells"][j])
        local = self._cells.get(key)
        if local is None:
            conflicts.add("cell", base["source"], None, remote["source"])
            if conflicts.resolution not in {None, "local"}:
                self._put(key, without_results({**remote, "id": base["id"]}))
            return
        self._cells[key] = merge_cell(base, local, remote, conflicts)
        if conflicts.change.move is not None and decision.decision == "accept":
            self._move(key, conflicts)

    def _move(self, key: _Key, conflicts: Conflicts) -> None:
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
    def _surroundings(self) -> list[Landmarks[_Key]]:
        """In base, in local and in the proposal, which landmark of those that local still has precedes a cell."""
        bases = [_Key("base", i) for i in range(len(self._base["cells"]))]
        present = self._landmarks.intersection(self._order)
        return [Landmarks.in_order(order, present) for order in (bases, self._order, self._wanted)]

    def _position(self, landmark: _Key | None) -> str:
        return position(None if landmark is None else self._cells[landmark])

    def _put(self, key: _Key, cell: JsonObject) -> None:
        self._cells[key] = cell
        self._placing.add(key)

    def _fresh_id(self, cell: JsonObject) -> str:
        taken = {other["id"] for other in (*self._cells.values(), *self._remote["cells"])}
        made = sha256(f"{cell['id']}\n{cell['source']}")
        while made[:8] in taken:
            made = sha256(made)
        return made[:8]


def _with_source(cell: JsonObject, source: str) -> JsonObject:
    return cell if cell["source"] == source else without_results({**cell, "source": source})
