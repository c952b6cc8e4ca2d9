"""Reading, normalising and writing notebook files."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hermes_lab.engines import notebook_format
from hermes_lab.model.errors import InvalidRequest
from tests.written_notebooks import CORPUS

pytestmark = pytest.mark.requirement("DIFF-4")


def a_notebook(*cells: dict[str, Any], minor: int = 5, **fields: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": minor, **fields}


def code(source: Any, **fields: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
        **fields,
    }


def refused(text: str) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        notebook_format.parse(text)
    assert caught.value.code == "invalid_notebook"
    return caught.value


def test_lists_of_lines_become_one_string() -> None:
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": ["a\n", "b"]}}
    stream = {"output_type": "stream", "name": "stdout", "text": ["1\n", "2\n"]}
    notebook = notebook_format.parse(
        json.dumps(a_notebook(code(["x = 1\n", "y = 2"], id="a", outputs=[output, stream])))
    )
    cell = notebook["cells"][0]
    assert cell["source"] == "x = 1\ny = 2"
    assert cell["outputs"][0]["data"]["text/plain"] == "a\nb"
    assert cell["outputs"][1]["text"] == "1\n2\n"


def test_a_list_inside_a_json_output_stays_a_list() -> None:
    output = {"output_type": "display_data", "metadata": {}, "data": {"application/json": ["a", "b"]}}
    notebook = notebook_format.validate(a_notebook(code("", id="a", outputs=[output])))
    assert notebook["cells"][0]["outputs"][0]["data"]["application/json"] == ["a", "b"]


def test_cells_without_ids_get_the_same_ids_at_every_reading() -> None:
    text = json.dumps(a_notebook(code("x"), code("x"), code("y"), minor=4))
    first, second = notebook_format.parse(text), notebook_format.parse(text)
    ids = [cell["id"] for cell in first["cells"]]
    assert ids == [cell["id"] for cell in second["cells"]]
    assert len(set(ids)) == 3
    assert (first["nbformat"], first["nbformat_minor"]) == (4, 5)


def test_a_cell_inserted_above_changes_no_made_id() -> None:
    before = notebook_format.validate(a_notebook(code("x"), code("y"), minor=4))["cells"]
    after = notebook_format.validate(a_notebook(code("new"), code("x"), code("y"), minor=4))["cells"]
    assert [cell["id"] for cell in after[1:]] == [cell["id"] for cell in before]


def test_before_format_4_5_an_id_that_is_none_is_no_error() -> None:
    (cell,) = notebook_format.validate(a_notebook(code("x", id="no id at all"), minor=4))["cells"]
    assert cell["id"] != "no id at all"


def test_the_first_owner_of_a_duplicate_id_keeps_it() -> None:
    notebook = notebook_format.validate(a_notebook(code("x", id="a"), code("y", id="a"), code("z", id="b")))
    ids = [cell["id"] for cell in notebook["cells"]]
    assert ids[0] == "a"
    assert ids[2] == "b"
    assert len(set(ids)) == 3


def test_a_made_id_never_takes_the_id_of_a_later_cell() -> None:
    made = notebook_format.validate(a_notebook(code("x")))["cells"][0]["id"]
    notebook = notebook_format.validate(a_notebook(code("x"), code("y", id=made)))
    assert notebook["cells"][1]["id"] == made
    assert notebook["cells"][0]["id"] != made


def test_what_is_given_is_not_touched() -> None:
    given = a_notebook(code(["x\n", "y"], metadata={"trusted": True}), minor=4)
    before = json.dumps(given)
    notebook = notebook_format.validate(given)
    assert json.dumps(given) == before
    assert notebook["cells"][0]["metadata"] == {}


@pytest.mark.parametrize("major", [1, 2, 3])
def test_old_formats_are_converted(major: int) -> None:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "language": "python", "outputs": [], "prompt_number": 3},
        {"cell_type": "markdown" if major == 3 else "text", "source": "words"},
    ]
    cells[0]["code" if major == 1 else "input"] = "x = 1"
    if major == 1:
        old: dict[str, Any] = {"nbformat": 1, "cells": cells}
        cells[1] = {"cell_type": "text", "text": "words"}
    else:
        cells[1]["cell_type"] = "markdown"
        worksheets = [{"cells": cells, "metadata": {}}]
        old = {
            "nbformat": major,
            "nbformat_minor": 0,
            "metadata": {"name": "old"},
            "worksheets": worksheets,
        }
    notebook = notebook_format.parse(json.dumps(old))
    assert notebook["cells"][0]["source"] == "x = 1"
    assert notebook["nbformat"] == 4
    assert notebook_format.parse(json.dumps(old)) == notebook


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "notebook"),
        ("[]", "notebook"),
        ("[" * 100_000, "notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "notebook.cells"),
        ('{"nbformat": 4, "nbformat_minor": 5, "cells": []}', "notebook.metadata"),
        ('{"nbformat_minor": 5, "metadata": {}, "cells": []}', "notebook.nbformat"),
        ('{"nbformat": 4, "metadata": {}, "cells": []}', "notebook.nbformat_minor"),
        ('{"nbformat": 5, "nbformat_minor": 0, "metadata": {}, "cells": []}', "notebook.nbformat"),
        ('{"nbformat": "4", "nbformat_minor": 0, "metadata": {}, "cells": []}', "notebook.nbformat"),
        ('{"nbformat": 3, "nbformat_minor": 0, "worksheets": 5}', "notebook"),
        (json.dumps(a_notebook({"cell_type": "code"})), "notebook.cells.0.metadata"),
        (json.dumps(a_notebook(code("", id="a"), {"cell_type": "magic"})), "notebook.cells.1"),
        (json.dumps(a_notebook(code(5, id="a"))), "notebook.cells.0.source"),
        (json.dumps(a_notebook(code("", id="not an id"))), "notebook.cells.0.id"),
        (json.dumps(a_notebook(code("", metadata={"x": float("nan")}))), "notebook.cells.0.metadata.x"),
        (
            json.dumps(a_notebook()).replace('"metadata": {}', '"metadata": {"x": 1e999}'),
            "notebook.metadata.x",
        ),
        (json.dumps(a_notebook(code("\ud800"))), "notebook.cells.0.source"),
    ],
)
def test_what_is_no_notebook_is_refused_with_the_place_at_fault(text: str, field: str) -> None:
    assert refused(text).details["field"] == field


def test_the_message_about_a_large_wrong_value_is_short() -> None:
    assert len(refused(json.dumps(a_notebook(code({"x": "y" * 10_000}, id="a")))).message) < 300


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_reading_and_writing_a_file_gives_what_jupyter_would_write(path: Path) -> None:
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    notebook = notebook_format.parse(path.read_text(encoding="utf-8"))
    text = notebook_format.serialise(notebook)
    assert text == nbformat.writes(nbformat.from_dict(notebook)) + "\n"
    assert notebook_format.parse(text) == notebook
    nbformat.validate(nbformat.from_dict(notebook))
