"""The Python environment of the tests: the checkout as it would be installed, and the tools that check it."""

from __future__ import annotations

import importlib.util
import os
import sys
import venv
from pathlib import Path

from demo_steps.console import Failed, note, run_logged, step
from demo_steps.environment import sources_digest


def ensure_environment(checkout: Path) -> Path:
    """Install the checkout with its tools into `.venv-test/`; returns the folder of its programs.

    Nothing is installed when the sources and the Python are those of the last time.

    Raises:
        Failed: the environment cannot be made, or the build fails.
    """
    folder = checkout / ".venv-test"
    installed, programs = folder / "installed", folder / "bin"
    wanted = f"{sys.executable} {sys.version}\n{sources_digest(checkout)}\n"
    if installed.exists() and installed.read_text() == wanted:
        step("the checkout is installed in .venv-test/, its sources have not changed since")
        return programs
    if not (programs / "python").exists() or not _is_of_this_python(installed):
        _make(folder)
    installed.unlink(missing_ok=True)  # an installation that is interrupted is none
    step("building and installing the checkout with its tools: a few minutes the first time")
    note("the front end is compiled with a Node that the build brings along")
    log = folder / "install.log"
    log.write_text("")
    pip = [str(programs / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run_logged([*pip, "install", ".[dev]"], log, cwd=checkout)
    installed.write_text(f"{sys.executable} {sys.version}\n{sources_digest(checkout)}\n")
    return programs


def environment_of(programs: Path) -> dict[str, str]:
    """Environment variables under which the tools find each other, and no other environment's."""
    foreign = ("PYTHON", "VIRTUAL_ENV", "JUPYTER", "IPYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return inherited | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def _is_of_this_python(installed: Path) -> bool:
    return installed.exists() and installed.read_text().startswith(f"{sys.executable} {sys.version}\n")


def _make(folder: Path) -> None:
    step("making a Python environment in .venv-test/")
    if importlib.util.find_spec("ensurepip") is None:
        raise Failed("This Python has no venv. On Debian and Ubuntu: apt install python3-venv")
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
