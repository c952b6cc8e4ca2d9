"""The laws of the merge, over generated notebooks and over those that nbdime and papermill ship."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hermes_lab.engines import notebook_format
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.services.cell_parts import without_results
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.line_merging import with_hunks
from hermes_lab.services.merging import Merged, merge
from tests.edited_notebooks import edited, edited_source, sources, ugly_notebooks
from tests.written_notebooks import Json, code, notebook

pytestmark = pytest.mark.requirement("MERGE-9")

ACCEPT = ChangeDecision(decision="accept")
REJECT = ChangeDecision(decision="reject")


def accepting(base: Json | None, remote: Json, **fields: Any) -> dict[str, ChangeDecision]:
    decision = ChangeDecision(decision="accept", **fields)
    return {change.change_id: decision for change in diff_notebooks(base, remote, outputs=False)}


def merge_all(base: Json, local: Json, remote: Json, **fields: Any) -> Merged:
    return merge(base, local, remote, accepting(base, remote, **fields))


def written(cells: Iterable[Json]) -> list[Json]:
    """Cells without results, and without ids: a cell whose id was renamed keeps the one it had."""
    without = [{**without_results(cell), "id": None} for cell in cells]
    return [{key: value for key, value in cell.items() if (key, value) != ("attachments", {})} for cell in without]


def written_metadata(one: Json) -> Json:
    return {key: value for key, value in one["metadata"].items() if key != "papermill"}


def assert_valid(one: Json) -> None:
    assert notebook_format.validate(one) == one


@st.composite
def threes(draw: st.DrawFn, ids_kept: bool = False) -> tuple[Json, Json, Json]:
    """Base, local and remote; ``ids_kept`` in local, as every editor of today does."""
    base = draw(ugly_notebooks())
    return base, draw(edited(base, "mine", ids_kept=ids_kept)), draw(edited(base, "new"))


@given(threes())
def test_law_accepting_a_proposal_that_changes_nothing_leaves_local_as_it_is(three: tuple[Json, Json, Json]) -> None:
    base, local, _ = three
    text = notebook_format.serialise(local)
    assert notebook_format.serialise(merge_all(base, local, base).notebook) == text


@given(threes())
def test_law_accepting_all_on_the_base_gives_the_proposal_but_for_results(three: tuple[Json, Json, Json]) -> None:
    base, _, remote = three
    merged = merge_all(base, base, remote)
    assert not merged.conflicts
    assert merged.applied == list(accepting(base, remote))
    assert written(merged.notebook["cells"]) == written(remote["cells"])
    assert written_metadata(merged.notebook) == written_metadata(remote)


@given(threes(), st.data())
def test_law_what_is_rejected_or_undecided_alters_no_character_of_local(
    three: tuple[Json, Json, Json], data: st.DataObject
) -> None:
    base, local, remote = three
    text = notebook_format.serialise(local)
    words = st.sampled_from([REJECT, ChangeDecision(decision="undecided"), None])
    decided = {name: data.draw(words) for name in accepting(base, remote)}
    decisions = {name: decision for name, decision in decided.items() if decision is not None}
    merged = merge(base, local, remote, decisions)
    assert notebook_format.serialise(merged.notebook) == text
    assert not merged.conflicts


@given(threes(), st.data())
def test_law_cells_that_no_accepted_change_names_stay_and_keep_their_order(
    three: tuple[Json, Json, Json], data: st.DataObject
) -> None:
    base, local, remote = three
    changes = [each for each in diff_notebooks(base, remote, outputs=False) if data.draw(st.booleans())]
    merged = merge(base, local, remote, {change.change_id: ACCEPT for change in changes})
    named = {side["id"] for each in changes for side in (each.before, each.after) if side and "id" in side}
    made = {cell["id"] for cell in merged.notebook["cells"]} - {cell["id"] for cell in local["cells"]}
    touched = {cell["id"] for cell, other in zip_by_id(local, merged.notebook) if cell is not other}
    moved = {change.cell_id for change in changes if change.move}
    assert len(touched | made) <= len(changes)
    assert made <= named
    order = [cell["id"] for cell in merged.notebook["cells"] if cell["id"] not in made]
    gone = {cell["id"] for cell in local["cells"]} - set(order)
    assert len(gone) <= sum(change.kind == "delete" for change in changes)
    if not moved:
        assert order == [cell["id"] for cell in local["cells"] if cell["id"] not in gone]


def zip_by_id(one: Json, other: Json) -> list[tuple[Json, Json]]:
    there = {cell["id"]: cell for cell in other["cells"]}
    return [(cell, there[cell["id"]]) for cell in one["cells"] if cell["id"] in there]


@given(threes(), st.sampled_from([None, "local", "remote", "both"]), st.data())
def test_law_the_result_is_a_valid_notebook_with_unique_ids(
    three: tuple[Json, Json, Json], resolution: Any, data: st.DataObject
) -> None:
    base, local, remote = three
    decision = ChangeDecision(decision="accept", resolution=resolution)
    decisions = {name: decision for name in accepting(base, remote) if data.draw(st.booleans())}
    merged = merge(base, local, remote, decisions)
    assert_valid(merged.notebook)
    assert resolution is None or not merged.conflicts


@given(threes(ids_kept=True), st.data())
def test_law_accepting_one_by_one_in_any_order_gives_what_accepting_at_once_gives(
    three: tuple[Json, Json, Json], data: st.DataObject
) -> None:
    base, local, remote = three
    applied = merge_all(base, local, remote).applied
    # A conflicting change is not applied; the others must not depend on it.
    order = data.draw(st.permutations(applied))
    at_once = merge(base, local, remote, dict.fromkeys(order, ACCEPT))
    assert not at_once.conflicts
    step_by_step = local
    for change_id in order:
        merged = merge(base, step_by_step, remote, {change_id: ACCEPT})
        assert not merged.conflicts
        step_by_step = merged.notebook
    assert step_by_step == at_once.notebook


@given(threes(ids_kept=True))
def test_law_accepting_what_is_already_merged_changes_nothing(three: tuple[Json, Json, Json]) -> None:
    base, local, remote = three
    decisions = dict.fromkeys(merge_all(base, local, remote).applied, ACCEPT)
    once = merge(base, local, remote, decisions).notebook
    assert merge(base, once, remote, decisions).notebook == once


@given(sources, st.data())
def test_law_hunks_accepted_one_by_one_in_any_order_give_the_proposed_source(source: str, data: st.DataObject) -> None:
    base, remote = notebook(code("a", source)), notebook(code("a", data.draw(edited_source(source))))
    changes = diff_notebooks(base, remote, outputs=False)
    assume(changes)
    order = data.draw(st.permutations([hunk.hunk_id for hunk in changes[0].hunks]))
    now = base
    for hunk_id in order:
        merged = merge(base, now, remote, {"a": ChangeDecision(decision="undecided", hunks={hunk_id: "accept"})})
        assert not merged.conflicts
        now = merged.notebook
    assert now == merge(base, base, remote, {"a": ACCEPT}).notebook == remote


@given(sources, st.data())
def test_law_of_hunks_only_the_accepted_ones_are_taken(source: str, data: st.DataObject) -> None:
    base, remote = notebook(code("a", source)), notebook(code("a", data.draw(edited_source(source))))
    changes = diff_notebooks(base, remote, outputs=False)
    assume(changes)
    hunks = changes[0].hunks
    taken = {hunk.hunk_id for hunk in hunks if data.draw(st.booleans())}
    words = {hunk.hunk_id: "accept" if hunk.hunk_id in taken else "reject" for hunk in hunks}
    merged = merge(base, base, remote, {"a": ChangeDecision(decision="reject", hunks=words)})
    assert merged.notebook["cells"][0]["source"] == with_hunks(source, hunks, taken)


@given(sources, st.data())
def test_law_hunks_in_any_order_keep_what_was_written_in_other_lines(source: str, data: st.DataObject) -> None:
    base, remote = notebook(code("a", source)), notebook(code("a", data.draw(edited_source(source))))
    local = notebook(code("a", f"# mine\n{source}\n# mine, too"))
    changes = diff_notebooks(base, remote, outputs=False)
    assume(changes)
    at_once = merge(base, local, remote, {"a": ACCEPT})
    assume(not at_once.conflicts)
    now = local
    for hunk_id in data.draw(st.permutations([hunk.hunk_id for hunk in changes[0].hunks])):
        merged = merge(base, now, remote, {"a": ChangeDecision(decision="undecided", hunks={hunk_id: "accept"})})
        assert not merged.conflicts
        now = merged.notebook
        (cell,) = now["cells"]
        assert cell["source"].startswith("# mine\n")
        assert cell["source"].endswith("\n# mine, too")
    assert now == at_once.notebook
