"""Where a fault happens: a folder, the notes that cells leave in it, and the processes that belong to the run."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import nbformat
import psutil

MARK = "HERMES_LAB_FAULT"
_PATIENCE_SECONDS = 60


class Scene:
    """One run's own folder. Cells write there when the fault strikes, and the ids of the processes that they start."""

    def __init__(self, folder: Path, output: str = "out/out.ipynb") -> None:
        self.folder = folder
        self.input = folder / "in.ipynb"
        self.output = folder / output
        self.mark = secrets.token_hex(16)
        self._began = time.time() - 1.0  # a process's own beginning is known to the hundredth of a second
        self.executor: psutil.Process | None = None
        """The process that executes the run: the runner, the command, or papermill."""
        self.ask_again: Callable[[], str] | None = None
        """Asks for a second run to the same output; returns what the answer was."""
        self.restart: Callable[[], None] | None = None
        """Kills the server, and starts it again."""
        self.second_answer: str | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def struck_at(self) -> float | None:
        """When the fault struck, in seconds since the epoch."""
        note = self.folder / "struck"
        return float(note.read_text()) if note.exists() else None

    def strikes_now(self) -> None:
        """Note the moment of a fault that comes from outside."""
        (self.folder / "struck").write_text(repr(time.time()))

    def wait_for_the_cell(self) -> None:
        """Until the cell has come to where it is to be struck."""
        self.until(lambda: (note := self.folder / "struck").exists() and note.read_text())

    def let_go(self) -> None:
        """Let the cell that waits come to its end."""
        (self.folder / "go").touch()

    @property
    def kernel(self) -> int:
        """The process id that the first cell wrote."""
        return int((self.folder / "kernel.pid").read_text())

    def until(self, condition: Callable[[], Any], seconds: float = _PATIENCE_SECONDS) -> Any:
        """Wait until the condition holds, and return what it came to."""
        deadline = time.monotonic() + seconds
        while not (outcome := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError("the condition did not come to hold")
            time.sleep(0.01)
        return outcome

    def alive(self) -> list[str]:
        """Processes of the run that live: those whose ids were noted, and those with its mark or in its folder."""
        return list(filter(None, map(described, self._processes())))

    def _processes(self) -> list[psutil.Process]:
        note = self.folder / "pids"
        noted = {int(line) for line in note.read_text().split()} if note.exists() else set()
        return [process for process in psutil.process_iter() if self._belongs(process, noted)]

    def _belongs(self, process: psutil.Process, noted: set[int]) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                return False
            if process.pid in noted and process.create_time() > self._began:
                return True
            here = Path(process.cwd())
            return process.environ().get(MARK) == self.mark or self.folder in (here, *here.parents)
        except psutil.Error:
            return False  # it ended meanwhile, or is somebody else's

    def kill_all(self) -> None:
        """End whatever is left, so that one fault does not disturb the next."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def unmount(self) -> None:
        """Take the disk away that a fault put at the place of the output folder."""
        if self.output.parent.is_mount():
            subprocess.run(["umount", str(self.output.parent)], check=True)

    def leftovers(self, *expected: str) -> list[str]:
        """What lies beside the output notebook, or hidden anywhere in the folder, and should not."""
        wanted = {self.output, *(self.output.parent / name for name in expected)}
        beside = (
            {path for path in self.output.parent.rglob("*") if path.is_file()} if self.output.parent.is_dir() else set()
        )
        hidden = set(self.folder.rglob(".*")) | set(self.folder.rglob("*.tmp"))
        return sorted(str(path.relative_to(self.folder)) for path in (beside | hidden) - wanted)


def described(process: psutil.Process) -> str:
    """A process, for a person to read; empty for one that has ended meanwhile."""
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:80]}"
    except psutil.NoSuchProcess:
        return ""


def verdict(path: Path) -> str:
    """Whether there is a notebook that every reader takes: ``valid``, ``missing``, ``not JSON``, or what is wrong."""
    if not path.exists():
        return "missing"
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return "not JSON"
    try:
        nbformat.validate(json.loads(text))
    except nbformat.ValidationError as error:
        return f"not valid: {str(error.message).splitlines()[0][:80]}"
    return "valid"


def code_cells(path: Path) -> list[Any]:
    """The code cells of a notebook file."""
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def printed(cell: Any) -> str:
    """What a code cell has on its standard streams."""
    return "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
