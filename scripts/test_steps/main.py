"""From an empty machine to pytest's summary."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from demo_steps.console import Failed, note, step

from test_steps.checks import failed_checks
from test_steps.environment import ensure_environment, environment_of
from test_steps.programs import ensure_programs

CHECKOUT = Path(__file__).parents[2]


def main(description: str | None) -> int:
    """Run everything, or pytest with the arguments given; returns the exit code."""
    arguments = sys.argv[1:]
    if "-h" in arguments or "--help" in arguments:
        print(description)
        return 0
    in_ci = os.environ.get("CI") == "true"
    try:
        programs = ensure_environment(CHECKOUT)
        missing = ensure_programs(CHECKOUT / ".venv-test" / "programs.log")
    except Failed as failure:
        print(f"\nscripts/test: {failure}", flush=True)
        return 1
    if in_ci and missing:
        tests = " and ".join(program.tests for program in missing)
        print(f"\nscripts/test: with CI=true {tests} may not be skipped", flush=True)
        return 1
    environment = environment_of(programs)
    failed: list[str] = []
    if arguments and not in_ci:
        note("with arguments, only pytest runs")
    else:
        step("checks")
        failed = failed_checks(CHECKOUT, environment)
    step("tests")
    if failed:
        note(f"FAILED before the tests: {', '.join(failed)}")
    # Not the longest file first: the order of tests/conftest.py.
    tests = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", *arguments]
    done = subprocess.run([programs / "python", "-m", "pytest", *tests], cwd=CHECKOUT, env=environment, check=False)
    return 1 if failed else done.returncode
