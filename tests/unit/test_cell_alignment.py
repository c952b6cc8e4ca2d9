"""Which cells of two notebooks are the same one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbdime.patching import patch

from hermes_lab.engines.notebook_format import validate
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.services.cell_alignment import align
from hermes_lab.services.diffing import compare, diff_notebooks
from hermes_lab.services.merging import merge
from tests.written_notebooks import Json, code, markdown, notebook, written_notebooks

pytestmark = pytest.mark.requirement("DIFF-5")

STEPS = [f"step_{number} = load({number})\nshow(step_{number})" for number in range(8)]
PLOTS = [f"plot(frame['column {number}'])" for number in range(6)]


def numbered(sources: list[str]) -> Json:
    """Cells whose ids are their places, as agents and converters give them."""
    return notebook(*(code(f"cell-{place}", source) for place, source in enumerate(sources)))


def without_ids(*sources: str) -> Json:
    """As it is read from a file of format 4.2."""
    cells = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in sources]
    cells = [{**cell, "execution_count": None} for cell in cells]
    return validate({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 2})


def kinds(base: Json, remote: Json) -> list[tuple[str, int | None]]:
    compared = compare(base, remote)
    assert patch(base, compared.ops) == remote
    assert len({change.change_id for change in compared.changes}) == len(compared.changes)
    return [(change.kind, change.remote_index) for change in compared.changes]


@pytest.mark.parametrize("sources", [STEPS, PLOTS, STEPS[:1], ["x", "y", "x", "", "x"]])
@pytest.mark.parametrize("new", ["import os", "plot(frame['other'])"])
def test_a_cell_inserted_at_the_top_is_one_insertion_though_ids_count_places(sources: list[str], new: str) -> None:
    assert kinds(numbered(sources), numbered([new, *sources])) == [("insert", 0)]


def test_a_cell_deleted_at_the_top_is_one_deletion_though_ids_count_places() -> None:
    assert kinds(numbered(STEPS), numbered(STEPS[1:])) == [("delete", None)]


def test_an_edit_below_an_insertion_is_an_edit_of_that_cell_though_ids_count_places() -> None:
    edited = [*STEPS[:3], STEPS[3] + "\nmore", *STEPS[4:]]
    assert kinds(numbered(STEPS), numbered(["import os", *edited])) == [("insert", 0), ("modify", 4)]


def test_a_move_is_a_move_though_ids_count_places() -> None:
    assert kinds(numbered(STEPS), numbered([STEPS[3], *STEPS[:3], *STEPS[4:]])) == [("move", 0)]


def test_swapped_ids_are_no_change_and_are_counted() -> None:
    base = notebook(code("a", STEPS[0]), code("b", STEPS[1]))
    compared = compare(base, notebook(code("b", STEPS[0]), code("a", STEPS[1])))
    assert (compared.changes, compared.other_ids) == ([], 2)


def test_an_insertion_with_the_id_of_another_cell_has_a_change_id_of_its_own_and_is_merged() -> None:
    base, remote = numbered(STEPS), numbered(["import os", *STEPS])
    [change] = diff_notebooks(base, remote)
    assert change.change_id == change.cell_id not in {cell["id"] for cell in base["cells"]}
    merged = merge(base, base, remote, {change.change_id: ChangeDecision(decision="accept")})
    assert not merged.conflicts
    assert [cell["source"] for cell in merged.notebook["cells"]] == ["import os", *STEPS]


def test_a_copy_beside_its_edited_original_is_the_new_cell() -> None:
    base = notebook(code("a", "x = load()\ny = x + 1"))
    remote = notebook(code("a", "x = load()\ny = x + 2"), code("c", "x = load()\ny = x + 1"))
    assert kinds(base, remote) == [("modify", 0), ("insert", 1)]


def test_a_cell_that_was_rewritten_keeps_its_id() -> None:
    base = notebook(code("a", STEPS[0]), code("b", STEPS[1]), code("c", STEPS[2]))
    assert kinds(base, notebook(code("a", STEPS[0]), code("b", "nothing alike"), code("c", STEPS[2]))) == [
        ("modify", 1)
    ]


def test_of_equal_sources_without_ids_one_more_is_one_insertion() -> None:
    base, remote = without_ids("x", "import os", "x"), without_ids("x", "x", "import os", "x")
    assert [kind for kind, _ in kinds(base, remote)] == ["insert"]


def test_notebooks_without_ids_are_aligned_by_what_is_in_them() -> None:
    edited = [*STEPS[:2], STEPS[2].replace("load", "open"), *STEPS[4:], STEPS[3]]
    assert kinds(without_ids(*STEPS), without_ids("import os", *edited)) == [("insert", 0), ("modify", 3), ("move", 8)]


def test_of_cells_with_the_same_id_in_a_file_the_first_keeps_it() -> None:
    def file(*sources: str) -> Json:
        return validate(notebook(*(code("twice", source) for source in sources)))

    assert kinds(file(*STEPS), file("import os", *STEPS)) == [("insert", 0)]
    assert kinds(file(*STEPS), file(*STEPS[:4], STEPS[4] + "\nmore", *STEPS[5:])) == [("modify", 4)]


def test_ids_that_an_editor_renamed_do_not_hide_a_move() -> None:
    base = notebook(*(code(f"old-{number}", source) for number, source in enumerate(STEPS)))
    remote = notebook(*(code(f"new-{number}", source) for number, source in enumerate([*STEPS[1:], STEPS[0]])))
    assert kinds(base, remote) == [("move", 7)]
    assert compare(base, remote).other_ids == 7


@given(st.data())
def test_law_each_cell_is_paired_once_and_with_itself_where_nothing_changed(data: st.DataObject) -> None:
    base, remote = data.draw(written_notebooks()), data.draw(written_notebooks())
    alignment = align(base["cells"], remote["cells"])
    paired = [i for i in alignment.base_of if i is not None]
    assert len(set(paired)) == len(paired)
    assert all(alignment.remote_of[i] == j for j, i in enumerate(alignment.base_of) if i is not None)
    assert align(base["cells"], base["cells"]).base_of == tuple(range(len(base["cells"])))


@given(st.data())
def test_law_cells_in_another_order_are_moves_and_nothing_else(data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(8)))
    ids = data.draw(st.sampled_from(["kept", "renamed", "places"]))
    names = {"kept": order, "renamed": [f"n{number}" for number in order], "places": range(8)}[ids]
    base = notebook(*(code(f"{number}", source) for number, source in enumerate(STEPS)))
    remote = notebook(*(code(f"{name}", STEPS[number]) for name, number in zip(names, order, strict=True)))
    changes = diff_notebooks(base, remote)
    assert {change.kind for change in changes} <= {"move"}
    stay = [number for number in order if f"{number}" not in {change.cell_id for change in changes}]
    assert stay == sorted(stay)


def test_cells_of_another_type_with_the_ids_of_their_neighbours_are_an_insertion() -> None:
    base = numbered(["import os", "x = 1"])
    remote = notebook(markdown("cell-0", "# Title"), code("cell-1", "import os"), code("cell-2", "x = 1"))
    assert kinds(base, remote) == [("insert", 0)]
