"""The inverse of a merge: the notebook that undoes it against what is there now."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_lab.engines import notebook_format
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.proposals import Conflict
from hermes_lab.services.cell_parts import without_results
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.inverses import Inverse, inverse
from hermes_lab.services.merging import merge
from tests.written_notebooks import Json, code, edits_of, notebook, written_notebooks

pytestmark = pytest.mark.requirement("MERGE-10")

A, B, C, D = code("a", "import os"), code("b", "x = 1\ny = 2\nz = 3"), code("c", "plot(x)"), code("d", "%time work()")
ACCEPT = ChangeDecision(decision="accept")


def accepting(base: Json | None, remote: Json) -> dict[str, ChangeDecision]:
    return {change.change_id: ACCEPT for change in diff_notebooks(base, remote, outputs=False)}


def undone(before: Json | None, after: Json, now: Json) -> Json:
    found = inverse(before, after, now)
    assert not found.newer
    return found.notebook


def the_newer(found: Inverse) -> Conflict:
    (conflict,) = found.newer
    return conflict


def as_written(notebook_: Json) -> list[Json]:
    cells = [without_results(cell) for cell in notebook_["cells"]]
    return [{key: value for key, value in cell.items() if (key, value) != ("attachments", {})} for cell in cells]


def test_edits_insertions_deletions_and_moves_are_taken_back() -> None:
    before, after = notebook(A, B, C), notebook(C, A, {**B, "source": "x = 9"}, D)
    assert undone(before, after, after) == before
    assert undone(notebook(A, B, C), notebook(A, C), notebook(A, C)) == notebook(A, B, C)


def test_what_was_written_since_in_other_cells_and_other_lines_is_kept() -> None:
    after = notebook(A, {**B, "source": "x = 9\ny = 2\nz = 3"}, D)
    now = notebook({**A, "source": "import sys"}, {**B, "source": "x = 9\ny = 2\nz = 33"}, D, code("mine", "mine"))
    expected = notebook({**A, "source": "import sys"}, {**B, "source": "x = 1\ny = 2\nz = 33"}, code("mine", "mine"))
    assert undone(notebook(A, B), after, now) == expected


def test_lines_of_the_merge_that_were_changed_since_are_proposed_as_before_and_named() -> None:
    after = notebook(A, {**B, "source": "x = 9\ny = 2\nz = 9"})
    found = inverse(notebook(A, B), after, notebook(A, {**B, "source": "x = 10\ny = 2\nz = 9"}))
    assert found.notebook == notebook(A, B)
    newer = the_newer(found)
    assert (newer.cell_id, newer.where, newer.local) == ("b", "source", "x = 10\ny = 2\nz = 9")


def test_a_cell_of_the_merge_that_was_edited_since_is_proposed_for_deletion_and_named() -> None:
    found = inverse(notebook(A), notebook(A, D), notebook(A, {**D, "source": "work harder"}))
    assert found.notebook == notebook(A)
    assert (the_newer(found).local, the_newer(found).remote) == ("work harder", None)


def test_a_cell_that_is_gone_by_now_stays_gone() -> None:
    assert undone(notebook(A, B), notebook(A, {**B, "source": "x = 9"}), notebook(A)) == notebook(A)


def test_results_are_not_brought_back_and_stay_where_the_source_does() -> None:
    ran = [code("a", "import os", count=1), code("b", "x", prints="1\n", count=2)]
    after = [ran[0], code("b", "y")]
    assert undone(notebook(*ran), notebook(*after), notebook(*after)) == notebook(ran[0], code("b", "x"))


def test_of_a_document_that_the_merge_made_the_cells_are_taken_back() -> None:
    made = notebook(A, B, kernelspec={"name": "python3", "display_name": "Python 3"})
    now = {**made, "cells": [A, code("mine", "mine"), B]}
    assert undone(None, made, now) == {**made, "cells": [code("mine", "mine")]}


def merged(data: st.DataObject) -> tuple[Json, Json]:
    base = data.draw(written_notebooks())
    before, remote = data.draw(edits_of(base, "mine")), data.draw(edits_of(base, "new"))
    decisions = {name: ACCEPT for name in accepting(base, remote) if data.draw(st.booleans())}
    return before, merge(base, before, remote, decisions).notebook


@given(st.data())
def test_law_the_inverse_against_the_merged_document_is_the_document_before(data: st.DataObject) -> None:
    before, after = merged(data)
    assert as_written(undone(before, after, after)) == as_written(before)


@given(st.data())
def test_law_the_inverse_is_a_valid_notebook_that_touches_no_cell_which_the_merge_did_not(data: st.DataObject) -> None:
    before, after = merged(data)
    now = data.draw(edits_of(after, "late"))
    found = inverse(before, after, now)
    assert notebook_format.validate(found.notebook) == found.notebook
    touched: set[Any] = {change.cell_id for change in diff_notebooks(after, before, outputs=False)}
    was = {cell["id"]: cell for cell in now["cells"] if cell["id"] not in touched}
    assert {cell["id"]: cell for cell in found.notebook["cells"] if cell["id"] not in touched} == was
    proposed = diff_notebooks(now, found.notebook, outputs=False)
    assert {change.cell_id for change in proposed if change.kind != "move"} <= touched
