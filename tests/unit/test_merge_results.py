"""Outputs, execution counts and run records follow the source that made them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.merging import merge
from tests.edited_notebooks import edited, ugly_notebooks
from tests.written_notebooks import Json, code, markdown, notebook

pytestmark = pytest.mark.requirement("MERGE-16")

RECORDS = ("execution", "ExecuteTime", "papermill", "hermes")


def merged(base: Json, local: Json, remote: Json, executed: Json | None = None, **fields: Any) -> Json:
    decision = ChangeDecision(decision="accept", **fields)
    changes = diff_notebooks(base, remote, outputs=False)
    return merge(base, local, remote, {change.change_id: decision for change in changes}, executed).notebook


def ran(cell_id: str, source: str, prints: str, **metadata: Any) -> Json:
    return code(cell_id, source, prints=prints, count=7, execution={"started": prints}, **metadata)


BASE = notebook(ran("a", "x = 1", "old"), markdown("m", "words"), ran("b", "print(x)", "old"))
REMOTE = notebook(code("a", "x = 2"), markdown("m", "words"), code("b", "print(x)"), code("n", "new"))
EXECUTED = notebook(
    code("p", "x = 0", tags=["injected-parameters"]),
    ran("a", "x = 2", "evidence"),
    markdown("m", "words"),
    ran("b", "print(x)", "evidence"),
    ran("n", "new", "evidence", papermill={"duration": 1.0}),
)


def test_without_an_execution_new_code_has_no_results_and_other_code_keeps_its_own() -> None:
    assert merged(BASE, BASE, REMOTE) == notebook(code("a", "x = 2"), *BASE["cells"][1:], code("n", "new"))


def test_new_code_has_the_results_of_its_execution() -> None:
    a, _, n = EXECUTED["cells"][1], EXECUTED["cells"][2], EXECUTED["cells"][4]
    assert merged(BASE, BASE, REMOTE, EXECUTED) == notebook(a, *BASE["cells"][1:], n)


def test_code_below_other_code_than_was_executed_has_no_results() -> None:
    local = notebook(BASE["cells"][0], code("mine", "x = 9"), BASE["cells"][2])
    a = EXECUTED["cells"][1]
    base = notebook(BASE["cells"][0], BASE["cells"][2])
    remote = notebook(REMOTE["cells"][0], *REMOTE["cells"][2:])
    assert merged(base, local, remote, EXECUTED) == notebook(
        a, code("mine", "x = 9"), BASE["cells"][2], code("n", "new")
    )


def test_a_source_that_is_not_exactly_what_was_executed_has_no_results() -> None:
    base, local, remote = (notebook(code("a", source)) for source in ("1\n\n3", "1\n\nmine", "new\n\n3"))
    executed = notebook(ran("a", "new\n\n3", "evidence"))
    assert merged(base, local, remote, executed) == notebook(code("a", "new\n\nmine"))


def test_code_that_the_person_ran_already_keeps_what_they_saw() -> None:
    local = notebook(ran("a", "x = 2", "mine"), *BASE["cells"][1:])
    assert merged(BASE, local, REMOTE, EXECUTED)["cells"][0] == ran("a", "x = 2", "mine")


@given(st.data())
def test_law_results_are_those_of_local_or_of_the_execution_and_always_of_the_same_source(data: st.DataObject) -> None:
    base = data.draw(ugly_notebooks())
    local, remote = (data.draw(edited(base, by, ids_kept=True)) for by in ("mine", "new"))
    bare = merged(base, local, remote)
    executed = {**bare, "cells": [with_results(cell, number) for number, cell in enumerate(bare["cells"])]}
    cells = {cell["id"]: cell for cell in local["cells"]}
    for cell, before, after in zip(
        merged(base, local, remote, executed)["cells"], bare["cells"], executed["cells"], strict=True
    ):
        if cell["cell_type"] != "code":
            continue
        mine = cells.get(cell["id"])
        kept = mine is not None and (mine["cell_type"], mine["source"]) == ("code", cell["source"])
        assert results_of(cell) == results_of(mine if kept and mine else after)
        assert kept or results_of(before) == ([], None, {})


def with_results(cell: Json, number: int) -> Json:
    return ran(cell["id"], cell["source"], f"evidence {number}") if cell["cell_type"] == "code" else cell


def results_of(cell: Json) -> tuple[Any, ...]:
    records = {key: cell["metadata"][key] for key in RECORDS if key in cell["metadata"]}
    return cell["outputs"], cell["execution_count"], records
