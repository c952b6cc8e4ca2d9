"""`jupyter hermes` as a process: its output and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import isolated_environment
from tests.written_notebooks import Json, notebook

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@dataclass(frozen=True)
class CommandLine:
    """Runs `jupyter hermes` in ``folder``, with the Jupyter folders below ``home``."""

    folder: Path
    home: Path

    def run(self, *arguments: str, exit_code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """The finished command, whose exit code must be the one expected."""
        ended = subprocess.run(
            [sys.executable, "-m", "hermes_lab.cli", *arguments],
            cwd=self.folder,
            env={**isolated_environment(self.home), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == exit_code, ended.stdout + ended.stderr
        return ended

    def start(self, *arguments: str, stderr: int | None = None) -> subprocess.Popen[str]:
        """The command while it goes on."""
        return subprocess.Popen(
            [sys.executable, "-m", "hermes_lab.cli", *arguments],
            cwd=self.folder,
            env=isolated_environment(self.home),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def json(self, *arguments: str, exit_code: int = 0) -> Any:
        """What the command prints with ``--json``."""
        return json.loads(self.run(*arguments, "--json", exit_code=exit_code).stdout)

    def refusal(self, *arguments: str, exit_code: int = 2) -> str:
        """The one line on stderr of a command that cannot be carried out."""
        ended = self.run(*arguments, exit_code=exit_code)
        assert ended.stdout == ""
        lines = ended.stderr.splitlines()
        assert len(lines) == 1, ended.stderr
        assert lines[0].startswith("jupyter hermes: ")
        return lines[0]

    def write(self, name: str, *cells: Json) -> None:
        """Write a notebook for the python3 kernel."""
        (self.folder / name).write_text(json.dumps(notebook(*cells, **PYTHON)))
