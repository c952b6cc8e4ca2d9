"""The environments of the incumbents: made once, with what the package index has, and without hermes_lab.

Papermill loads every engine that is installed beside it, ours too, each time it is imported: it is timed where we
are not.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

_PACKAGES = {
    "bare": ("papermill", "ipykernel", "scrapbook", "six"),  # scrapbook imports six and does not require it
    "jupyterlab": ("jupyterlab", "papermill", "ipykernel"),
}


class Environments:
    """The Pythons of the incumbents; ``only`` takes the place of all of them where it is given."""

    def __init__(self, cache: Path, only: Path | None = None) -> None:
        self._cache = cache
        self._only = only

    def python(self, name: str) -> Path:
        """Of the environment ``name``."""
        return self._only or _python_of(self._cache, name)


def _python_of(cache: Path, name: str) -> Path:
    """The Python of an environment, which is made when it is not there yet; that takes a minute or two."""
    folder = cache / name
    python = folder / "bin" / "python"
    made_of = f"{sys.version} {' '.join(_PACKAGES[name])}"
    complete = folder / "complete"
    if not complete.exists() or complete.read_text(encoding="utf-8") != made_of:
        print(f"making the environment {folder.name}: {', '.join(_PACKAGES[name])}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_PACKAGES[name]]
        subprocess.run(command, check=True)
        complete.write_text(made_of, encoding="utf-8")
    return python


def versions(python: Path) -> dict[str, str]:
    """The versions of what the figures depend on."""
    program = (
        "from importlib.metadata import distributions\n"
        "wanted = {'papermill', 'nbclient', 'ipykernel', 'jupyterlab', 'scrapbook'}\n"
        "for d in distributions():\n"
        "    if d.name.lower() in wanted: print(d.name.lower(), d.version)"
    )
    listed = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout
    return dict(sorted(line.split() for line in listed.splitlines()))
