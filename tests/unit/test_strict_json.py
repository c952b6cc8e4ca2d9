"""Kernels of any language may send what JSON has no form for; neither a file nor an answer may hold it."""

from __future__ import annotations

import json

import pytest
from nbformat import from_dict

from hermes_lab.engines.strict_json import strict
from hermes_lab.runner.serialised import serialise
from tests.written_notebooks import code, notebook

pytestmark = pytest.mark.requirement("RUN-14")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_becomes_null(number: float) -> None:
    assert strict({"a": [1.5, number, (number,)]}) == {"a": [1.5, None, [None]]}


def test_a_lone_surrogate_is_spelled_out() -> None:
    assert strict({"\ud800": "é\udfff😀"}) == {"\\ud800": "é\\udfff😀"}


def test_an_output_notebook_is_json_whatever_the_kernel_sent() -> None:
    cell = code("a", prints="half \ud83d of a face")
    cell["outputs"].append(
        {"output_type": "display_data", "metadata": {}, "data": {"application/json": {"n": float("nan")}}}
    )
    written = json.loads(serialise(from_dict(notebook(cell))), parse_constant=pytest.fail)
    printed, shown = written["cells"][0]["outputs"]
    assert printed["text"] == ["half \\ud83d of a face"]
    assert shown["data"]["application/json"] == {"n": None}
