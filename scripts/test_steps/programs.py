"""Programs that some tests need, and that no Python environment brings."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from demo_steps.console import Failed, note, run_logged, step


@dataclass(frozen=True)
class Program:
    """``names`` it may have on PATH; ``packages`` of Debian bring it; ``tests`` are skipped without it."""

    names: tuple[str, ...]
    packages: tuple[str, ...]
    tests: str


PROGRAMS = (
    Program(("chromium", "chromium-browser", "google-chrome"), ("chromium", "fonts-dejavu-core"), "the browser tests"),
    Program(("bwrap",), ("bubblewrap",), "the tests of the sandbox"),
)


def ensure_programs(log: Path) -> list[Program]:
    """Install Debian's packages of what is missing, where this may; returns what is missing still."""
    missing = [program for program in PROGRAMS if not _is_there(program)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        log.write_text("")
        _install([package for program in missing for package in program.packages], log)
    still = [program for program in missing if not _is_there(program)]
    for program in still:
        packages = " ".join(program.packages)
        note(f"there is no {program.names[0]}: {program.tests} are skipped (as root: apt install {packages})")
    return still


def _is_there(program: Program) -> bool:
    return any(shutil.which(name) for name in program.names)


def _install(packages: list[str], log: Path) -> None:
    step(f"installing {', '.join(packages)} for the tests")
    try:
        run_logged(["apt-get", "update"], log, cwd=log.parent)
        run_logged(["apt-get", "install", "--yes", "--no-install-recommends", *packages], log, cwd=log.parent)
    except Failed as failure:
        note(f"they cannot be installed: {failure}")
