"""The hash of what a notebook would execute: the same whatever ran, another as soon as anything written differs."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from hypothesis import given

from hermes_lab.services.code_hashes import code_hash
from tests.written_notebooks import Json, code, markdown, notebook, written_notebooks

pytestmark = pytest.mark.requirement("EVID-9")

WRITTEN = notebook(
    code("one", "x = 1", tags=["parameters"]), markdown("two", "text"), kernelspec={"name": "python3"}, note=1
)


def _executed(written: Json) -> Json:
    ran = copy.deepcopy(written)
    for number, cell in enumerate(ran["cells"]):
        cell["metadata"] |= {"papermill": {"status": "completed"}, "hermes": {"status": "completed"}, "execution": {}}
        if cell["cell_type"] == "code":
            cell |= {"execution_count": number, "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]}
    ran["metadata"] |= {"papermill": {}, "hermes": {"run_id": "1"}, "widgets": {}, "language_info": {"version": "3"}}
    return ran


@given(written_notebooks())
def test_what_an_execution_leaves_is_no_part_of_it(written: Json) -> None:
    assert code_hash(_executed(written)) == code_hash(written)


def test_how_json_is_written_is_no_part_of_it() -> None:
    other = {**WRITTEN, "metadata": {"note": 1.0, "kernelspec": {"name": "python3"}}}
    assert code_hash(other) == code_hash(WRITTEN)


@pytest.mark.parametrize(
    "change",
    [
        lambda written: written["cells"][0].update(source="x = 1\n"),
        lambda written: written["cells"][0].update(id="another"),
        lambda written: written["cells"][0]["metadata"].update(tags=[]),
        lambda written: written["cells"][1].update(cell_type="raw"),
        lambda written: written["cells"][1].update(attachments={"a.png": {"image/png": ""}}),
        lambda written: written["cells"].reverse(),
        lambda written: written["cells"].pop(),
        lambda written: written["metadata"].update(note=True),
        lambda written: written["metadata"]["kernelspec"].update(name="other"),
    ],
    ids=["source", "id", "metadata", "type", "attachment", "order", "cells", "true is not 1", "kernel"],
)
def test_whatever_is_written_is_part_of_it(change: Callable[[Json], None]) -> None:
    other = copy.deepcopy(WRITTEN)
    change(other)
    assert code_hash(other) != code_hash(WRITTEN)
