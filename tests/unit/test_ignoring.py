"""What a diff leaves out, by nbdime's names and with nbdime's meaning."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbdime.diffing.notebooks import (
    diff_notebooks,
    notebook_differs,
    reset_notebook_differ,
    set_notebook_diff_ignores,
    set_notebook_diff_targets,
)
from nbdime.patching import patch
from nbformat import from_dict

from hermes_lab.services.diffing import compare
from hermes_lab.services.ignoring import SWITCHES, Ignored
from tests.written_notebooks import Json, edits_of, notebook, written_notebooks

pytestmark = pytest.mark.requirement("DIFF-6")

Ignore = dict[str, bool | list[str]]


def shown(count: int, text: str, mark: str) -> Json:
    data = {"text/plain": text, "text/html": f"<p>{text}</p>"}
    metadata = {"mark": mark, "kept": "x"}
    return {"output_type": "execute_result", "execution_count": count, "data": data, "metadata": metadata}


def cells(source: str, count: int, text: str, mark: str) -> list[Json]:
    printed = {"output_type": "stream", "name": "stdout", "text": "same\n"}
    metadata = {"tags": [mark], "jupyter": {"source_hidden": mark == "a", "outputs_hidden": mark == "a"}}
    attachments = {"a.png": {"image/png": "aGVsbG8=" if mark == "a" else "d29ybGQ="}}
    return [
        {
            "id": "one",
            "cell_type": "code",
            "source": source,
            "metadata": metadata,
            "outputs": [printed, shown(count, text, mark)],
            "execution_count": count,
        },
        {"id": "two", "cell_type": "markdown", "source": "text", "metadata": {}, "attachments": attachments},
    ]


BASE = notebook(*cells("x = 1\nprint(x)", 1, "the first result of all", "a"), author="a", title={"en": "a", "de": "a"})
REMOTE = notebook(
    *cells("x = 2\nprint(x)", 2, "the first result of some", "b"), author="b", title={"en": "b", "de": "b"}
)


@pytest.fixture(autouse=True)
def _nbdime_as_it_was() -> Iterator[None]:
    """nbdime keeps what it ignores for the whole process, and its way back forgets how it compares outputs."""
    kept = dict(notebook_differs)
    yield
    reset_notebook_differ()
    notebook_differs.update(kept)


def ours(base: Json, remote: Json, switched_off: tuple[str, ...] = (), ignore: Ignore | None = None) -> Json:
    """The notebook that our operations make."""
    made: Json = patch(copy.deepcopy(base), compare(base, remote, Ignored.of(switched_off, ignore or {})).ops)
    return made


def theirs(base: Json, remote: Json) -> Json:
    made: Json = patch(from_dict(base), diff_notebooks(from_dict(base), from_dict(remote)))
    return made


@pytest.mark.parametrize("switch", ["sources", "outputs", "attachments", "metadata", "details"])
def test_each_switch_leaves_out_what_nbdimes_does(switch: str) -> None:
    assert ours(BASE, REMOTE) == REMOTE
    switches = {name: name != switch for name in SWITCHES}
    set_notebook_diff_targets(**{{"id": "identifier"}.get(name, name): on for name, on in switches.items()})
    if switch == "metadata":
        # nbdime's switch names these too, but nbdime forgets its rules on the way down.
        set_notebook_diff_ignores({"/cells/*/outputs/*": ["metadata"]})
    made = ours(BASE, REMOTE, (switch,))
    assert made == theirs(BASE, REMOTE)
    assert made not in (BASE, REMOTE)


@pytest.mark.parametrize(
    "ignore",
    [
        {"/metadata": True},
        {"/metadata": ["author"]},
        {"/metadata/title": True},
        {"/metadata/title": ["de"]},
        {"/cells": True},
        {"/cells/*": ["source", "outputs"]},
        {"/cells/*": ["execution_count"]},
        {"/cells/*/source": True},
        {"/cells/*/outputs": True},
        {"/cells/*/metadata": ["tags"]},
        {"/cells/*/metadata/jupyter": ["outputs_hidden"]},
        {"/cells/*/attachments": True},
        {"/cells/*/outputs/*": ["execution_count"]},
        {"/cells/*/outputs/*": ["metadata", "execution_count"]},
        {"/cells/*/metadata": True, "/metadata": ["title"]},
    ],
    ids=str,
)
def test_each_path_leaves_out_what_nbdimes_does(ignore: Ignore) -> None:
    set_notebook_diff_ignores(ignore)
    made = ours(BASE, REMOTE, (), ignore)
    assert made == theirs(BASE, REMOTE)
    assert made != REMOTE


def test_what_a_switch_leaves_out_can_be_compared_again_at_a_path() -> None:
    made = ours(BASE, REMOTE, ("metadata",), {"/metadata": False})
    assert made["metadata"] == REMOTE["metadata"]
    assert made["cells"][0]["metadata"] == BASE["cells"][0]["metadata"]


def test_ignored_ids_are_in_no_operation_and_not_counted() -> None:
    renamed = {**BASE, "cells": [{**cell, "id": f"new-{cell['id']}"} for cell in BASE["cells"]]}
    assert compare(BASE, renamed).other_ids == 2
    ignoring = compare(BASE, renamed, Ignored.of(["id"], {}))
    assert (ignoring.ops, ignoring.changes, ignoring.other_ids) == ([], [], 0)


def test_what_is_ignored_is_in_no_summary_and_shown_where_the_cell_is() -> None:
    [*_, of_code, of_text] = compare(BASE, REMOTE, Ignored.of(["outputs", "details"], {})).changes
    assert of_code.summary == "1 line changed; metadata changed: jupyter, tags"
    assert of_code.after == REMOTE["cells"][0]
    assert of_text.summary == "Attachments changed"


def test_a_cell_of_another_type_keeps_what_belongs_to_its_type_whatever_is_ignored() -> None:
    remote = {**BASE, "cells": [{**BASE["cells"][1], "id": "one"}, BASE["cells"][1]]}
    made = ours(BASE, remote, ("outputs", "details", "attachments"))
    assert made["cells"][0]["cell_type"] == "markdown"
    assert {"outputs", "execution_count"}.isdisjoint(made["cells"][0])


def test_inserted_and_deleted_cells_are_whole_whatever_is_ignored() -> None:
    new = {**BASE["cells"][0], "id": "new", "source": "something else\nentirely"}
    remote = {**BASE, "cells": [BASE["cells"][1], new]}
    assert ours(BASE, remote, tuple(SWITCHES)) == remote


@given(st.data())
def test_law_changes_and_operations_leave_out_the_same(data: st.DataObject) -> None:
    base = data.draw(written_notebooks())
    remote = data.draw(edits_of(base, "new"))
    # Without sources and ids the cells of what is made are paired in other ways.
    switched_off = data.draw(st.lists(st.sampled_from(sorted({*SWITCHES} - {"sources", "id"})), unique=True))
    ignored = Ignored.of(switched_off, {})
    made = ours(base, remote, tuple(switched_off))
    again = compare(base, made)
    found = compare(base, remote, ignored)
    assert [(change.change_id, change.summary) for change in again.changes] == [
        (change.change_id, change.summary) for change in found.changes
    ]
    assert not compare(made, remote, ignored).ops
