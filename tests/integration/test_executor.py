"""Executing notebooks from Python, without a server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hermes_lab import NotebookExecutor
from hermes_lab.engines.papermill import check_parameters
from hermes_lab.model.errors import Conflict, HermesError, InvalidRequest, NotFound
from tests.written_notebooks import Json, code, notebook

pytestmark = pytest.mark.requirement("RUN-12")

PYTHON = {"name": "python3", "display_name": "Python 3"}


def write(folder: Path, *cells: Json, name: str = "in.ipynb", kernelspec: Json = PYTHON) -> Path:
    path = folder / name
    path.write_text(json.dumps(notebook(*cells, kernelspec=kernelspec)))
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def test_the_answer_has_exactly_the_fields_of_a_result(tmp_path: Path) -> None:
    source = write(tmp_path, code("p", "n = 1", tags=["parameters"]), code("show", "print(n)"))
    before = source.read_bytes()
    result = await NotebookExecutor().execute(source, tmp_path / "out" / "out.ipynb", {"n": 5})
    assert result.pop("duration_seconds") > 0
    assert result == {"status": "success", "cells_executed": 2, "failed_cell": None, "scraps": {}}
    assert "5" in (tmp_path / "out" / "out.ipynb").read_text()
    assert source.read_bytes() == before


async def test_a_failed_cell_is_an_answer(tmp_path: Path) -> None:
    result = await NotebookExecutor().execute(write(tmp_path, code("a", "1 / 0")), tmp_path / "out.ipynb")
    assert result["status"] == "error"
    failed = result["failed_cell"]
    assert (failed["index"], failed["source"], failed["ename"]) == (0, "1 / 0", "ZeroDivisionError")


async def test_a_timeout_is_an_answer(tmp_path: Path) -> None:
    source = write(tmp_path, code("a", "import time; time.sleep(1000)"))
    result = await NotebookExecutor().execute(source, tmp_path / "out.ipynb", timeout=8)  # the kernel's start counts
    assert result["failed_cell"]["ename"] == "CellTimeout"


async def test_the_notebook_works_in_its_own_folder(tmp_path: Path) -> None:
    await NotebookExecutor().execute(write(tmp_path, code("a", "open('here', 'w')")), tmp_path / "out.ipynb")
    assert (tmp_path / "here").exists()


@pytest.mark.requirement("RUN-7")
@pytest.mark.parametrize("name", ["hermes-output-2026", "hermes-output-of-a-run-x1"])
async def test_the_folder_of_the_output_is_left_alone_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "data.csv").write_text("precious")
    await NotebookExecutor().execute(write(tmp_path, code("a", "1")), tmp_path / name / "out.ipynb")
    assert set(files(tmp_path / name)) == {"data.csv", "out.ipynb"}


async def test_a_notebook_of_an_old_format_is_executed(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "input": "print('old')", "outputs": [], "metadata": {}, "language": "python"}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": [cell]}]}
    (tmp_path / "in.ipynb").write_text(json.dumps(old))
    result = await NotebookExecutor().execute(tmp_path / "in.ipynb", tmp_path / "out.ipynb")
    assert result["status"] == "success"


BAD: list[tuple[str, Any, type[HermesError], str]] = [
    ("no such notebook", {"input_path": "missing.ipynb"}, NotFound, "input_path"),
    ("no notebook", {"input_path": "text.ipynb"}, InvalidRequest, "input_path"),
    ("no such kernel", {"kernel_name": "cobol"}, InvalidRequest, "kernel_name"),
    ("an object", {"parameters": {"n": object()}}, InvalidRequest, "parameters.n"),
    ("a tuple", {"parameters": {"n": [1, (2,)]}}, InvalidRequest, "parameters.n.1"),
    ("not a number", {"parameters": {"n": float("nan")}}, InvalidRequest, "parameters.n"),
    ("code as a name", {"parameters": {"n = 1; import os": 1}}, InvalidRequest, "parameters.n = 1; import os"),
    ("a keyword", {"parameters": {"class": 1}}, InvalidRequest, "parameters.class"),
    ("its own input", {"output_path": "in.ipynb"}, Conflict, "output_path"),
]


@pytest.mark.parametrize(("given", "error", "field"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
async def test_what_cannot_be_executed_is_refused_with_its_field_and_nothing_is_written(
    tmp_path: Path, given: dict[str, Any], error: type[HermesError], field: str
) -> None:
    write(tmp_path, code("a", "1"))
    (tmp_path / "text.ipynb").write_text("no JSON")
    before = files(tmp_path)
    asked = {"input_path": "in.ipynb", "output_path": "out.ipynb", **given}
    paths = {name: tmp_path / asked.pop(name) for name in ("input_path", "output_path")}
    with pytest.raises(error) as refused:
        await NotebookExecutor().execute(**paths, **asked)
    assert refused.value.details["field"] == field
    assert files(tmp_path) == before


async def test_a_language_that_has_no_such_value_is_named_before_anything_runs() -> None:
    check_parameters({"n": [1, None, {"a": "b"}]}, "ir", "R")
    with pytest.raises(InvalidRequest) as refused:
        check_parameters({"n": {"a": 1}}, "bash", "bash")
    assert refused.value.details["field"] == "parameters.n"
    with pytest.raises(InvalidRequest, match="brainfuck"):
        check_parameters({"n": 1}, "brainfuck", "brainfuck")


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'papermill', 'nbclient', 'nbformat', 'zmq', 'jupyter_client', 'pandas', 'pydantic'}"
    script = f"import sys, hermes_lab\nassert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_supervisor_and_the_protocol_leave_execution_to_their_process() -> None:
    heavy = "{'papermill', 'nbclient', 'nbformat', 'jupyter_client', 'pandas'}"
    script = f"import sys, hermes_lab.runner.supervisor\nassert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
