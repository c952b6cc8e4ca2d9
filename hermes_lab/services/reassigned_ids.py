"""Ids that somebody gave anew, so that the same id is another cell: `cell-0`, `cell-1`, … by place.

An agent or a converter that writes ids by place gives every cell the id of its predecessor when it inserts one
at the top. By id alone that is a notebook in which everything was edited. Pure functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from hermes_lab.model.values import JsonObject
from hermes_lab.services.source_likeness import likeness, tokens

_ALIKE = 0.3
"""Where a single source is elsewhere, cells of one id that are so much alike (0 to 1) are the same cell.

A copy of a cell whose original was edited further is so a new cell, and the edited one stays the same.
"""
_UNLIKE = 0.5
"""Once ids were given anew, cells of one id that are less alike than this are not paired by it."""
_PROVEN = 3
"""So many cells with their sources elsewhere prove that ids were given anew."""


def correct_reassigned_ids(base: Sequence[JsonObject], remote: Sequence[JsonObject], base_of: dict[int, int]) -> None:
    """Pair by equal sources instead of ids where these contradict ids that pair other sources.

    ``base_of`` (remote index -> base index) has the pairs of equal ids, and is corrected in place.
    """
    changed = {
        j: i
        for j, i in base_of.items()
        if base[i]["source"] != remote[j]["source"] or base[i]["cell_type"] != remote[j]["cell_type"]
    }
    if not changed:
        return
    found = _Contradictions(base, remote, changed)
    certain = set(base_of.values()).difference(changed.values())
    found.pair_equal_sources(
        (i for i in range(len(base)) if i not in certain),
        (j for j in range(len(remote)) if j not in base_of or j in changed),
    )
    proven = 0
    for component in found.components():
        if found.ids_hold(component):
            continue
        proven += len(component.by_source)
        for _, j in component.by_id:
            base_of.pop(j, None)
        base_of.update({j: i for i, j in component.by_source})
    if proven >= _PROVEN:
        for j, i in changed.items():
            if base_of.get(j) == i and found.likeness_of(i, j) < _UNLIKE:
                del base_of[j]


@dataclass
class _Component:
    """Cells that hang together: pairs (base index, remote index) by id and by source that exclude each other."""

    by_id: set[tuple[int, int]] = field(default_factory=set)
    by_source: set[tuple[int, int]] = field(default_factory=set)


class _Contradictions:
    def __init__(self, base: Sequence[JsonObject], remote: Sequence[JsonObject], changed: dict[int, int]) -> None:
        self._base, self._remote = base, remote
        self._base_by_id = changed
        self._remote_by_id = {i: j for j, i in changed.items()}
        self._base_by_source: dict[int, int] = {}
        self._remote_by_source: dict[int, int] = {}

    def pair_equal_sources(self, bases: Iterable[int], remotes: Iterable[int]) -> None:
        """Pair the cells of equal sources of which both sides have equally many; an empty one says nothing."""
        here, there = _by_content(self._base, bases), _by_content(self._remote, remotes)
        for content, indices in there.items():
            partners = here.get(content, [])
            if len(partners) == len(indices) and self._remote[indices[0]]["source"].strip():
                self._base_by_source.update(zip(indices, partners, strict=True))
        self._remote_by_source = {i: j for j, i in self._base_by_source.items()}

    def components(self) -> Iterable[_Component]:
        """Each run of cells in which pairs by source contradict pairs by id."""
        seen: set[int] = set()
        for start in self._base_by_source:
            if start not in seen:
                component = self._component(start)
                seen.update(j for _, j in component.by_source)
                if component.by_id:
                    yield component

    def ids_hold(self, component: _Component) -> bool:
        """Whether the ids explain more than the sources do."""
        if len(component.by_source) > 1:
            return False
        return sum(self.likeness_of(i, j) for i, j in component.by_id) >= _ALIKE

    def likeness_of(self, i: int, j: int) -> float:
        """How alike two cells are, from 0 to 1; cells of different types are less so."""
        before, after = self._base[i], self._remote[j]
        alike = likeness(tokens(before), tokens(after))
        return alike if before["cell_type"] == after["cell_type"] else alike / 2

    def _component(self, start: int) -> _Component:
        found = _Component()
        waiting = [start]
        while waiting:
            j = waiting.pop()
            for i, pairs in ((self._base_by_id.get(j), found.by_id), (self._base_by_source.get(j), found.by_source)):
                if i is None or (i, j) in pairs:
                    continue
                pairs.add((i, j))
                waiting += [k for k in (self._remote_by_id.get(i), self._remote_by_source.get(i)) if k is not None]
        return found


def _by_content(cells: Sequence[JsonObject], indices: Iterable[int]) -> dict[Hashable, list[int]]:
    found: dict[Hashable, list[int]] = defaultdict(list)
    for index in indices:
        found[_content(cells[index])].append(index)
    return found


def _content(cell: JsonObject) -> tuple[str, str]:
    return cell["cell_type"], cell["source"]
