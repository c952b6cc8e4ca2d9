"""`jupyter hermes doctor`: what it says of this machine, and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sandboxes import needs_sandbox
from tests.servers import isolated_environment

pytestmark = pytest.mark.requirement("CLI-3")


def examined(home: Path, *arguments: str) -> tuple[int, str]:
    """The exit code, and what was printed."""
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "hermes_lab.cli", "doctor", *arguments],
        cwd=home,
        env=isolated_environment(home),
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def checks(home: Path) -> dict[str, dict[str, Any]]:
    """What it says with --json, by the name of the check."""
    code, printed = examined(home, "--json")
    answer = json.loads(printed)
    assert code == (0 if answer["ok"] else 1)
    return {check["name"]: check for check in answer["checks"]}


@needs_sandbox
def test_a_machine_where_everything_works(tmp_path: Path) -> None:
    found = checks(tmp_path / "home")
    assert {check["name"]: check["status"] for check in found.values() if check["status"] != "ok"} == {}
    assert found["sandbox"]["message"].startswith("works, with bubblewrap ")
    assert found["kernel python3"]["message"] == "starts and answers"
    assert "none yet" in found["store"]["message"]


def test_a_machine_without_bubblewrap_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, printed = examined(tmp_path / "home")
    assert "note     sandbox: bubblewrap is missing: install the package `bubblewrap`" in printed
    assert "note     git: missing" in printed
    assert code == 0


@pytest.mark.parametrize(
    ("complaint", "explanation"),
    [
        ("bwrap: No permissions to create new namespace", "User namespaces are forbidden here"),
        ("bwrap: setting up uid map: Permission denied", "User namespaces are forbidden here"),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "A network namespace is forbidden here"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "A new /proc cannot be mounted here"),
        ("bwrap: something else", "bubblewrap does not start a program here"),
    ],
)
def test_a_bubblewrap_that_may_not_do_its_work_is_explained(
    complaint: str, explanation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bubblewrap(tmp_path, f'[ "$1" = --version ] && echo "bubblewrap 0.9.0" || {{ echo "{complaint}" >&2; exit 1; }}')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    sandbox = checks(tmp_path / "home")["sandbox"]
    assert sandbox["status"] == "note"
    assert sandbox["message"].startswith(explanation)
    assert complaint in sandbox["message"]
    assert sandbox["message"].endswith("(bubblewrap 0.9.0)")


def test_a_bubblewrap_that_is_too_old_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bubblewrap(tmp_path, "echo bubblewrap 0.3.1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert "0.3.1 is too old" in checks(tmp_path / "home")["sandbox"]["message"]


def test_a_kernel_that_does_not_start_is_a_problem(tmp_path: Path) -> None:
    spec = tmp_path / "home" / "data" / "kernels" / "broken" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [sys.executable, "-c", "raise SystemExit('what a broken kernel says')", "ipykernel", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Broken", "language": "python"}))
    found = checks(tmp_path / "home")["kernel broken"]
    assert found["status"] == "problem"
    assert "what a broken kernel says" in found["message"]


def test_a_store_of_another_version_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no database at all")
    code, printed = examined(tmp_path, "--db-url", f"sqlite:///{tmp_path / 'store'}")
    assert code == 1
    assert "PROBLEM  store: The store cannot be opened" in printed


def bubblewrap(folder: Path, script: str) -> None:
    """A program of that name, as it behaves on another machine."""
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
