"""The example notebook, its sample history and the change that the demo's agent proposes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import scrapbook
from pydantic import TypeAdapter

from hermes_lab.model.cell_operations import CellOperation, apply_operations

pytestmark = pytest.mark.requirement("DEMO-1")

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "fleet_health_check.ipynb"


def make_workspace(folder: Path) -> Path:
    """Put the notebook and its history into a folder, as `scripts/demo` does; returns the notebook."""
    for name in (NOTEBOOK.name, "sample_fleet_history.csv"):
        shutil.copy(EXAMPLES / name, folder)
    return folder / NOTEBOOK.name


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return make_workspace(tmp_path)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook as it is committed, executed without parameters."""
    return execute(make_workspace(tmp_path_factory.mktemp("as_committed")))


@pytest.fixture(scope="module")
def executed_proposal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook with the agent's change, executed without parameters."""
    notebook = make_workspace(tmp_path_factory.mktemp("as_proposed"))
    apply_proposal(notebook)
    return execute(notebook)


def execute(notebook: Path, **parameters: float) -> Path:
    """Run a notebook under papermill, in its own folder; returns the output notebook."""
    output = notebook.with_name("executed.ipynb")
    given = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", notebook.name, output.name, *given]
    ran = subprocess.run(command, cwd=notebook.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return output


def scraps(notebook: Path) -> dict[str, Any]:
    return dict(scrapbook.read_notebook(str(notebook)).scraps.data_dict)


def images(notebook: Path) -> list[str]:
    cells = nbformat.read(notebook, as_version=4).cells
    bundles = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return [bundle["image/png"] for bundle in bundles if "image/png" in bundle]


def nbval(notebook: Path) -> subprocess.CompletedProcess[str]:
    """Run the notebook again and compare the cells marked NBVAL_CHECK_OUTPUT with their stored outputs."""
    options = ["--nbval-lax", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={notebook.parent}"]
    command = [sys.executable, "-m", "pytest", *options, notebook.name]
    return subprocess.run(command, cwd=notebook.parent, capture_output=True, text=True, check=False)


def apply_proposal(notebook: Path) -> None:
    """Make the change that the agent proposes, in place."""
    proposal = json.loads((EXAMPLES / "agent" / "proposal.json").read_text(encoding="utf-8"))
    for operation in proposal["operations"]:
        written = operation.get("cell", operation)
        written["source"] = "".join(written["source"])  # lines, as a notebook file keeps them
    operations: list[CellOperation] = TypeAdapter(list[CellOperation]).validate_python(proposal["operations"])
    base = nbformat.read(notebook, as_version=4)
    proposed = nbformat.from_dict(apply_operations(base, operations)[0])
    nbformat.validate(proposed)
    nbformat.write(proposed, notebook)


def test_the_average_over_the_fleet_hides_the_degrading_host(executed: Path) -> None:
    found = scraps(executed)

    assert found["health_score"] == 91.6
    assert found["alert_count"] == 0
    metrics = ["load_per_cpu", "memory_percent", "disk_percent", "temperature_celsius"]
    assert list(found["fleet_table"]["metric"]) == metrics


def test_the_proposed_change_names_the_degrading_host(executed_proposal: Path) -> None:
    found = scraps(executed_proposal)

    assert found["health_score"] == 73.0
    assert found["alert_count"] == 3
    table = found["fleet_table"].set_index("host")
    assert table.alerts[table.alerts > 0].to_dict() == {"sample-worker-02": 3}
    assert "1 of 8 hosts at risk: sample-worker-02" in executed_proposal.read_text(encoding="utf-8")


def test_the_proposed_change_draws_another_plot(executed: Path, executed_proposal: Path) -> None:
    [before], [after] = images(executed), images(executed_proposal)

    assert before != after


def test_thresholds_and_window_are_parameters(notebook: Path) -> None:
    found = scraps(execute(notebook, window_hours=6, memory_threshold=50, load_threshold=0.1))

    assert found["alert_count"] == 2
    assert found["health_score"] < 91.6


def test_a_window_of_no_hours_is_refused_by_name(notebook: Path) -> None:
    with pytest.raises(AssertionError, match="window_hours must be a number above zero, not 0"):
        execute(notebook, window_hours=0)


def test_nbval_accepts_the_cells_that_must_not_change(executed: Path) -> None:
    checked = nbval(executed)

    assert checked.returncode == 0, checked.stdout


def test_nbval_accepts_the_proposed_change(executed_proposal: Path) -> None:
    checked = nbval(executed_proposal)

    assert checked.returncode == 0, checked.stdout


def test_nbval_reports_a_history_that_lost_a_reading(executed: Path, notebook: Path) -> None:
    history = notebook.with_name("sample_fleet_history.csv")
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:-1]))
    shutil.copy(executed, notebook)

    checked = nbval(notebook)

    assert checked.returncode == 1
    assert "2 failed" in checked.stdout


def test_the_sample_history_is_what_its_script_writes(tmp_path: Path) -> None:
    again = tmp_path / "history.csv"

    subprocess.run([sys.executable, EXAMPLES / "make_sample_fleet_history.py", again], check=True)

    assert again.read_bytes() == (EXAMPLES / "sample_fleet_history.csv").read_bytes()


def test_the_notebook_is_committed_without_outputs_and_as_nbformat_writes_it() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)

    nbformat.validate(notebook)
    assert text == nbformat.writes(notebook) + "\n"
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if "outputs" in cell)
    assert notebook.metadata.kernelspec.name == "python3"
