"""What a partial acceptance leaves without a name: the cells that use what was rejected, removed, or comes later. Pure.

Told is only what the decisions bring about. What the document misses already, names that no cell defines, other
languages and cells that cannot be read are passed over in silence, and so is all that follows an `import *`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.dependencies import DependencyNote, DependencyProblem
from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.model.proposals import ProposedChange
from hermes_lab.services.cell_names import CellNames, names_of
from hermes_lab.services.merging import is_wanted
from hermes_lab.services.python_cells import is_python

_ALWAYS_THERE = frozenset({*dir(builtins), "display", "get_ipython", "In", "Out", "_", "__", "___", "exit", "quit"})
_LONGEST_IN_ALL = 2_000_000
"""Characters of source of a notebook that is read; a longer one is passed over in silence."""
Names = Callable[[JsonObject], CellNames]


def dependencies(
    current: Notebook | None,
    merged: Notebook,
    changes: Sequence[ProposedChange],
    decisions: Mapping[str, ChangeDecision],
    parameters: Collection[str] = (),
) -> list[DependencyNote]:
    """What would miss a name in ``merged``, in the order of its cells.

    ``merged`` is what the merge of ``decisions`` about ``changes`` makes of ``current``, the document as it is now
    (None where there is none). A change without a decision is undecided. ``parameters`` are injected at each run.
    """
    if not is_python(merged) or sum(len(cell["source"]) for cell in merged["cells"]) > _LONGEST_IN_ALL:
        return []
    names = _once_each(names_of)
    missing = _missing(merged, names, parameters)
    if not missing:
        return []
    before = _missing(current, names, parameters) if current is not None else {}
    cells = [change for change in changes if change.cell_id is not None]
    explanation = _Explanation(cells, decisions, names, _numbered(merged), _numbered(current))
    notes = [
        explanation.note(cell_id, name, later)
        for (cell_id, name), later in missing.items()
        if (cell_id, name) not in before
    ]
    return [note for note in notes if note is not None]


def _once_each(read: Callable[[str], CellNames]) -> Names:
    """Each source is read once: the same cell is in both notebooks and in its change."""
    known: dict[str, CellNames] = {}

    def names(cell: JsonObject) -> CellNames:
        if cell["cell_type"] != "code":
            return CellNames()
        source: str = cell["source"]
        if source not in known:
            known[source] = read(source)
        return known[source]

    return names


def _missing(notebook: Notebook, names: Names, parameters: Collection[str]) -> dict[tuple[str, str], str | None]:
    """(cell_id, name) -> the cell further down that defines the name, None where there is none."""
    cells = [(cell["id"], names(cell)) for cell in notebook["cells"]]
    anything = any(each.anything for _, each in cells)
    last_definition = {name: index for index, (_, each) in enumerate(cells) for name in each.defines}
    available = _ALWAYS_THERE.union(parameters)
    missing: dict[tuple[str, str], str | None] = {}
    unknown_now = False
    for index, (cell_id, each) in enumerate(cells):
        unknown_now = unknown_now or each.anything
        if not unknown_now:
            for name in sorted(each.uses - available):
                last = last_definition.get(name, index)
                missing[cell_id, name] = cells[last][0] if last > index else None
        if not anything:
            for name in sorted(each.deferred - last_definition.keys() - available):
                missing.setdefault((cell_id, name), None)
        available = (available - each.removes) | each.defines
    return missing


@dataclass(frozen=True)
class _Explanation:
    """Why a name is missing."""

    changes: Sequence[ProposedChange]
    decisions: Mapping[str, ChangeDecision]
    names: Names
    merged: Mapping[str | None, tuple[int, JsonObject]]
    current: Mapping[str | None, tuple[int, JsonObject]]

    def note(self, cell_id: str, name: str, later: str | None) -> DependencyNote | None:
        """The note about a name that a cell misses; None where no decision has to do with it."""
        used = f"Cell {self._number(cell_id)} uses `{name}`"
        left_out = self._left_out(name)
        if left_out is not None:
            change, problem = left_out
            return self._note(name, problem, cell_id, change, f"{used}, {self._without(change, problem)}.")
        removing = self._removing(name)
        if removing is not None:
            words = f"{used}, which {self._what_removes(removing)}."
            return self._note(name, "removed", cell_id, removing, words)
        if later is not None and (mover := self._moving(cell_id, later)) is not None:
            words = f"{used}, which only cell {self._number(later)} defines, further down."
            return self._note(name, "later", cell_id, mover, words, defined_in=later)
        return None

    def _left_out(self, name: str) -> tuple[ProposedChange, DependencyProblem] | None:
        """The change that would define the name, or bring its definition here, if it were taken whole."""
        for change in self.changes:
            if change.state == "applied" or not self._brings(change, name):
                continue
            decision = self.decisions.get(change.change_id)
            if decision is None or decision.decision == "undecided":
                return change, "undecided"
            if decision.decision == "reject" or decision.hunks or decision.text is not None:
                return change, "rejected"
        return None

    def _brings(self, change: ProposedChange, name: str) -> bool:
        if change.after is None or name not in self.names(change.after).defines:
            return False
        if change.move is not None:
            return not self._is_accepted(change) or self._lacks(change, name)
        is_new = change.before is None or name not in self.names(change.before).defines
        return is_new and self._lacks(change, name)

    def _lacks(self, change: ProposedChange, name: str) -> bool:
        """Whether the merged notebook's cell does not define what the proposed one does."""
        cell = self._cell(change.cell_id)
        return cell is None or name not in self.names(cell).defines

    def _removing(self, name: str) -> ProposedChange | None:
        for change in self.changes:
            defined = change.before is not None and name in self.names(change.before).defines
            if change.state != "applied" and defined and self._is_accepted(change) and self._lacks(change, name):
                return change
        for change in self.changes:
            cell = self._cell(change.cell_id)
            if cell is not None and self._is_accepted(change) and name in self.names(cell).removes:
                return change
        return None

    def _moving(self, *cell_ids: str) -> ProposedChange | None:
        """The accepted change of one of the cells that makes their order matter."""
        return next((c for c in self.changes if c.cell_id in cell_ids and self._is_accepted(c)), None)

    def _is_accepted(self, change: ProposedChange) -> bool:
        decision = self.decisions.get(change.change_id)
        return change.state != "applied" and decision is not None and is_wanted(decision)

    def _note(
        self,
        name: str,
        problem: DependencyProblem,
        used_in: str,
        change: ProposedChange,
        words: str,
        defined_in: str | None = None,
    ) -> DependencyNote:
        return DependencyNote(
            name=name,
            problem=problem,
            used_in=used_in,
            defined_in=defined_in or change.cell_id,
            change_id=change.change_id,
            words=words,
        )

    def _without(self, change: ProposedChange, problem: DependencyProblem) -> str:
        """What became of the change that would define a name."""
        if problem == "undecided":
            return f"which {self._what_defines(change)} defines; you have not decided about it"
        if change.kind == "insert" and self._cell(change.cell_id) is None:
            return "which you rejected with the new cell that defines it"
        if self._is_accepted(change):
            return f"which is not in what you took of {self._what_defines(change)}"
        return f"which you rejected: {self._what_defines(change)} defines it"

    def _what_defines(self, change: ProposedChange) -> str:
        number = self._number(change.cell_id)
        if change.kind == "insert":
            return "a new cell" if number is None else f"the new cell {number}"
        moves = change.kind == "move"
        return f"the {'move' if moves else 'change'} of cell {number}" if number else "a changed cell"

    def _what_removes(self, change: ProposedChange) -> str:
        if change.kind == "delete":
            was = self.current.get(change.cell_id)
            return f"goes with cell {was[0]}, which you delete" if was else "goes with a cell that you delete"
        number = self._number(change.cell_id)
        return f"the accepted change of cell {number} removes" if number else "an accepted change removes"

    def _cell(self, cell_id: str | None) -> JsonObject | None:
        found = self.merged.get(cell_id)
        return None if found is None else found[1]

    def _number(self, cell_id: str | None) -> int | None:
        found = self.merged.get(cell_id)
        return None if found is None else found[0]


def _numbered(notebook: Notebook | None) -> dict[str | None, tuple[int, JsonObject]]:
    """Cells with their places, as people count, by their ids."""
    cells: list[JsonObject] = [] if notebook is None else notebook["cells"]
    return {cell["id"]: (number, cell) for number, cell in enumerate(cells, start=1)}
