"""Merging what a person accepted into the document as it is now."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_lab.engines import notebook_format
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.proposals import Conflict
from hermes_lab.services.cell_parts import without_results
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.line_merging import merge_texts
from hermes_lab.services.merging import Merged, merge
from tests.written_notebooks import (
    CORPUS,
    Json,
    code,
    corpus_notebook,
    edits_of,
    markdown,
    notebook,
    partners,
    written_notebooks,
)

pytestmark = pytest.mark.requirement("MERGE-9")

ACCEPT = ChangeDecision(decision="accept")
REJECT = ChangeDecision(decision="reject")
SOURCE = "one\ntwo\nthree\nfour\nfive"
A, B = code("a", "import os"), code("b", "x = [1, 2]\nprint(x)")
C, D = code("c", "plot(table.mean())"), code("d", "%timeit work(9)")


def accepting(base: Json | None, remote: Json, **fields: Any) -> dict[str, ChangeDecision]:
    decision = ChangeDecision(decision="accept", **fields)
    return {change.change_id: decision for change in diff_notebooks(base, remote, outputs=False)}


def merge_all(base: Json, local: Json, remote: Json, **fields: Any) -> Merged:
    return merge(base, local, remote, accepting(base, remote, **fields))


def merge_sources(base: str, local: str, remote: str, **fields: Any) -> Merged:
    sides = (notebook(code("a", source)) for source in (base, local, remote))
    return merge_all(*sides, **fields)


def the_source(merged: Merged) -> str:
    assert not merged.conflicts
    (cell,) = merged.notebook["cells"]
    return str(cell["source"])


def the_conflict(merged: Merged) -> Conflict:
    (conflict,) = merged.conflicts
    assert conflict.change_id not in merged.applied
    return conflict


def ids(merged: Merged) -> list[str]:
    assert not merged.conflicts
    return [cell["id"] for cell in merged.notebook["cells"]]


class TestInsideACell:
    def test_edits_of_lines_that_do_not_touch_are_both_kept(self) -> None:
        merged = merge_sources(SOURCE, SOURCE.replace("one", "ONE"), SOURCE.replace("four", "FOUR"))
        assert the_source(merged) == "ONE\ntwo\nthree\nFOUR\nfive"
        assert merged.applied == ["a"]

    def test_a_line_added_at_the_end_does_not_touch_an_edit_of_the_line_before_the_last(self) -> None:
        merged = merge_sources("one\ntwo", "ONE\ntwo", "one\ntwo\nthree")
        assert the_source(merged) == "ONE\ntwo\nthree"

    def test_the_same_edit_on_both_sides_is_no_conflict(self) -> None:
        merged = merge_sources(SOURCE, SOURCE.replace("two", "2"), SOURCE.replace("two", "2"))
        assert the_source(merged) == SOURCE.replace("two", "2")
        assert merged.applied == ["a"]

    def test_an_edit_that_local_has_already_does_not_stop_another_in_the_cell(self) -> None:
        local = SOURCE.replace("one", "ONE")
        assert the_source(merge_sources(SOURCE, local, local.replace("five", "FIVE"))) == "ONE\ntwo\nthree\nfour\nFIVE"

    def test_edits_of_the_same_line_are_a_conflict_that_holds_all_three_sides(self) -> None:
        conflict = the_conflict(merge_sources("x = 1", "x = 2", "x = 3"))
        assert (conflict.where, conflict.cell_id) == ("source", "a")
        assert (conflict.base, conflict.local, conflict.remote) == ("x = 1", "x = 2", "x = 3")

    @pytest.mark.parametrize("remote", ["one\nTWO\nthree\nfour\nfive", "one\nnew\ntwo\nthree\nfour\nfive"])
    def test_edits_of_touching_lines_are_a_conflict(self, remote: str) -> None:
        assert the_conflict(merge_sources(SOURCE, SOURCE.replace("one", "ONE"), remote)).where == "source"

    @pytest.mark.parametrize(
        ("resolution", "expected"),
        [
            ("local", "mine\ntwo\nthree\nfour\nFIVE"),
            ("remote", "theirs\ntwo\nthree\nfour\nFIVE"),
            ("both", "mine\ntheirs\ntwo\nthree\nfour\nFIVE"),
        ],
    )
    def test_a_resolution_settles_the_lines_that_overlap_and_no_others(self, resolution: str, expected: str) -> None:
        local = SOURCE.replace("one", "mine")
        remote = SOURCE.replace("one", "theirs").replace("five", "FIVE")
        merged = merge_sources(SOURCE, local, remote, resolution=resolution)
        assert the_source(merged) == expected
        assert not merged.conflicts

    def test_a_conflict_can_be_settled_by_writing_the_cell_anew(self) -> None:
        merged = merge_sources("x = 1", "x = 2", "x = 3", resolution="edited", text="x = 23")
        assert the_source(merged) == "x = 23"

    def test_an_edited_version_is_merged_instead_of_the_proposed_one(self) -> None:
        local, remote = SOURCE.replace("one", "ONE"), SOURCE.replace("five", "proposed")
        merged = merge_sources(SOURCE, local, remote, text=SOURCE.replace("five", "5"))
        assert the_source(merged) == "ONE\ntwo\nthree\nfour\n5"

    def test_only_the_accepted_hunks_are_merged(self) -> None:
        remote = SOURCE.replace("one", "ONE").replace("five", "FIVE")
        merged = merge_sources(SOURCE, SOURCE, remote, hunks={"h1": "reject"})
        assert the_source(merged) == SOURCE.replace("five", "FIVE")

    def test_a_single_hunk_can_be_accepted_of_a_change_that_is_otherwise_rejected(self) -> None:
        remote = notebook(code("a", SOURCE.replace("one", "ONE").replace("five", "FIVE"), tags=["new"]))
        decision = ChangeDecision(decision="reject", hunks={"h2": "accept"})
        base = notebook(code("a", SOURCE))
        merged = merge(base, base, remote, {"a": decision})
        assert the_source(merged) == SOURCE.replace("five", "FIVE")
        assert merged.notebook["cells"][0]["metadata"] == {}

    def test_a_change_is_pending_as_long_as_only_some_of_its_hunks_are_decided(self) -> None:
        base, remote = notebook(code("a", "x")), notebook(code("a", "y"))
        merged = merge(base, base, remote, {"a": ChangeDecision(decision="undecided", hunks={"h1": "accept"})})
        assert (merged.notebook, merged.applied) == (remote, [])

    def test_new_code_never_keeps_the_outputs_of_the_old_code(self) -> None:
        ran = code("a", "1 + 1", prints="2\n", count=7, execution={"started": "today"}, tags=["kept"])
        merged = merge_all(notebook(code("a", "1 + 1")), notebook(ran), notebook(code("a", "1 + 2")))
        assert merged.notebook["cells"] == [code("a", "1 + 2", tags=["kept"])]

    def test_outputs_stay_where_only_metadata_is_accepted(self) -> None:
        ran = code("a", "1 + 1", prints="2\n", count=7)
        merged = merge_all(notebook(code("a", "1 + 1")), notebook(ran), notebook(code("a", "1 + 1", tags=["x"])))
        assert merged.notebook["cells"] == [code("a", "1 + 1", prints="2\n", count=7, tags=["x"])]

    def test_metadata_is_merged_key_by_key(self) -> None:
        merged = merge_all(
            notebook(code("a", old=1)), notebook(code("a", old=1, mine=1)), notebook(code("a", theirs=1))
        )
        assert merged.notebook["cells"][0]["metadata"] == {"mine": 1, "theirs": 1}

    def test_a_metadata_key_that_both_changed_is_a_conflict(self) -> None:
        sides = [notebook(code("a", note=note)) for note in ("x", "y", "z")]
        assert the_conflict(merge_all(*sides)).where == "metadata"
        settled = merge_all(*sides, resolution="remote")
        assert settled.notebook["cells"][0]["metadata"] == {"note": "z"}

    def test_a_retyped_cell_has_exactly_the_fields_of_its_type(self) -> None:
        ran = code("a", "# Title", prints="2\n", count=1)
        assert merge_all(notebook(ran), notebook(ran), notebook(markdown("a", "# Title"))).notebook["cells"] == [
            markdown("a", "# Title")
        ]

    def test_a_cell_that_becomes_code_leaves_its_attachments(self) -> None:
        words = {**markdown("a", "x"), "attachments": {"a.png": {"image/png": "aGVsbG8="}}}
        merged = merge_all(notebook(words), notebook(words), notebook(code("a", "x")))
        assert merged.notebook == notebook(code("a", "x"))

    def test_three_different_types_are_a_conflict(self) -> None:
        raw = {**markdown("a"), "cell_type": "raw"}
        merged = merge_all(notebook(code("a")), notebook(markdown("a")), notebook(raw))
        assert the_conflict(merged).where == "cell_type"

    def test_attachments_follow_their_cell(self) -> None:
        image = {"a.png": {"image/png": "aGVsbG8="}}
        remote = notebook({**markdown("a", "![](attachment:a.png)"), "attachments": image})
        merged = merge_all(notebook(markdown("a")), notebook(markdown("a")), remote)
        assert merged.notebook == remote


class TestWholeCells:
    def test_deleting_a_cell_that_local_edited_is_a_conflict(self) -> None:
        edited = {**B, "source": "mine"}
        conflict = the_conflict(merge_all(notebook(A, B), notebook(A, edited), notebook(A)))
        assert (conflict.where, conflict.local, conflict.remote) == ("cell", "mine", None)

    @pytest.mark.parametrize(("resolution", "kept"), [("local", ["a", "b"]), ("remote", ["a"])])
    def test_a_resolution_deletes_or_keeps_the_edited_cell(self, resolution: str, kept: list[str]) -> None:
        edited = {**B, "source": "mine"}
        merged = merge_all(notebook(A, B), notebook(A, edited), notebook(A), resolution=resolution)
        assert ids(merged) == kept

    def test_a_deletion_never_takes_a_persons_copy_of_the_cell(self) -> None:
        copy = {**B, "id": "mine"}
        assert ids(merge_all(notebook(A, B), notebook(A, B, copy), notebook(A))) == ["a", "mine"]
        assert ids(merge_all(notebook(A, B), notebook(A, copy), notebook(A))) == ["a", "mine"]

    def test_where_all_ids_were_renamed_a_deletion_asks(self) -> None:
        renamed = notebook({**A, "id": "r1"}, {**B, "id": "r2"})
        assert the_conflict(merge_all(notebook(A, B), renamed, notebook(A))).where == "cell"

    def test_running_a_cell_is_no_edit_that_stops_its_deletion(self) -> None:
        ran = {**B, "execution_count": 3, "metadata": {"execution": {"started": "today"}}}
        assert ids(merge_all(notebook(A, B), notebook(A, ran), notebook(A))) == ["a"]

    def test_editing_a_cell_that_local_deleted_is_a_conflict(self) -> None:
        remote = notebook(A, {**B, "source": "theirs"}, C)
        conflict = the_conflict(merge_all(notebook(A, B, C), notebook(A, C), remote))
        assert (conflict.where, conflict.local, conflict.remote) == ("cell", None, "theirs")

    def test_a_deleted_cell_can_come_back_with_the_edit(self) -> None:
        edited = code("b", "theirs")
        remote = notebook(A, {**edited, "execution_count": 9}, C)
        merged = merge_all(notebook(A, B, C), notebook(A, C), remote, resolution="remote")
        assert merged.notebook == notebook(A, edited, C)

    def test_what_local_has_already_done_is_applied_silently(self) -> None:
        remote = notebook({**A, "source": "new"}, C, D)
        merged = merge_all(notebook(A, B, C), remote, remote)
        assert merged.notebook == remote
        assert sorted(merged.applied) == ["a", "b", "d"]

    def test_an_inserted_cell_follows_its_predecessor_though_local_has_moved_on(self) -> None:
        merged = merge_all(notebook(A, B), notebook(D, A, B), notebook(A, C, B))
        assert ids(merged) == ["d", "a", "c", "b"]

    def test_an_inserted_cell_whose_predecessor_is_gone_follows_the_one_before(self) -> None:
        assert ids(merge_all(notebook(A, B), notebook(A), notebook(A, B, C, D))) == ["a", "c", "d"]

    def test_an_inserted_cell_does_not_follow_a_cell_whose_move_is_not_accepted(self) -> None:
        base, remote = notebook(A, B, C, D), notebook(A, C, D, B, code("new", "y"))
        first = merge(base, base, remote, {"new": ACCEPT})
        assert ids(first) == ["a", "b", "c", "d", "new"]
        assert ids(merge(base, first.notebook, remote, {"b": ACCEPT})) == ["a", "c", "d", "b", "new"]

    def test_an_inserted_cell_follows_a_cell_whose_move_was_merged_before(self) -> None:
        base, remote = notebook(A, B, C, D), notebook(A, C, D, B, code("new", "y"))
        moved = merge(base, base, remote, {"b": ACCEPT}).notebook
        assert ids(merge(base, moved, remote, {"new": ACCEPT})) == ["a", "c", "d", "b", "new"]

    def test_an_inserted_cell_comes_without_the_outputs_that_somebody_claims_for_it(self) -> None:
        claimed = {**B, "outputs": [{"output_type": "stream", "name": "stdout", "text": "100 %"}]}
        assert merge_all(notebook(A), notebook(A), notebook(A, claimed)).notebook == notebook(A, B)

    def test_two_different_cells_with_one_id_are_a_conflict_and_both_can_stay(self) -> None:
        mine = code("x", "mine")
        base, local, remote = notebook(A), notebook(A, mine), notebook(A, code("x", "theirs"))
        assert the_conflict(merge_all(base, local, remote)).where == "cell"
        both = merge_all(base, local, remote, resolution="both").notebook["cells"]
        assert [cell["source"] for cell in both] == [A["source"], "mine", "theirs"]
        assert len({cell["id"] for cell in both}) == 3

    def test_a_cell_moves_to_where_the_proposal_has_it_among_locals_own_cells(self) -> None:
        mine = code("x", "mine")
        merged = merge_all(notebook(A, B, C), notebook(A, mine, B, C), notebook(B, C, A))
        assert ids(merged) == ["x", "b", "c", "a"]

    def test_a_move_of_a_cell_that_local_moved_elsewhere_is_a_conflict(self) -> None:
        base, local, remote = notebook(A, B, C, D), notebook(B, A, C, D), notebook(B, C, D, A)
        conflict = the_conflict(merge_all(base, local, remote))
        assert (conflict.where, conflict.base) == ("position", "at the top")
        assert ids(merge_all(base, local, remote, resolution="local")) == ["b", "a", "c", "d"]
        assert ids(merge_all(base, local, remote, resolution="remote")) == ["b", "c", "d", "a"]

    def test_accepting_a_hunk_alone_does_not_move_its_cell(self) -> None:
        base, remote = notebook(A, B, C), notebook(B, C, {**A, "source": "new"})
        merged = merge(base, base, remote, {"a": ChangeDecision(decision="reject", hunks={"h1": "accept"})})
        assert merged.notebook == notebook({**A, "source": "new"}, B, C)

    def test_a_move_that_local_has_made_already_is_applied_silently(self) -> None:
        remote = notebook(B, C, D, A)
        merged = merge_all(notebook(A, B, C, D), remote, remote)
        assert (merged.notebook, merged.conflicts, merged.applied) == (remote, [], ["a"])

    def test_an_edited_and_moved_cell_is_edited_and_moved(self) -> None:
        remote = notebook(B, C, {**A, "source": "new"})
        assert merge_all(notebook(A, B, C), notebook(A, B, C), remote).notebook == remote


class TestTheNotebook:
    def test_metadata_of_the_notebook_is_merged_key_by_key(self) -> None:
        merged = merge_all(notebook(author="me"), notebook(author="me", mine=1), notebook(author="you"))
        assert merged.notebook["metadata"] == {"author": "you", "mine": 1}

    def test_a_key_that_both_changed_is_a_conflict_of_the_notebook(self) -> None:
        conflict = the_conflict(merge_all(notebook(x=1), notebook(x=2), notebook(x=3)))
        assert (conflict.change_id, conflict.cell_id, conflict.where) == ("notebook", None, "metadata")

    def test_a_new_notebook_is_the_proposed_one(self) -> None:
        remote = notebook(A, markdown("m", "words"), kernelspec={"name": "python3"})
        assert merge(None, None, remote, accepting(None, remote)).notebook == remote

    def test_no_input_is_changed(self) -> None:
        base, local, remote = notebook(A, B), notebook(A, B, C), notebook({**B, "source": "x"}, A, D)
        texts = [notebook_format.serialise(each) for each in (base, local, remote)]
        merge_all(base, local, remote)
        assert [notebook_format.serialise(each) for each in (base, local, remote)] == texts


@pytest.mark.parametrize(
    ("decisions", "code_word", "field"),
    [
        ({"nobody": ACCEPT}, "unknown_change", "decisions.nobody"),
        (
            {"a": ChangeDecision(decision="accept", hunks={"h9": "reject"})},
            "unknown_hunk",
            "decisions.a.hunks.h9",
        ),
    ],
)
def test_decisions_about_what_is_not_there_are_refused(
    decisions: dict[str, ChangeDecision], code_word: str, field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        merge(notebook(A), notebook(A), notebook({**A, "source": "x"}), decisions)
    assert (caught.value.code, caught.value.details["field"]) == (code_word, field)


def written(cells: Iterable[Json]) -> list[Json]:
    """Cells without results, and without ids: a cell whose id was renamed keeps the one it had."""
    without = [{**without_results(cell), "id": None} for cell in cells]
    return [{key: value for key, value in cell.items() if (key, value) != ("attachments", {})} for cell in without]


def assert_valid(merged: Merged) -> None:
    assert notebook_format.validate(merged.notebook) == merged.notebook


@given(st.data())
def test_law_accepting_a_proposal_that_changes_nothing_leaves_local_as_it_is(data: st.DataObject) -> None:
    base = data.draw(written_notebooks())
    local = data.draw(edits_of(base, "mine"))
    assert merge_all(base, local, base).notebook == local


@given(st.data())
def test_law_accepting_all_on_the_base_gives_the_proposal_but_for_results(data: st.DataObject) -> None:
    base = data.draw(written_notebooks())
    remote = data.draw(edits_of(base, "new"))
    merged = merge_all(base, base, remote)
    assert not merged.conflicts
    assert written(merged.notebook["cells"]) == written(remote["cells"])
    ignored = {"execution"}
    assert {k: v for k, v in merged.notebook["metadata"].items() if k not in ignored} == {
        k: v for k, v in remote["metadata"].items() if k not in ignored
    }


@given(st.data())
def test_law_what_is_rejected_or_undecided_never_alters_local(data: st.DataObject) -> None:
    base = data.draw(written_notebooks())
    local, remote = data.draw(edits_of(base, "mine")), data.draw(edits_of(base, "new"))
    rejected = dict.fromkeys(accepting(base, remote), REJECT)
    assert merge(base, local, remote, rejected).notebook == local
    assert merge(base, local, remote, {}).notebook == local


@given(st.data())
def test_law_the_result_is_a_valid_notebook_with_unique_ids(data: st.DataObject) -> None:
    base = data.draw(written_notebooks())
    local, remote = data.draw(edits_of(base, "mine")), data.draw(edits_of(base, "new"))
    resolution = data.draw(st.sampled_from([None, "local", "remote", "both"]))
    merged = merge_all(base, local, remote, resolution=resolution)
    assert_valid(merged)
    assert resolution is None or not merged.conflicts


@given(st.data())
def test_law_accepting_one_by_one_in_any_order_gives_what_accepting_at_once_gives(data: st.DataObject) -> None:
    base = data.draw(written_notebooks())
    local, remote = data.draw(edits_of(base, "mine")), data.draw(edits_of(base, "new"))
    decisions = accepting(base, remote)
    at_once = merge(base, local, remote, decisions)
    # A conflicting change is not applied; the others must not depend on it.
    order = data.draw(st.permutations(at_once.applied))
    once = merge(base, local, remote, dict.fromkeys(order, ACCEPT))
    step_by_step = local
    for change_id in order:
        merged = merge(base, step_by_step, remote, {change_id: ACCEPT})
        assert not merged.conflicts
        step_by_step = merged.notebook
    assert step_by_step == once.notebook


@given(st.data())
def test_law_accepting_what_is_already_merged_changes_nothing(data: st.DataObject) -> None:
    base = data.draw(written_notebooks())
    local, remote = data.draw(edits_of(base, "mine")), data.draw(edits_of(base, "new"))
    applied = merge_all(base, local, remote).applied
    decisions = dict.fromkeys(applied, ACCEPT)
    once = merge(base, local, remote, decisions).notebook
    assert merge(base, once, remote, decisions).notebook == once


@given(st.data())
def test_law_texts_merge_the_same_whichever_side_is_called_local(data: st.DataObject) -> None:
    text = st.lists(st.sampled_from("abc"), max_size=6).map("\n".join)
    base, one, other = data.draw(text), data.draw(text), data.draw(text)
    first, second = merge_texts(base, one, other), merge_texts(base, other, one)
    assert first.overlaps == second.overlaps
    assert first.overlaps or first.text == second.text


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_laws_hold_between_shipped_notebooks(path: Path) -> None:
    base = corpus_notebook(path)
    for other in partners(path):
        remote = corpus_notebook(other)
        merged = merge_all(base, base, remote)
        assert written(merged.notebook["cells"]) == written(remote["cells"])
        assert merge(base, remote, base, {}).notebook == remote
        assert_valid(merged)
