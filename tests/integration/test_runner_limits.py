"""What a run may be allowed, and what bounds it: errors, time for each cell, and no execution at all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import Limits
from tests.run_requests import Bench
from tests.written_notebooks import Json, code, markdown

pytestmark = pytest.mark.requirement("RUN-5", "CELL-3")

WAITS = "import time\ntime.sleep(1000)"
DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(InProcessRunner(), tmp_path)
    yield bench
    await bench.runner.close()


async def test_where_errors_are_allowed_the_run_completes_and_the_failed_cells_are_named(bench: Bench) -> None:
    ended, asked = await bench.run(
        code("first", "1 / 0"),
        code("second", "raise KeyError('k')"),
        code("expected", "1 / 0", tags=["raises-exception"]),
        code("last", "print('here')"),
        allow_errors=True,
    )
    assert (ended.state, ended.cause) == ("completed", None)
    assert ended.message == "2 of the cells failed, which this run allows."
    assert bench.states(ended) == ["failed", "failed", "completed", "completed"]
    assert ended.result is not None
    assert (ended.result.status, ended.result.cells_executed) == ("success", 4)
    assert ended.result.failed_cell is not None
    assert (ended.result.failed_cell.cell_id, ended.result.failed_cell.ename) == ("first", "ZeroDivisionError")
    assert asked.printed("last") == "here\n"
    of_first = asked.cell("first")["metadata"]
    assert (of_first["hermes"]["status"], of_first["papermill"]["exception"]) == ("failed", True)
    assert "papermill-error-cell-tag" not in asked.text


async def test_a_dead_kernel_is_no_error_that_is_allowed(bench: Bench) -> None:
    ended, _ = await bench.run(
        code("fails", "1 / 0"), code("dies", "import os; os._exit(1)"), code("after", "1"), allow_errors=True
    )
    assert (ended.state, ended.cause) == ("failed", "kernel_died")
    assert bench.states(ended) == ["failed", "died", "not_run"]
    assert ended.result is not None
    assert ended.result.failed_cell is not None
    assert ended.result.failed_cell.cell_id == "dies"


@pytest.mark.parametrize("allow_errors", [False, True])
async def test_a_cell_that_takes_longer_than_a_cell_may_ends_the_run(bench: Bench, allow_errors: bool) -> None:
    ended, asked = await bench.run(
        code("quick", "import time; time.sleep(0.9)"),
        code("also", "time.sleep(0.9)"),
        code("more", "time.sleep(0.9)"),
        code("slow", WAITS),
        code("after", "1"),
        cell_timeout_seconds=2.5,
        timeout_seconds=100,
        allow_errors=allow_errors,
    )
    assert (ended.state, ended.cause) == ("failed", "timed_out")
    assert ended.message == "Cell 4 took longer than the 2.5 seconds that each cell may take."
    assert bench.states(ended) == ["completed", "completed", "completed", "failed", "not_run"]
    assert ended.result is not None
    assert ended.result.failed_cell is not None
    assert (ended.result.failed_cell.ename, ended.result.failed_cell.evalue) == ("CellTimeout", ended.message)
    shown = [output["ename"] for output in asked.cell("slow")["outputs"]]
    assert shown == ["KeyboardInterrupt", "CellTimeout"]


async def test_a_cell_has_the_grace_that_the_run_gives_it(bench: Bench) -> None:
    took: list[float] = []
    for grace in (0, 4):
        ended, _ = await bench.run(code("deaf", DEAF), cell_timeout_seconds=1.5, limits=Limits(grace_seconds=grace))
        assert ended.cause == "timed_out"
        took.append(ended.cells[0].duration_seconds or 0.0)
    at_once, later = took
    assert at_once < 4
    assert later >= 1.5 + 4


async def test_a_kernel_that_does_not_answer_in_time_did_not_start(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "ipykernel_launcher.py").write_text("import time; time.sleep(1000)")
    ended, _ = await bench.run(
        code("a", "1"), environment={"PYTHONPATH": str(tmp_path)}, limits=Limits(start_seconds=1)
    )
    assert (ended.state, ended.cause) == ("failed", "kernel_failed_to_start")
    assert (ended.message or "").startswith("The kernel did not answer in ")
    assert bench.states(ended) == ["not_run"]


async def test_a_cell_that_asks_a_person_is_told_what_to_do(bench: Bench) -> None:
    ended, asked = await bench.run(code("asks", "input('name?')"))
    assert "pass a parameter instead" in (ended.message or "")
    assert "pass a parameter instead" in asked.cell("asks")["outputs"][0]["evalue"]


@pytest.mark.parametrize("parameters", [{}, {"n": 2}])
async def test_a_prepared_notebook_is_what_papermill_prepares(bench: Bench, parameters: Json) -> None:
    cells = (
        markdown("t", "# T"),
        code("parameters", "n = 1", tags=["parameters"]),
        code("old", "print(n)", prints="of an earlier run\n", count=3),
        code("writes", "open('written', 'w')"),
    )
    ended, asked = await bench.run(
        *cells, parameters=parameters, prepare_only=True, input_path=str(bench.folder / "in.ipynb")
    )
    assert (ended.state, ended.cause) == ("completed", None)
    assert bench.states(ended) == ["not_run"] * 3
    assert ended.result is not None
    assert (ended.result.status, ended.result.cells_executed) == ("success", 0)
    assert not (bench.folder / "written").exists()
    assert asked.printed("old") == "of an earlier run\n"
    theirs = prepared_by_papermill(asked.request.notebook, parameters, bench.folder)
    ours = asked.output
    for cell in (*ours["cells"], *theirs["cells"]):
        if "injected-parameters" in cell["metadata"]["tags"]:
            del cell["id"]  # theirs is made anew each time
    assert ours["cells"] == theirs["cells"]
    for made in (ours, theirs):
        del made["metadata"]["papermill"]["output_path"]
    assert ours["metadata"] == theirs["metadata"]


def prepared_by_papermill(notebook: Json, parameters: Json, folder: Path) -> Json:
    written, output, given = (folder / name for name in ("in.ipynb", "by-papermill.ipynb", "p.yaml"))
    # papermill asks the notebook for the language, which is written after a first run.
    metadata = {**notebook["metadata"], "language_info": {"name": "python"}}
    written.write_text(json.dumps({**notebook, "metadata": metadata}))
    given.write_text(json.dumps(parameters))
    command = [sys.executable, "-m", "papermill", str(written), str(output), "-f", str(given), "--prepare-only"]
    subprocess.run(command, check=True, capture_output=True)
    made: Json = json.loads(output.read_text())
    del made["metadata"]["language_info"]
    return made
