"""The benchmark works: it is started as somebody at a terminal does. What it measures is no test's business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.execution_rows import PROFILES, ROWS
from benchmarks.figures import Figure, Goal, at_least, at_most, itself_at_least, itself_at_most, table
from tests.servers import CHECKOUT

pytestmark = pytest.mark.requirement("BENCH-1")

INCUMBENTS = ("--incumbents", sys.executable)
"""Papermill and scrapbook as they are beside us: good enough to see that they are asked, and there already."""


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, CHECKOUT / "benchmarks" / "execution.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_row_is_measured_printed_and_written(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    done = benchmark("--quick", "--only", "scraps", "--json", str(written), *INCUMBENTS)
    assert done.returncode == 0, done.stderr
    heading, line = done.stdout.splitlines()[-2:]
    assert heading.split() == ["row", "operation", "unit", "ours", "incumbent", "ratio", "goal"]
    assert line.startswith("scraps")
    assert "<= 0.03x" in line
    [figure] = json.loads(written.read_text())["figures"]
    [ours], [theirs] = figure["ours"], figure["incumbent"]
    assert ours > 0
    assert theirs > 0
    assert figure["ratio"] == pytest.approx(ours / theirs)


def test_a_row_of_the_merge_is_measured_beside_nbdime_in_one_process(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    command = [sys.executable, CHECKOUT / "benchmarks" / "merge.py", "--quick", "--only", "few,long", "--json", written]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "<= 0.1x" in done.stdout
    few, long = json.loads(written.read_text())["figures"]
    assert few["ratio"] == pytest.approx(few["ours"][0] / few["incumbent"][0])
    assert long["ours"][0] > 0
    assert long["incumbent"] == []


def test_a_row_that_does_not_exist_is_refused_by_naming_those_that_do() -> None:
    done = benchmark("--only", "scraps,nonsense")
    assert done.returncode == 2
    assert "there is no nonsense; there are warm-server, " in done.stderr


def test_where_our_time_goes_is_shown() -> None:
    done = benchmark("--profile", "scraps", *INCUMBENTS)
    assert done.returncode == 0, done.stderr
    assert "(scraps_in)" in done.stdout
    assert set(PROFILES) <= set(ROWS)


@pytest.mark.parametrize(
    ("goal", "ours", "theirs", "verdict"),
    [
        (at_most(0.5), [1, 9, 2], [4, 4, 4], "ok"),
        (at_most(0.5), [1, 3, 3], [4, 4, 4], "short"),
        (at_most(0.5), [1], [], "short"),
        (at_least(4), [8], [2], "ok"),
        (at_least(4), [7], [2], "short"),
        (itself_at_most(150), [150], [], "ok"),
        (itself_at_most(150), [151], [1], "short"),
        (itself_at_least(500), [500], [], "ok"),
        (itself_at_least(500), [499], [], "short"),
        (Goal(), [1], [1], ""),
    ],
)
def test_the_medians_decide_whether_a_goal_is_met(
    goal: Goal, ours: list[float], theirs: list[float], verdict: str
) -> None:
    figure = Figure("row", "operation", "s", goal, ours, theirs)
    assert figure.verdict == verdict
    assert table([figure]).endswith(verdict)
