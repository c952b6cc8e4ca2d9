#!/usr/bin/env python3
"""Merging notebooks: hermes_lab beside nbdime, in one process and in turns.

    benchmarks/merge.py                      every row, median of 5; some minutes, all of it nbdime's
    benchmarks/merge.py --only few,half      some rows
    benchmarks/merge.py --quick              one repetition of each
    benchmarks/merge.py --profile half       where our time goes

nbdime only decides (`decide_notebook_merge`), ours also makes the merged notebook. docs/benchmarks.md explains the
rows.
"""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from nbdime.merging.notebooks import decide_notebook_merge
from nbformat import from_dict

from benchmarks.figures import Figure, at_most, itself_at_most
from benchmarks.in_process import Measure, run, seconds
from benchmarks.turns import interleaved
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.merging import merge

Json = dict[str, Any]
_GOAL = 0.10
_LINES_OF_A_CELL = 8
_LINES_OF_A_LONG_CELL = 20_000


class Sides(NamedTuple):
    """Three notebooks to merge."""

    base: Json
    local: Json
    remote: Json


def main() -> int:
    """Measure and print."""
    logging.getLogger("nbdime").setLevel(logging.ERROR)
    return run(__doc__ or "", ROWS, PROFILES, "nbdime")


def edited_cells(cells: int, of_local: range, of_remote: range) -> Sides:
    """Cells of 8 lines, of which each side edited one line in some."""
    base = [_code(number, _lines(number)) for number in range(cells)]
    return Sides(_notebook(base), _notebook(_edited(base, of_local, 1)), _notebook(_edited(base, of_remote, 6)))


def long_cell(different_lines: int) -> Sides:
    """One cell of 20,000 lines, of which there are so many different ones; each side edited 50, far apart."""
    chosen = random.Random(1)
    lines = [f"{chosen.randrange(different_lines)}," for _ in range(_LINES_OF_A_LONG_CELL)]
    local, remote = lines.copy(), lines.copy()
    for edit in range(50):
        local[edit * 400] = f"mine {edit}"
        remote[edit * 400 + 200] = f"theirs {edit}"
    return Sides(*(_notebook([_code(0, side)]) for side in (lines, local, remote)))


def _lines(number: int) -> list[str]:
    return [f"value_{number}_{line} = function_{line}(table, {number * line})" for line in range(_LINES_OF_A_CELL)]


def _edited(cells: list[Json], places: range, line: int) -> list[Json]:
    edited = []
    for number, cell in enumerate(cells):
        lines = _lines(number)
        lines[line] += "  # edited"
        edited.append({**cell, "source": "\n".join(lines)} if number in places else cell)
    return edited


def _code(number: int, lines: list[str]) -> Json:
    printed = {"output_type": "stream", "name": "stdout", "text": "a line of output\n" * 5}
    cell = {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "source": "\n".join(lines)}
    return {**cell, "execution_count": number + 1, "outputs": [printed]}


def _notebook(cells: list[Json]) -> Json:
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _ours(sides: Sides) -> Callable[[], object]:
    changes = diff_notebooks(sides.base, sides.remote, outputs=False)
    decisions = {change.change_id: ChangeDecision(decision="accept") for change in changes}
    return lambda: merge(*sides, decisions)


def _beside(row: str, operation: str, sides: Sides, repetitions: int) -> Figure:
    theirs = [from_dict(side) for side in sides]
    turns = partial(seconds, _ours(sides)), partial(seconds, lambda: decide_notebook_merge(*theirs))
    return Figure(row, operation, "s", at_most(_GOAL), *interleaved(repetitions, *turns))


def _alone(row: str, operation: str, sides: Sides, repetitions: int) -> Figure:
    (ours,) = interleaved(repetitions, partial(seconds, _ours(sides)))
    return Figure(row, operation, "s", itself_at_most(1), ours)


class Row(NamedTuple):
    """What is measured: with nbdime, or alone where nbdime would take minutes."""

    operation: str
    sides: Callable[[], Sides]
    figure: Callable[[str, str, Sides, int], Figure]

    def measure(self, name: str, repetitions: int) -> list[Figure]:
        """The line of the table."""
        return [self.figure(name, self.operation, self.sides(), repetitions)]


_EVEN, _ODD = range(0, 1000, 2), range(1, 1000, 2)
_FEW, _OTHER_FEW = range(3, 1000, 100), range(50, 1000, 100)
_TENTH, _OTHER_TENTH = range(0, 10_000, 10), range(5, 10_000, 10)
_ROWS = {
    "few": Row("1000 cells, each side edited 10", partial(edited_cells, 1000, _FEW, _OTHER_FEW), _beside),
    "half": Row("1000 cells, each side edited one half", partial(edited_cells, 1000, _EVEN, _ODD), _beside),
    "same": Row("1000 cells, both edited the same half", partial(edited_cells, 1000, _EVEN, _EVEN), _beside),
    "all": Row("1000 cells, both edited all", partial(edited_cells, 1000, range(1000), range(1000)), _beside),
    "10000": Row("10,000 cells, each edited 1000", partial(edited_cells, 10_000, _TENTH, _OTHER_TENTH), _alone),
    "long": Row("a cell of 20,000 different lines", partial(long_cell, 10**9), _alone),
    "equal": Row("a cell of 20,000 lines, of 3 sorts", partial(long_cell, 3), _alone),
}
ROWS: dict[str, Measure] = {name: partial(row.measure, name) for name, row in _ROWS.items()}


def _once(row: Row) -> object:
    return _ours(row.sides())()


PROFILES: dict[str, Callable[[], object]] = {name: partial(_once, row) for name, row in _ROWS.items()}


if __name__ == "__main__":
    sys.exit(main())
