"""The Python environment of the demo: made once, and again when the sources of the product change."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import subprocess
import sys
import venv
from pathlib import Path

from demo_steps.console import Failed, note, run_logged, step

BUILT_FROM = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "hermes_lab",
    "hermes_runtime",
    "jupyter-config",
    "labextension",
)


def ensure_environment(checkout: Path, folder: Path) -> Path:
    """Install the checkout into a virtual environment below `folder`; returns its Python.

    Nothing is installed when the sources are those that were installed last; the dependencies stay when the
    Python is the same.

    Raises:
        Failed: the environment cannot be made, or the build fails.
    """
    python = folder / "venv" / "bin" / "python"
    installed = folder / "installed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second demo waits for the first one's installation
        interpreter, sources = f"{sys.executable} {sys.version}", sources_digest(checkout)
        before = json.loads(installed.read_text()) if installed.exists() and python.exists() else {}
        if before == {"interpreter": interpreter, "sources": sources}:
            step("hermes_lab is installed, its sources have not changed since")
            return python
        installed.unlink(missing_ok=True)  # an installation that is interrupted is none
        if before.get("interpreter") != interpreter:
            _make_environment(folder)
        _install(checkout, folder, python)
        installed.write_text(json.dumps({"interpreter": interpreter, "sources": sources}))
    return python


def sources_digest(checkout: Path) -> str:
    """A digest of every file that the installation is built from."""
    digest = hashlib.sha256()
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *BUILT_FROM]
    names = subprocess.run(listed, cwd=checkout, capture_output=True, text=True, check=True).stdout
    for name in sorted(set(names.split("\0")) - {""}):
        file = checkout / name
        if file.is_file():
            digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _make_environment(folder: Path) -> None:
    step("making a Python environment in .demo/venv")
    if importlib.util.find_spec("ensurepip") is None:
        raise Failed("This Python has no venv. On Debian and Ubuntu: apt install python3-venv")
    venv.create(folder / "venv", clear=True, with_pip=True, symlinks=True)


def _install(checkout: Path, folder: Path, python: Path) -> None:
    step("building and installing hermes_lab from this checkout: a few minutes the first time")
    note("the front end is compiled with a Node that the build brings along")
    log = folder / "install.log"
    log.write_text("")
    pip = [str(python), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run_logged([*pip, "install", ".[examples]"], log, cwd=checkout)
