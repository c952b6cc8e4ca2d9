"""Conflicts are data, and each way of settling one does what it says: all places, all resolutions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.merging import Merged, merge
from tests.written_notebooks import Json, code, markdown, notebook

pytestmark = pytest.mark.requirement("MERGE-15")

A, B, C, D = code("a", "import os"), code("b", "x = [1, 2]"), code("c", "plot(table)"), code("d", "%timeit work(9)")
RAW = {**markdown("a", "x"), "cell_type": "raw"}
TEXT = "what I wrote"


def merged(base: Json, local: Json, remote: Json, **fields: Any) -> Merged:
    decision = ChangeDecision(decision="accept", **fields)
    changes = diff_notebooks(base, remote, outputs=False)
    return merge(base, local, remote, {change.change_id: decision for change in changes})


def sources(one: Merged) -> list[str]:
    return [cell["source"] for cell in one.notebook["cells"]]


@dataclass(frozen=True)
class Case:
    """Three sides that conflict at one place, and what the merge is by each resolution."""

    name: str
    where: str
    sides: tuple[str | None, str | None, str | None]
    base: list[Json]
    local: list[Json]
    remote: list[Json]
    by: dict[str, list[Json]] = field(default_factory=dict)


def edited(source: str, cell: Json = A) -> Json:
    return {**cell, "source": source}


def noted(**note: Any) -> Json:
    return code("a", "x", **note)


CASES = [
    Case(
        "both edited a line",
        "source",
        ("1\n2\n3", "1\nmine\n3", "1\ntheirs\n3"),
        [edited("1\n2\n3")],
        [edited("1\nmine\n3")],
        [edited("1\ntheirs\n3")],
        {
            "local": [edited("1\nmine\n3")],
            "remote": [edited("1\ntheirs\n3")],
            "both": [edited("1\nmine\ntheirs\n3")],
            "edited": [edited(TEXT)],
        },
    ),
    Case(
        "both inserted lines at one place",
        "source",
        ("1\n2", "1\nmine\n2", "1\ntheirs\n2"),
        [edited("1\n2")],
        [edited("1\nmine\n2")],
        [edited("1\ntheirs\n2")],
        {
            "local": [edited("1\nmine\n2")],
            "remote": [edited("1\ntheirs\n2")],
            "both": [edited("1\nmine\ntheirs\n2")],
            "edited": [edited(TEXT)],
        },
    ),
    Case(
        "local edited what is to be deleted",
        "cell",
        ("x = [1, 2]", "mine", None),
        [A, B],
        [A, edited("mine", B)],
        [A],
        {
            "local": [A, edited("mine", B)],
            "remote": [A],
            "both": [A, edited("mine", B)],
            "edited": [A, edited(TEXT, B)],
        },
    ),
    Case(
        "local deleted what is to be edited",
        "cell",
        ("x = [1, 2]", None, "theirs"),
        [A, B, C],
        [A, C],
        [A, edited("theirs", B), C],
        {
            "local": [A, C],
            "remote": [A, edited("theirs", B), C],
            "both": [A, edited("theirs", B), C],
            "edited": [A, edited(TEXT, B), C],
        },
    ),
    Case(
        "both made a cell with one id",
        "cell",
        (None, "mine", "theirs"),
        [A],
        [A, code("n", "mine")],
        [A, code("n", "theirs")],
        {
            "local": [A, code("n", "mine")],
            "remote": [A, code("n", "theirs")],
            "both": [A, code("n", "mine"), code("made", "theirs")],
            "edited": [A, code("n", TEXT)],
        },
    ),
    Case(
        "both retyped a cell",
        "cell_type",
        ("code", "markdown", "raw"),
        [code("a", "x")],
        [markdown("a", "x")],
        [RAW],
        {
            "local": [markdown("a", "x")],
            "remote": [RAW],
            "both": [markdown("a", "x")],
            "edited": [{**RAW, "source": TEXT}],
        },
    ),
    Case(
        "both changed a key of metadata",
        "metadata",
        ('{\n "note": 1\n}', '{\n "note": 2\n}', '{\n "note": 3\n}'),
        [noted(note=1)],
        [noted(note=2)],
        [noted(note=3)],
        {
            "local": [noted(note=2)],
            "remote": [noted(note=3)],
            "both": [noted(note=2)],
            "edited": [{**noted(note=3), "source": TEXT}],
        },
    ),
    Case(
        "a key of metadata was removed here and changed there",
        "metadata",
        ('{\n "note": 1\n}', "{}", '{\n "note": 3\n}'),
        [noted(note=1)],
        [noted()],
        [noted(note=3)],
        {
            "local": [noted()],
            "remote": [noted(note=3)],
            "both": [noted()],
            "edited": [{**noted(note=3), "source": TEXT}],
        },
    ),
    Case(
        "both moved a cell to different places",
        "position",
        ("at the top", "after “x = [1, 2]”", "after “%timeit work(9)”"),
        [A, B, C, D],
        [B, A, C, D],
        [B, C, D, A],
        {
            "local": [B, A, C, D],
            "remote": [B, C, D, A],
            "both": [B, C, D, A],
            "edited": [B, C, D, edited(TEXT)],
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
class TestEachConflict:
    def test_is_told_with_its_three_sides_and_changes_nothing(self, case: Case) -> None:
        found = merged(notebook(*case.base), notebook(*case.local), notebook(*case.remote))
        (conflict,) = found.conflicts
        assert (conflict.where, (conflict.base, conflict.local, conflict.remote)) == (case.where, case.sides)
        assert conflict.change_id == conflict.cell_id
        assert found.applied == []
        assert found.notebook == notebook(*case.local)

    @pytest.mark.parametrize("resolution", ["local", "remote", "both", "edited"])
    def test_is_settled_by_each_resolution(self, case: Case, resolution: str) -> None:
        text = {"text": TEXT} if resolution == "edited" else {}
        sides = notebook(*case.base), notebook(*case.local), notebook(*case.remote)
        found = merged(*sides, resolution=resolution, **text)
        assert (found.conflicts, len(found.applied)) == ([], 1)
        expected = case.by[resolution]
        assert [{**cell, "id": None} for cell in found.notebook["cells"]] == [{**cell, "id": None} for cell in expected]
        ids = [cell["id"] for cell in found.notebook["cells"]]
        assert len(set(ids)) == len(ids)
        assert ids[: len(case.local)] == [cell["id"] for cell in expected[: len(case.local)]]


class TestNoConflictIs:
    def test_two_cells_that_both_sides_insert_at_one_place_the_proposed_one_first(self) -> None:
        found = merged(notebook(A, B), notebook(A, C, B), notebook(A, D, B))
        assert found.notebook == notebook(A, D, C, B)
        assert not found.conflicts

    def test_a_cell_that_both_sides_inserted(self) -> None:
        found = merged(notebook(A, B), notebook(A, C, B), notebook(A, C, B))
        assert (found.notebook, found.applied) == (notebook(A, C, B), ["c"])

    def test_a_cell_that_both_sides_deleted(self) -> None:
        found = merged(notebook(A, B), notebook(A), notebook(A))
        assert (found.notebook, found.applied) == (notebook(A), ["b"])

    def test_a_cell_that_one_side_moved_and_the_other_edited(self) -> None:
        assert merged(notebook(A, B, C), notebook(B, C, A), notebook(edited("new"), B, C)).notebook == notebook(
            B, C, edited("new")
        )
        assert merged(notebook(A, B, C), notebook(edited("new"), B, C), notebook(B, C, A)).notebook == notebook(
            B, C, edited("new")
        )

    def test_a_cell_that_one_side_retyped_and_the_other_edited(self) -> None:
        assert merged(notebook(code("a", "x")), notebook(code("a", "y")), notebook(markdown("a", "x"))).notebook == (
            notebook(markdown("a", "y"))
        )
        assert merged(notebook(code("a", "x")), notebook(markdown("a", "x")), notebook(code("a", "y"))).notebook == (
            notebook(markdown("a", "y"))
        )

    def test_a_cell_that_local_moved_and_the_proposal_deletes(self) -> None:
        assert merged(notebook(A, B, C), notebook(B, C, A), notebook(B, C)).notebook == notebook(B, C)

    def test_different_keys_inside_one_object_of_metadata(self) -> None:
        sides = ({}, {"source_hidden": True}, {"outputs_hidden": True})
        found = merged(*(notebook(code("a", jupyter=each)) for each in sides))
        assert found.notebook == notebook(code("a", jupyter={"source_hidden": True, "outputs_hidden": True}))

    def test_different_tags(self) -> None:
        sides = (["a", "b"], ["a", "b", "mine"], ["b", "theirs"])
        found = merged(*(notebook(code("a", tags=tags)) for tags in sides))
        assert found.notebook == notebook(code("a", tags=["b", "mine", "theirs"]))

    @pytest.mark.parametrize("key", ["collapsed", "scrolled", "autoscroll"])
    def test_what_nbdime_takes_for_noise(self, key: str) -> None:
        sides = [notebook(code("a", **{key: value})) for value in (None, False, True)]
        found = merged(*sides)
        assert (found.notebook, found.conflicts) == (sides[1], [])
        assert merged(sides[1], sides[0], notebook(code("a"))).notebook == notebook(code("a"))
        # Neither does it stop a deletion.
        assert merged(
            notebook(code("a", "x"), B), notebook(code("a", "x", **{key: True}), B), notebook(B)
        ).notebook == (notebook(B))

    def test_true_is_not_one(self) -> None:
        sides = [notebook(code("a", note=[value])) for value in (1, True, 1)]
        assert merged(*sides).notebook == sides[1]
        assert merged(sides[0], sides[0], sides[1]).notebook["cells"][0]["metadata"]["note"][0] is True


class TestWhatIsBeside:
    def test_an_insertion_beside_a_rejected_one_follows_the_next_cell_above_that_is_there(self) -> None:
        base, remote = notebook(A, B), notebook(A, C, D, B)
        accept = ChangeDecision(decision="accept")
        assert merge(base, base, remote, {"d": accept}).notebook == notebook(A, D, B)
        assert merge(base, notebook(A, D, B), remote, {"c": accept}).notebook == notebook(A, C, D, B)

    def test_an_insertion_between_cells_that_local_deleted_keeps_its_place_among_the_others(self) -> None:
        found = merged(notebook(A, B, C), notebook(A), notebook(A, B, D, C))
        assert found.notebook == notebook(A, D)

    def test_an_insertion_after_a_rejected_deletion_follows_the_cell_that_stays(self) -> None:
        base, remote = notebook(A, B, C), notebook(A, D, C)
        accept = ChangeDecision(decision="accept")
        inserted = [each.change_id for each in diff_notebooks(base, remote, outputs=False) if each.kind == "insert"]
        found = merge(base, base, remote, dict.fromkeys(inserted, accept))
        assert [cell["id"] for cell in found.notebook["cells"]] == ["a", "d", "b", "c"]


class TestWhatIsNoNotebook:
    """A merge refuses it by the name of its place, whichever side it is; `test_bad_input.py` knocks at the doors."""

    @pytest.mark.parametrize("side", ["base", "local", "remote"])
    @pytest.mark.parametrize(
        ("place", "wrong"),
        [
            ("cells", {"metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
            ("nbformat", {**notebook(A), "nbformat": 5}),
            ("metadata", {**notebook(A), "metadata": []}),
            ("cells.1", notebook(A, None)),  # type: ignore[arg-type]
            ("cells.1.id", notebook(A, A)),
            ("cells.0.id", notebook({**A, "id": 1})),
            ("cells.0.source", notebook({**A, "source": ["x"]})),
            ("cells.0.source", notebook({**A, "source": "\ud800"})),
            ("cells.0.source", notebook({key: A[key] for key in A if key != "source"})),
            ("cells.0.metadata", notebook({**A, "metadata": None})),
            ("cells.0.cell_type", notebook({**A, "cell_type": "heading"})),
            ("cells.0.outputs", notebook({key: A[key] for key in A if key != "outputs"})),
            ("cells.0.execution_count", notebook({key: A[key] for key in A if key != "execution_count"})),
        ],
    )
    def test_is_refused_by_name(self, side: str, place: str, wrong: Json) -> None:
        sides = {"base": notebook(A), "local": notebook(A), "remote": notebook(A), side: wrong}
        with pytest.raises(InvalidRequest) as caught:
            merge(sides["base"], sides["local"], sides["remote"], {})
        assert (caught.value.code, caught.value.details["field"]) == ("invalid_notebook", f"{side}.{place}")
