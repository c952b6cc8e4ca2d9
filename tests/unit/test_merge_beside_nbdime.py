"""Where nbdime's merge succeeds without a conflict, ours gives the same cells.

nbdime runs here, in the same process, on the same notebooks. Where ours differs on purpose it is said below, case by
case, by what may differ and why (docs/review.md, "How a merge decides"); anything else that differs fails.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from nbdime.merging.notebooks import merge_notebooks
from nbformat import from_dict

from hermes_lab.engines import notebook_format
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.services.cell_alignment import align
from hermes_lab.services.cell_parts import without_results
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.merging import Merged, merge
from tests.edited_notebooks import edited, ugly_notebooks
from tests.written_notebooks import CORPUS, Json, corpus_notebook

pytestmark = pytest.mark.requirement("MERGE-11")

ACCEPT = ChangeDecision(decision="accept")
MOST_CELLS = 40
"""nbdime's time grows with the square of the cells."""


class NbdimeGaveUp(Exception):
    """It reports a conflict, crashes, or gives what is no notebook, such as an id twice: nothing to compare with."""


def merged_by_nbdime(base: Json, local: Json, remote: Json) -> list[Json]:
    logging.getLogger("nbdime").setLevel(logging.CRITICAL)
    try:
        merged, decisions = merge_notebooks(from_dict(base), from_dict(local), from_dict(remote))
        notebook_format.validate(merged)
    except (AssertionError, KeyError, RuntimeError, ValueError, InvalidRequest) as error:
        raise NbdimeGaveUp from error
    ids = {cell["id"] for cell in merged["cells"]}
    if any(decision.conflict for decision in decisions) or len(ids) < len(merged["cells"]):
        raise NbdimeGaveUp
    return list(merged["cells"])


def merged_by_us(base: Json, local: Json, remote: Json) -> Merged:
    return merge(base, local, remote, {each.change_id: ACCEPT for each in diff_notebooks(base, remote, outputs=False)})


def comparable(cells: Iterable[Json], known_as: dict[str, str]) -> list[Json]:
    """Cells without what is compared nowhere.

    - Outputs, execution counts and run records: nbdime merges what two sides printed; ours follow the source.
    - An empty object of attachments, which is none.
    - The id of a cell that remote has under another one: nbdime takes the new one; ours keeps the one by which the
      document, its evidence and its other proposals know the cell.
    - Carriage returns: nbdime has `git merge-file` merge sources that both sides edited, and loses them on the way.
    """
    without = [
        {**without_results(cell), "id": known_as.get(cell["id"], cell["id"]), "source": with_line_feeds(cell["source"])}
        for cell in cells
    ]
    return [{key: value for key, value in cell.items() if (key, value) != ("attachments", {})} for cell in without]


def with_line_feeds(source: str) -> str:
    return source.replace("\r\n", "\n").replace("\r", "\n")


def other_ids(base: Json, remote: Json) -> dict[str, str]:
    """The ids that remote gives to cells of base, and those that they have there."""
    pairs = enumerate(align(base["cells"], remote["cells"]).base_of)
    return {remote["cells"][j]["id"]: base["cells"][i]["id"] for j, i in pairs if i is not None}


def moved(base: Json, side: Json) -> set[str]:
    """The cells that one side moved.

    nbdime knows no moves: such a cell is removed at one place and added at another, so that edits of the other side
    do not follow it, a deletion leaves it, and it is there twice when both sides move it.
    """
    alignment = align(base["cells"], side["cells"])
    return {base["cells"][i]["id"] for j, i in enumerate(alignment.base_of) if i is not None and j in alignment.moved}


def retyped_and_deleted(base: Json, local: Json, remote: Json) -> set[str]:
    """The cells that one side made another type and the other deleted.

    nbdime takes the retyped cell for another one and keeps it; ours asks, as for any cell that was edited here and
    deleted there.
    """
    types = [{cell["id"]: cell["cell_type"] for cell in side["cells"]} for side in (base, local, remote)]
    was, ours, theirs = types
    return {
        name
        for name, cell_type in was.items()
        if (name not in ours and theirs.get(name, cell_type) != cell_type)
        or (name not in theirs and ours.get(name, cell_type) != cell_type)
    }


def compare(base: Json, local: Json, remote: Json) -> None:
    theirs = merged_by_nbdime(base, local, remote)
    ours = merged_by_us(base, local, remote)
    known_as = other_ids(base, remote)
    moving = moved(base, local) | moved(base, remote)
    if any(
        each.where == "cell" and each.cell_id in retyped_and_deleted(base, local, remote) for each in ours.conflicts
    ):
        return
    assert [each for each in ours.conflicts if each.cell_id not in moving] == []
    expected, got = comparable(theirs, known_as), comparable(ours.notebook["cells"], known_as)
    if not moving:
        assert got == expected
        return
    # A cell that one side inserted beside a cell that the other moved follows it in ours; all else keeps its order.
    stood = {cell["id"] for cell in base["cells"]} - moving
    assert [cell for cell in got if cell["id"] in stood] == [cell for cell in expected if cell["id"] in stood]
    # And a copy of a moved cell that stands where that one stood is that one for nbdime.
    sources = {cell["source"] for side in (base, local, remote) for cell in side["cells"] if cell["id"] in moving}
    copies = {cell["id"] for side in (local, remote) for cell in side["cells"] if cell["source"] in sources} - stood
    assert by_id(got, moving | copies) == by_id(expected, moving | copies)


def by_id(cells: Iterable[Json], without: set[str]) -> list[Json]:
    return sorted((cell for cell in cells if cell["id"] not in without), key=lambda cell: str(cell["id"]))


@given(st.data())
def test_law_generated_notebooks(data: st.DataObject) -> None:
    base = data.draw(ugly_notebooks())
    local, remote = (data.draw(edited(base, by, ids_kept=True)) for by in ("mine", "new"))
    try:
        compare(base, local, remote)
    except NbdimeGaveUp:
        assume(False)


SMALL = [path for path in CORPUS if len(corpus_notebook(path)["cells"]) <= MOST_CELLS]


@given(st.sampled_from(SMALL), st.data())
def test_law_edits_of_shipped_notebooks(path: Path, data: st.DataObject) -> None:
    base = corpus_notebook(path)
    # Most of the files have no ids. As soon as one is written by Jupyter it has.
    base = {**base, "cells": [{**cell, "id": f"id-{number}"} for number, cell in enumerate(base["cells"])]}
    local, remote = (data.draw(edited(base, by, ids_kept=True)) for by in ("mine", "new"))
    try:
        compare(base, local, remote)
    except NbdimeGaveUp:
        assume(False)


def family(path: Path) -> str:
    return path.stem.split("--")[0].split("-test-")[0]


FAMILIES = {name: list(paths) for name, paths in itertools.groupby(CORPUS, key=family)}


def test_shipped_notebooks_that_belong_together() -> None:
    compared = set()
    for name, paths in FAMILIES.items():
        for three in itertools.permutations(map(corpus_notebook, paths), 3):
            base, local, remote = three
            if moved(base, local) or moved(base, remote):
                # These files have no ids: which of several equal cells moved is a guess, nbdime's and ours another.
                continue
            try:
                compare(*three)
            except NbdimeGaveUp:
                continue
            compared.add(name)
    # Of the other families, which are there to show conflicts, not one merge succeeds in nbdime.
    assert compared >= {"apap", "multi_cell_nb", "multilevel", "single_cell_nb"}
