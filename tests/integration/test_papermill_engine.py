"""papermill with hermes_lab as its engine: its own tests, its command line, and what it says about a notebook."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree as ET

import psutil
import pytest

from hermes_lab.papermill_engine import HermesEngine
from tests.servers import CHECKOUT
from tests.written_notebooks import Json, code, markdown, notebook

pytestmark = pytest.mark.requirement("ENGINE-1")

PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}
THAT_EXECUTE = ["papermill.tests.test_execute", "papermill.tests.test_cli", "papermill.tests.test_autosave"]
OF_ITS_OWN_ENGINE = {
    "test_start_timeout": "replaces the client inside papermill's own engine",
    "test_default_start_timeout": "replaces the client inside papermill's own engine",
    "test_end2end_autosave_slow_notebook": "counts the writes of papermill's own engine",
    "test_autosave_not_too_fast": "times papermill's own saving, by the clock of a machine that should not be busy",
}
"""Tests of papermill's suite that are about its engine, and not about what an engine does."""


def written(folder: Path, *cells: Json) -> Path:
    path = folder / "in.ipynb"
    path.write_text(json.dumps(notebook(*cells, kernelspec=PYTHON)))
    return path


def papermill(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`papermill in.ipynb out.ipynb --engine hermes …` in the folder."""
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "--engine", "hermes", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def output(folder: Path) -> Json:
    read: Json = json.loads((folder / "out.ipynb").read_text())
    return read


def statuses(folder: Path) -> list[str]:
    cells = [cell for cell in output(folder)["cells"] if cell["cell_type"] == "code"]
    return [cell["metadata"]["papermill"]["status"] for cell in cells]


def test_papermill_finds_the_engine_by_its_name() -> None:
    (engine,) = entry_points(group="papermill.engine", name="hermes")
    assert engine.load() is HermesEngine


@pytest.mark.parametrize("first", ["papermill", "hermes_lab.papermill_engine", "hermes_lab.engines.papermill"])
def test_whichever_is_imported_first_the_engine_is_registered(first: str) -> None:
    script = f"import {first}\nfrom papermill.engines import papermill_engines as them\nthem.get_engine('hermes')"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_importing_the_engine_imports_nothing_heavy() -> None:
    heavy = "{'papermill', 'nbclient', 'nbformat', 'jupyter_client', 'pydantic'}"
    script = f"import sys, hermes_lab.papermill_engine\nassert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_papermills_command_line_runs_a_notebook_with_its_parameters(tmp_path: Path) -> None:
    parameters = code("p", "n = 1", tags=["parameters"])
    written(tmp_path, markdown("text", "# Title"), parameters, code("show", "print(n)\nn + 1"))
    ended = papermill(tmp_path, "-p", "n", "20", "--log-output", "--stdout-file", "printed.txt")
    assert ended.returncode == 0, ended.stderr
    assert "20\n" in ended.stderr
    assert "21\n" in ended.stderr
    assert "Ending Cell 4" in ended.stderr
    assert (tmp_path / "printed.txt").read_text() == "20\n"
    made = output(tmp_path)
    of_run = made["metadata"]["papermill"]
    assert (of_run["parameters"], of_run["input_path"], of_run["output_path"]) == ({"n": 20}, "in.ipynb", "out.ipynb")
    assert {cell["metadata"]["papermill"]["status"] for cell in made["cells"]} == {"completed"}
    assert made["metadata"]["hermes"]["state"] == "completed"


def test_papermill_changes_the_working_folder_and_not_the_place_of_the_output(tmp_path: Path) -> None:
    written(tmp_path, code("a", "open('here', 'w')"))
    (tmp_path / "elsewhere").mkdir()
    assert papermill(tmp_path, "--cwd", "elsewhere").returncode == 0
    assert (tmp_path / "elsewhere" / "here").exists()
    assert output(tmp_path)["cells"]


def test_a_failed_cell_raises_what_papermill_raises_and_the_rest_is_pending(tmp_path: Path) -> None:
    written(tmp_path, code("good", "1"), code("bad", "1 / 0"), code("after", "2"))
    ended = papermill(tmp_path)
    assert ended.returncode == 1
    assert "PapermillExecutionError" in ended.stderr
    assert sum("papermill-error-cell-tag" in cell["metadata"]["tags"] for cell in output(tmp_path)["cells"]) == 2
    assert statuses(tmp_path) == ["completed", "failed", "pending"]


def test_a_dead_kernel_is_told_and_nothing_that_did_not_run_is_completed(tmp_path: Path) -> None:
    written(tmp_path, code("dies", "import os\nos._exit(7)"), code("after", "2"))
    assert papermill(tmp_path).returncode == 138  # papermill's own code for DeadKernelError
    assert statuses(tmp_path) == ["failed", "pending"]


def test_a_cell_that_takes_too_long_raises_what_papermill_raises(tmp_path: Path) -> None:
    written(tmp_path, code("slow", "import time\ntime.sleep(1000)"), code("after", "2"))
    ended = papermill(tmp_path, "--execution-timeout", "2")
    assert ended.returncode == 1
    assert "CellTimeoutError" in ended.stderr
    assert statuses(tmp_path) == ["failed", "pending"]


@pytest.mark.requirement("RUN-24")
@pytest.mark.parametrize("last", ["print('after')", "1 / 0"])
def test_papermill_does_not_write_over_what_somebody_else_wrote_meanwhile(tmp_path: Path, last: str) -> None:
    written(tmp_path, code("writes", "open('out.ipynb', 'w').write('precious')"), code("last", last))
    ended = papermill(tmp_path)
    assert ended.returncode == 1
    (beside,) = tmp_path.glob("out (run *).ipynb")
    assert beside.name in ended.stderr
    assert (tmp_path / "out.ipynb").read_text() == "precious"
    cells = {cell["id"]: cell for cell in json.loads(beside.read_text())["cells"]}
    assert cells["writes"]["metadata"]["hermes"]["status"] == "completed"


def test_a_kernel_that_there_is_not_raises_what_papermill_raises(tmp_path: Path) -> None:
    written(tmp_path, code("a", "1"))
    ended = papermill(tmp_path, "-k", "cobol")
    assert ended.returncode == 1
    assert "NoSuchKernel" in ended.stderr
    assert statuses(tmp_path) == ["pending"]


def test_an_interrupted_papermill_leaves_no_kernel_and_a_whole_output(tmp_path: Path) -> None:
    written(tmp_path, code("slow", "open('started', 'w').close()\nimport time\ntime.sleep(1000)"), code("after", "2"))
    # Whoever runs the tests in the background may have them, and all that they start, ignore interrupts.
    heeding = ["env", "--default-signal=INT"]
    command = [*heeding, sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "--engine", "hermes"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 90
        while not (tmp_path / "started").exists():
            assert running.poll() is None
            assert time.monotonic() < deadline
            select.select([], [], [], 0.05)
        kernels = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) != 0
    assert kernels
    assert not [kernel for kernel in kernels if kernel.is_running()]
    assert statuses(tmp_path) == ["failed", "pending"]


async def test_a_notebook_is_executed_from_within_a_running_event_loop(tmp_path: Path) -> None:
    assert asyncio.get_running_loop()
    from papermill.engines import papermill_engines  # noqa: PLC0415 - papermill is slow to import
    from papermill.execute import execute_notebook  # noqa: PLC0415

    papermill_engines.register("hermes", HermesEngine)
    source = written(tmp_path, code("a", "6 * 7"))
    made = execute_notebook(str(source), None, engine_name="hermes", progress_bar=False)
    assert made.cells[0].outputs[0].data["text/plain"] == "42"


@pytest.mark.timeout(1200)
def test_papermills_own_tests_pass_wherever_they_pass_with_its_own_engine(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    asked = ["papermill.tests"] if request.config.getoption("--whole-papermill-suite") else THAT_EXECUTE
    with ThreadPoolExecutor(2) as both:
        theirs = both.submit(passing, tmp_path / "theirs", asked)
        ours = both.submit(passing, tmp_path / "ours", asked, "-p", "hermes_in_papermill")
    assert len(ours.result()) > 50
    assert {name for name in theirs.result() - ours.result() if name.split("::")[-1] not in OF_ITS_OWN_ENGINE} == set()


def passing(folder: Path, modules: list[str], *options: str) -> set[str]:
    """The tests of papermill's suite that pass."""
    folder.mkdir()
    report = folder / "report.xml"
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *options),
            *("--continue-on-collection-errors", "--pyargs", *modules),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "tests" / "papermill_suite")},
        capture_output=True,
        timeout=1100,
        check=False,
    )
    cases = ET.parse(report).getroot().iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}" for case in cases if len(case) == 0}
