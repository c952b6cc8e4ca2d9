"""difflib: which lines of one text became which of another. Pure, and bounded whatever the lines are.

difflib chooses readable differences, in time that grows with the square of the lines and faster where many are
equal. It is asked only about short runs of lines: longer ones are cut at lines that occur once on both sides
(patience diff). Where there are none, the fewest edits are looked for as long as they are few (Myers), and then as
many equal lines as stand in the same order are taken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

from hermes_lab.model.sequences import longest_increasing

_MOST_FOR_DIFFLIB = 10_000
"""Lines on one side times lines on the other; up to here difflib takes some milliseconds at most."""
_MOST_CUTS = 30
"""How often a run is cut at lines that occur once; each round takes time in proportion to the lines."""

_MOST_EDITS = 100
"""Lines added and removed up to which the fewest edits are looked for; the time grows with the square."""


@dataclass(frozen=True)
class LineEdit:
    """Base lines ``start`` to ``end`` become ``lines``, which start at ``other_start`` in the other text."""

    start: int
    end: int
    lines: list[str]
    other_start: int


def line_edits(base: Sequence[str], other: Sequence[str]) -> list[LineEdit]:
    """The runs of lines that differ, from the top; between any two of them stands at least one equal line."""
    edits: list[LineEdit] = []
    i = j = 0
    for next_i, next_j in [*_equal_lines(base, other), (len(base), len(other))]:
        if (i, j) != (next_i, next_j):
            edits.append(LineEdit(i, next_i, list(other[j:next_j]), j))
        i, j = next_i + 1, next_j + 1
    return edits


class _Run(NamedTuple):
    """Lines ``i`` to ``end_i`` of base, lines ``j`` to ``end_j`` of the other, and how many cuts led here."""

    i: int
    end_i: int
    j: int
    end_j: int
    cuts: int

    @property
    def area(self) -> int:
        return (self.end_i - self.i) * (self.end_j - self.j)


_Pair = tuple[int, int]


def _equal_lines(base: Sequence[str], other: Sequence[str]) -> list[_Pair]:
    """Pairs of equal lines, in order on both sides."""
    found: list[_Pair] = []
    waiting = [_Run(0, len(base), 0, len(other), 0)]
    while waiting:
        run = _trimmed(base, other, waiting.pop(), found)
        if not run.area:
            continue
        if run.area <= _MOST_FOR_DIFFLIB:
            found += _by_difflib(base, other, run)
        elif run.cuts < _MOST_CUTS:
            unique = _occurring_once(base, other, run)
            anchors = _in_order(unique) or _by_fewest_edits(base, other, run) or _in_order(_by_turn(base, other, run))
            found += anchors
            # What other anchors leave is only looked at where it is short: no second chance, no long search.
            waiting += _gaps(run, anchors, run.cuts + 1 if unique else _MOST_CUTS)
    return sorted(found)


def _trimmed(base: Sequence[str], other: Sequence[str], run: _Run, found: list[_Pair]) -> _Run:
    """The run without the equal lines at its two ends, which are found."""
    i, end_i, j, end_j, cuts = run
    while i < end_i and j < end_j and base[i] == other[j]:
        found.append((i, j))
        i, j = i + 1, j + 1
    while i < end_i and j < end_j and base[end_i - 1] == other[end_j - 1]:
        end_i, end_j = end_i - 1, end_j - 1
        found.append((end_i, end_j))
    return _Run(i, end_i, j, end_j, cuts)


def _by_difflib(base: Sequence[str], other: Sequence[str], run: _Run) -> list[_Pair]:
    matcher = SequenceMatcher(None, base[run.i : run.end_i], other[run.j : run.end_j], autojunk=False)
    return [
        (run.i + block.a + offset, run.j + block.b + offset)
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    ]


def _occurring_once(base: Sequence[str], other: Sequence[str], run: _Run) -> list[_Pair]:
    here = Counter(base[run.i : run.end_i])
    there = Counter(other[run.j : run.end_j])
    place = {other[j]: j for j in range(run.j, run.end_j) if there[other[j]] == 1}
    return [(i, place[base[i]]) for i in range(run.i, run.end_i) if here[base[i]] == 1 and base[i] in place]


def _by_fewest_edits(base: Sequence[str], other: Sequence[str], run: _Run) -> list[_Pair]:
    """Myers' greedy algorithm; nothing where the sides are more than `_MOST_EDITS` apart.

    A path through the grid of base lines and other lines is known by its diagonal (``i - j``), and how far along
    base it has come; each round may add or remove one more line.
    """
    diagonal_of_end = run.end_i - run.end_j
    furthest = {run.i - run.j + 1: run.i}
    rounds: list[dict[int, int]] = []
    for edits in range(_MOST_EDITS + 1):
        rounds.append(furthest.copy())
        for diagonal in range(run.i - run.j - edits, run.i - run.j + edits + 1, 2):
            i = _next_step(furthest, diagonal)
            j = i - diagonal
            while i < run.end_i and j < run.end_j and base[i] == other[j]:
                i, j = i + 1, j + 1
            furthest[diagonal] = i
            if diagonal == diagonal_of_end and i >= run.end_i:
                return _walked_back(rounds, run)
    return []


def _next_step(furthest: dict[int, int], diagonal: int) -> int:
    """How far along base a path on this diagonal begins: by the removal or by the addition of a line."""
    removing, adding = furthest.get(diagonal - 1, -1) + 1, furthest.get(diagonal + 1, -1)
    return max(removing, adding)


def _walked_back(rounds: list[dict[int, int]], run: _Run) -> list[_Pair]:
    pairs: list[_Pair] = []
    i, j = run.end_i, run.end_j
    for furthest in reversed(rounds):
        diagonal = i - j
        came_from = _next_step(furthest, diagonal)
        while i > came_from:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        if furthest.get(diagonal - 1, -1) + 1 == came_from:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _by_turn(base: Sequence[str], other: Sequence[str], run: _Run) -> list[_Pair]:
    """Of equal lines the first with the first, the second with the second, and so on."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for j in range(run.end_j - 1, run.j - 1, -1):
        places[other[j]].append(j)
    return [(i, places[base[i]].pop()) for i in range(run.i, run.end_i) if places.get(base[i])]


def _in_order(pairs: Sequence[_Pair]) -> list[_Pair]:
    """As many of the pairs as stand in the same order on both sides; they come in the order of base."""
    kept = longest_increasing([j for _, j in pairs])
    return [pair for place, pair in enumerate(pairs) if place in kept]


def _gaps(run: _Run, anchors: Iterable[_Pair], cuts: int) -> list[_Run]:
    gaps: list[_Run] = []
    i, j = run.i, run.j
    for next_i, next_j in [*anchors, (run.end_i, run.end_j)]:
        if next_i > i and next_j > j:
            gaps.append(_Run(i, next_i, j, next_j, cuts))
        i, j = next_i + 1, next_j + 1
    return gaps
