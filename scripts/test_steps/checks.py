"""Everything that is checked without being a test of pytest."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from demo_steps.console import note

INTERPRETERS = ("python3.10", "python3.11", "python3.12", "python3.13")
_COMPILE = "import sys; [compile(open(f, encoding='utf-8').read(), f, 'exec') for f in sys.argv[1:]]"


@dataclass(frozen=True)
class Check:
    """A program that exits with 0 when all is well."""

    name: str
    command: tuple[str, ...]
    folder: str = "."


CHECKS = (
    Check("lint", ("ruff", "check", ".")),
    Check("format", ("ruff", "format", "--check", ".")),
    Check("types", ("mypy",)),
    Check("import contract", ("lint-imports",)),
    Check("front end: packages", ("jlpm", "install", "--immutable"), "labextension"),
    Check("front end: lint and types", ("jlpm", "lint"), "labextension"),
    Check("front end: tests", ("jlpm", "test"), "labextension"),
    Check("generated files", ("python", "scripts/generate", "--check")),
)


def failed_checks(checkout: Path, environment: dict[str, str]) -> list[str]:
    """Run every check; what a failed one wrote is shown. Returns the names of the failed ones."""
    checks = [*CHECKS, *_compilations(checkout)]
    return [check.name for check in checks if not _passes(check, checkout, environment)]


def _passes(check: Check, checkout: Path, environment: dict[str, str]) -> bool:
    began = time.monotonic()
    program = shutil.which(check.command[0], path=environment["PATH"])
    if program is None:
        note(f"{check.name}: FAILED, there is no {check.command[0]}")
        return False
    done = subprocess.run(
        [program, *check.command[1:]],
        cwd=checkout / check.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    word = "passed" if done.returncode == 0 else "FAILED"
    note(f"{check.name}: {word} in {time.monotonic() - began:.0f} s")
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode == 0


def _compilations(checkout: Path) -> list[Check]:
    """The sources must be Python to every version that we support; those that are not here are left out."""
    files = sorted(
        str(file) for package in ("hermes_lab", "hermes_runtime") for file in (checkout / package).rglob("*.py")
    )
    found = [name for name in INTERPRETERS if _runs(name)]
    return [Check(f"syntax for {name}", (name, "-c", _COMPILE, *files)) for name in found]


def _runs(interpreter: str) -> bool:
    """pyenv puts names on PATH that run nothing."""
    if shutil.which(interpreter) is None:
        return False
    return subprocess.run([interpreter, "-c", ""], capture_output=True, check=False).returncode == 0
