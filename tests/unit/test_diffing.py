"""What differs between two notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbdime.patching import patch

from hermes_lab.engines.text_hunks import line_hunks
from hermes_lab.model.diffs import Change
from hermes_lab.services.diffing import counts, diff_notebooks, diff_ops
from hermes_lab.services.line_merging import with_hunks
from tests.written_notebooks import (
    CORPUS,
    code,
    corpus_notebook,
    edits_of,
    markdown,
    notebook,
    partners,
    written_notebooks,
)

pytestmark = pytest.mark.requirement("DIFF-2", "DIFF-3")

A, B, C = code("a", "import os"), code("b", "x = 1\ny = 2\nprint(x)\n"), markdown("c", "# Title")


def the_only_change(base: dict[str, Any], remote: dict[str, Any], **switches: bool) -> Change:
    changes = diff_notebooks(base, remote, **switches)
    assert len(changes) == 1, [change.summary for change in changes]
    return changes[0]


def test_equal_notebooks_have_no_changes() -> None:
    assert diff_notebooks(notebook(A, B, C), notebook(A, B, C)) == []


def test_an_edited_cell_is_a_modify_with_hunks_that_keep_line_ends() -> None:
    change = the_only_change(notebook(A, B), notebook(A, {**B, "source": "x = 5\ny = 2\nprint(x)\nz\n"}))
    assert (change.kind, change.change_id, change.base_index, change.remote_index) == ("modify", "b", 1, 1)
    first, second = change.hunks
    assert (first.hunk_id, first.base_start, first.before, first.after) == ("h1", 0, "x = 1\n", "x = 5\n")
    assert (second.hunk_id, second.base_start, second.base_lines, second.after) == ("h2", 3, 0, "z\n")
    assert change.summary == "2 lines changed in 2 places"


@pytest.mark.parametrize(
    ("source", "words"),
    [("a\nb\nc\nd", "1 line added"), ("a\nb", "1 line removed"), ("a\nB\nC", "2 lines changed")],
)
def test_a_summary_says_how_many_lines_and_what_became_of_them(source: str, words: str) -> None:
    change = the_only_change(notebook(code("x", "a\nb\nc\n")), notebook(code("x", source + "\n")))
    assert change.summary == words


def test_an_inserted_cell_tells_what_it_follows() -> None:
    change = the_only_change(notebook(A, C), notebook(A, B, C))
    assert (change.kind, change.change_id, change.remote_index) == ("insert", "b", 1)
    assert (change.before, change.after) == (None, B)
    assert change.summary == "Code cell inserted after “import os”, 3 lines"


def test_a_deleted_cell_is_listed_where_it_stood() -> None:
    edited_c = {**C, "source": "# Other"}
    changes = diff_notebooks(notebook(A, B, C), notebook({**A, "source": "import sys"}, edited_c))
    assert [(change.kind, change.change_id) for change in changes] == [
        ("modify", "a"),
        ("delete", "b"),
        ("modify", "c"),
    ]


def test_a_deleted_cell_is_not_listed_after_a_cell_that_moved_away() -> None:
    changes = diff_notebooks(notebook(A, B, C, code("d", "%time")), notebook(C, code("d", "%time"), A))
    assert [(change.kind, change.change_id) for change in changes] == [("delete", "b"), ("move", "a")]


def test_a_moved_cell_is_a_move_and_leaves_the_others_unchanged() -> None:
    cells = [code(f"cell{number}", f"value_{number} = {number}") for number in range(8)]
    moved = [*cells[1:6], cells[0], *cells[6:]]
    change = the_only_change(notebook(*cells), notebook(*moved))
    assert (change.kind, change.change_id) == ("move", "cell0")
    assert change.move is not None
    assert (change.move.from_index, change.move.to_index) == (0, 5)
    assert change.summary == "Moved from position 1 to 6"


def test_a_cell_that_was_edited_and_moved_is_one_modify_with_its_move() -> None:
    remote = notebook(code("d"), code("e"), {**A, "source": "import sys"})
    change = the_only_change(notebook(A, code("d"), code("e")), remote)
    assert (change.kind, change.change_id) == ("modify", "a")
    assert change.move is not None


def test_a_cell_of_another_type_is_a_retype() -> None:
    change = the_only_change(notebook(C), notebook(code("c", "# Title")))
    assert (change.kind, change.cell_type, change.hunks) == ("retype", "code", [])
    assert change.summary == "Markdown cell became a code cell"


def test_metadata_of_a_cell_and_of_the_notebook_are_changes() -> None:
    base, remote = notebook(A, author="me"), notebook({**A, "metadata": {"tags": ["x"]}}, author="you")
    of_notebook, of_cell = diff_notebooks(base, remote)
    assert (of_notebook.change_id, of_notebook.cell_id, of_notebook.metadata_keys) == (
        "notebook",
        None,
        ["author"],
    )
    assert (of_cell.kind, of_cell.change_id, of_cell.metadata_keys) == ("metadata", "a", ["tags"])
    assert diff_notebooks(base, remote, metadata=False) == []


def test_true_and_one_are_different_metadata() -> None:
    assert the_only_change(notebook(code("a", x=1)), notebook(code("a", x=True))).kind == "metadata"


def test_outputs_and_what_a_run_leaves_in_metadata_are_one_kind_of_change() -> None:
    ran = code("a", "x", prints="1\n", count=3, execution={"shell.execute_reply": "today"})
    change = the_only_change(notebook(code("a", "x")), notebook(ran))
    assert (change.kind, change.metadata_keys) == ("outputs", [])
    assert diff_notebooks(notebook(code("a", "x")), notebook(ran), outputs=False) == []


def test_another_python_is_no_change_but_another_kernel_is() -> None:
    python = {"name": "python3"}
    base = notebook(kernelspec=python, language_info={"version": "3.11"})
    newer = notebook(kernelspec=python, language_info={"version": "3.13"})
    assert diff_notebooks(base, newer) == []
    other = notebook(kernelspec={"name": "ir"}, language_info={"name": "R"})
    assert the_only_change(base, other).metadata_keys == ["kernelspec", "language_info"]


def test_renamed_ids_alone_are_no_change() -> None:
    renamed = [{**cell, "id": f"new-{cell['id']}"} for cell in (A, B, C)]
    assert diff_notebooks(notebook(A, B, C), notebook(*renamed)) == []


def test_a_cell_with_a_new_id_and_a_small_edit_is_still_the_same_cell() -> None:
    edited = code("new", "x = 1\ny = 3\nprint(x)\n")
    change = the_only_change(notebook(A, B, C), notebook(A, edited, C))
    assert (change.kind, change.change_id) == ("modify", "b")


def test_a_one_line_cell_with_a_new_id_is_known_by_its_place() -> None:
    change = the_only_change(notebook(A, code("b", "x = 1"), C), notebook(A, code("new", "x = 2"), C))
    assert (change.kind, change.change_id) == ("modify", "b")


def test_a_longer_cell_with_a_new_id_is_known_anywhere_by_its_words() -> None:
    fit = "model = Forest(depth=4)\nmodel.fit(train, labels)\nmodel.score(test)"
    base = notebook(code("fit", fit), A, B, C)
    change = the_only_change(base, notebook(A, B, C, code("new", fit.replace("4", "5"))))
    assert (change.kind, change.change_id) == ("modify", "fit")
    assert change.move is not None


def test_cells_of_different_types_are_the_same_only_by_their_id() -> None:
    changes = diff_notebooks(notebook(A, code("b", "x = 1")), notebook(A, markdown("new", "x = 2")))
    assert [change.kind for change in changes] == ["delete", "insert"]


def test_a_different_cell_in_the_same_place_is_a_deletion_and_an_insertion() -> None:
    changes = diff_notebooks(notebook(A, B, C), notebook(A, code("new", "model.fit(train)"), C))
    assert [(change.kind, change.change_id) for change in changes] == [("delete", "b"), ("insert", "new")]


def test_of_equal_cells_with_new_ids_the_ones_in_place_are_paired() -> None:
    base = notebook(code("e1"), A, code("e2"), B)
    remote = notebook(A, code("n2"), B)
    change = the_only_change(base, remote)
    assert (change.kind, change.change_id) == ("delete", "e1")


def test_a_cell_named_as_the_notebooks_own_change_keeps_change_ids_unique() -> None:
    base, remote = notebook(code("notebook", "x")), notebook(code("notebook", "y"), name="n")
    assert [change.change_id for change in diff_notebooks(base, remote)] == ["notebook", "cell:notebook"]


def test_a_new_notebook_is_all_insertions() -> None:
    changes = diff_notebooks(None, notebook(A, B))
    assert [change.kind for change in changes] == ["insert", "insert"]
    assert counts(changes).insert == 2


def test_a_thousand_cells_that_all_differ_are_aligned_in_seconds() -> None:
    base = notebook(*(code(f"a{n}", f"first_{n} = load('{n}')\nshow(first_{n})") for n in range(1000)))
    remote = notebook(*(code(f"b{n}", f"second_{n} = [{n}]\n" * (n % 5)) for n in range(1000)))
    changes = diff_notebooks(base, remote)
    assert len({change.change_id for change in changes}) == len(changes) >= 1000


@given(st.data())
def test_hunks_applied_to_the_old_text_give_the_new_text(data: st.DataObject) -> None:
    text = st.text(alphabet="ab\n\r\x0c", max_size=30)
    before, after = data.draw(text), data.draw(text)
    found = line_hunks(before, after)
    assert with_hunks(before, found, {hunk.hunk_id for hunk in found}) == after
    assert with_hunks(before, found, ()) == before


@given(st.data())
def test_every_change_id_is_unique_and_belongs_to_its_cell(data: st.DataObject) -> None:
    base = data.draw(written_notebooks())
    remote = data.draw(edits_of(base, "new"))
    changes = diff_notebooks(base, remote)
    assert len({change.change_id for change in changes}) == len(changes)
    for change in changes:
        if change.cell_id is not None and change.before is not None:
            assert change.before["id"] == change.cell_id


def test_nbdime_patches_metadata_that_is_a_list_in_one_cell_and_an_object_in_another() -> None:
    base = notebook(code("a", note=["x"]), code("b", note={"x": 1}), code("c", note=[{"x": 1}]))
    remote = notebook(code("a", note=["y"]), code("b", note={"x": 2}), code("c", note=[{"x": 2}]))
    assert patch(base, diff_ops(base, remote)) == remote


def test_a_changed_image_is_replaced_whole() -> None:
    def drawn(image: str) -> dict[str, Any]:
        data = {"image/png": image, "text/plain": image}
        output = {"output_type": "display_data", "metadata": {}, "data": data}
        attached = {**markdown("m"), "attachments": {"a.png": {"image/png": image}}}
        return notebook({**code("a"), "outputs": [output]}, attached)

    text = str(diff_ops(drawn("aGVsbG8="), drawn("aGVsbG9v")))
    assert text.count("{'op': 'replace', 'key': 'image/png', 'value': 'aGVsbG9v'}") == 2


@given(st.data())
def test_nbdime_patches_any_notebook_into_the_other(data: st.DataObject) -> None:
    base = data.draw(written_notebooks())
    remote = data.draw(st.one_of(edits_of(base, "new"), written_notebooks()))
    assert patch(base, diff_ops(base, remote)) == remote


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_nbdime_patches_each_shipped_notebook_into_others(path: Path) -> None:
    base = corpus_notebook(path)
    for other in partners(path):
        remote = corpus_notebook(other)
        assert patch(base, diff_ops(base, remote)) == remote
