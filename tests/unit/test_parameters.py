"""What a notebook declares in its cell tagged `parameters`, and who keeps to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode

from hermes_lab.engines.papermill import check_known, inspect_parameters, parameterize
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.runner.preparation import prepared
from hermes_lab.runner.protocol import ExecuteNotebook
from tests.written_notebooks import CORPUS, Json, code, corpus_notebook, notebook

pytestmark = pytest.mark.requirement("PARAM-1", "PARAM-2", "PARAM-3")

SOURCE = '''%matplotlib inline
n: int = 5  # how many
path = "a=b"
a = b = 3
ratio: "float" = 0.5
c, d = 1, (2, 3)
rows = [
    1,  # one
    2,
]
text = """
not_one = 3
"""
nothing = None  # type: str the thing
made = f(x=1)
if n:
    late = True
'''


def with_parameters(source: str, tag: str = "parameters") -> Json:
    return notebook(code("first", "import os"), code("p", source, tags=[tag]), code("last", "1"))


def fresh(given: Json) -> NotebookNode:
    """The notebook as a run begins with it."""
    return prepared(ExecuteNotebook(run_id="r", notebook=given, output_path="/out.ipynb", working_folder="/"))


def inspected(source: str, language: str = "python") -> dict[str, tuple[Any, ...]]:
    found = inspect_parameters(with_parameters(source), "some-kernel", language).parameters
    return {each.name: (each.type_name, each.default, each.default_value, each.help) for each in found}


def test_parameters_have_types_defaults_values_and_help() -> None:
    assert inspected(SOURCE) == {
        "n": ("int", "5", 5, "how many"),
        "path": ("str", "'a=b'", "a=b", ""),
        "a": ("int", "3", 3, ""),
        "b": ("int", "3", 3, ""),
        "ratio": ("float", "0.5", 0.5, ""),
        "c": ("int", "1", 1, ""),
        "d": ("tuple", "(2, 3)", None, ""),
        "rows": ("list", "[1,2,]", [1, 2], ""),
        "text": ("str", r"'\nnot_one = 3\n'", "\nnot_one = 3\n", ""),
        "nothing": ("str", "None", None, "the thing"),
        "made": (None, "f(x=1)", None, ""),
        "late": ("bool", "True", True, ""),
    }


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_of_shipped_notebooks_all_is_told_that_papermill_tells(path: Path) -> None:
    from papermill.inspection import _infer_parameters  # noqa: PLC0415 - what `inspect_notebook` asks

    given = corpus_notebook(path)
    kernel = given["metadata"].get("kernelspec", {}).get("name") or "python3"
    theirs = _infer_parameters(fresh(given), kernel, "python")
    ours = {each.name: each for each in inspect_parameters(given, kernel, "python").parameters}
    for each in theirs:
        assert (ours[each.name].default, ours[each.name].help) == (each.default, each.help)
        assert each.inferred_type_name in {"None", ours[each.name].type_name}


def test_what_nobody_can_tell_is_not_known() -> None:
    of_r = inspect_parameters(with_parameters("n <- 1"), "ir", "R")
    assert (of_r.known, of_r.cell_id, of_r.parameters) == (False, "p", [])
    nowhere = inspect_parameters(notebook(code("a", "n = 1")), "python3")
    assert (nowhere.known, nowhere.cell_id, nowhere.parameters) == (True, None, [])


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"pth": 1}, "unknown_parameter", "no parameter 'pth'; it has: path, a, b"),
        ({"n": 1, "not_one": 1}, "unknown_parameter", "not_one"),
        ({"n": "1"}, "parameter_type", "declared as int"),
        ({"n": 1.5}, "parameter_type", "declared as int"),
        ({"n": True}, "parameter_type", "declared as int"),
        ({"ratio": [1]}, "parameter_type", "declared as float"),
    ],
)
def test_what_the_notebook_does_not_declare_is_refused(given: Json, code: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as refused:
        check_known(with_parameters(SOURCE), given, "python3")
    assert (refused.value.code, refused.value.details["field"]) == (code, f"parameters.{list(given)[-1]}")


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (with_parameters(SOURCE), {"n": 7, "ratio": 1, "path": 5, "late": "x", "nothing": "x", "d": None}),
        (with_parameters("this is no python"), {"x": 1}),
        (with_parameters("n <- 1"), {}),
        (with_parameters("n = 1", tag="injected-parameters"), {"n": 2}),
        (notebook(code("a", "n = 1")), {"PAPERMILL_INPUT_PATH": "in.ipynb"}),
    ],
)
def test_what_fits_or_cannot_be_judged_is_let_through(asked: Json, given: Json) -> None:
    check_known(asked, given, "python3")


def test_only_a_tagged_cell_declares_in_any_language() -> None:
    check_known(with_parameters("n <- 1"), {"x": 1}, "ir", "R")
    with pytest.raises(InvalidRequest, match="tagged `parameters`"):
        check_known(notebook(code("a", "n <- 1")), {"n": 1}, "ir", "R")


VALUES: Json = {
    "whole": 3,
    "large": 2**40,
    "half": 0.5,
    "yes": True,
    "none": None,
    "text": 'it\'s "quoted" \\ with\na line, é and $',
    "_hidden": 1,
}
NESTED: Json = {**VALUES, "rows": [1, [None, "a"], {"b": False}], "named": {"a": {"b": [1.5, None]}}}
UNTRANSLATABLE = {"bash": ("rows", "named"), ".net-csharp": ("none", "rows", "named")}
"""What papermill has no translation for, and check_parameters refuses."""
LANGUAGES = [
    ("python3", "python", "python"),
    ("ir", "R", "R"),
    ("julia-1.10", "julia", "julia"),
    ("scala", "scala", "scala"),
    ("matlab", "matlab", "matlab"),
    (".net-csharp", "C#", "C#"),
    (".net-fsharp", "F#", "F#"),
    (".net-powershell", "PowerShell", "PowerShell"),
    ("pysparkkernel", "python", "python"),
    ("sparkkernel", "scala", "scala"),
    ("sparkrkernel", "R", "R"),
    ("bash", "bash", "bash"),
]


@pytest.mark.parametrize(("kernel", "language", "papermills"), LANGUAGES, ids=[each[0] for each in LANGUAGES])
def test_every_language_gets_the_cell_that_papermill_writes(kernel: str, language: str, papermills: str) -> None:
    from papermill.parameterize import parameterize_notebook  # noqa: PLC0415 - papermill is slow to import

    given = {name: NESTED[name] for name in NESTED if name not in UNTRANSLATABLE.get(kernel, ())}
    asked = notebook(code("first", "1"), code("p", "", tags=["parameters"]), code("old", "", tags=["other"]))
    ours = parameterize(fresh(asked), given, kernel, language)
    theirs = parameterize_notebook(fresh(asked), given, kernel_name=kernel, language=papermills)
    assert [cell.source for cell in ours.cells] == [cell.source for cell in theirs.cells]
    assert [cell.metadata for cell in ours.cells] == [cell.metadata for cell in theirs.cells]
    assert ours.metadata == theirs.metadata


def test_a_cell_that_was_injected_before_is_replaced_where_it_is() -> None:
    asked = notebook(
        code("p", "n = 1", tags=["parameters"]), code("mid", "1"), code("i", "n = 2", tags=["injected-parameters"])
    )
    cells = parameterize(fresh(asked), {"n": 3}, "python3").cells
    assert [(cell.id, cell.source) for cell in cells] == [("p", "n = 1"), ("mid", "1"), ("i", "# Parameters\nn = 3\n")]
