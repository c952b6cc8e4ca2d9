"""Asking a runner to execute notebooks, and looking at what it left behind."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from hermes_lab.runner.protocol import ExecuteNotebook, ExecutionEnded, ExecutionEvent, NotebookRunner
from tests.written_notebooks import Json, notebook

_DEADLINE_SECONDS = 60
_numbers = itertools.count()


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until the condition holds, and return what it came to."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if outcome := condition():
            return outcome
        await asyncio.sleep(0.01)
    raise TimeoutError("the condition did not come to hold")


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def working_in(folder: Path) -> list[psutil.Process]:
    """Every process whose working folder this is; that cannot be cleared like an environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def runner_processes(of: psutil.Process | None = None) -> list[psutil.Process]:
    """The runners that a process (default: this one) has started, behind their keepers; no keepers, no kernels."""
    found = []
    for child in _children(of or psutil.Process()):
        words = _command_line(child)
        if words[1:3] == ["-m", "hermes_lab.runner"]:
            found.append(child)
        elif any(word.endswith("keeper.py") for word in words):
            found += runner_processes(child)
    return found


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:  # a keeper that has just ended
        return []


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@dataclass
class Asked:
    """One request, what was heard of it, and its output notebook."""

    request: ExecuteNotebook
    events: list[ExecutionEvent] = field(default_factory=list)
    task: asyncio.Task[ExecutionEnded] | None = None

    @property
    def text(self) -> str:
        """The file of the output notebook as it is now."""
        return Path(self.request.output_path).read_text(encoding="utf-8")

    @property
    def output(self) -> Json:
        """The output notebook as it is on disk now."""
        written: Json = json.loads(self.text)
        return written

    def cell(self, cell_id: str) -> Json:
        """A cell of the output notebook."""
        return next(cell for cell in self.output["cells"] if cell["id"] == cell_id)

    def printed(self, cell_id: str) -> str:
        """What a cell of the output notebook wrote to its standard streams."""
        outputs = self.cell(cell_id)["outputs"]
        return "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")

    def is_running(self, cell_id: str) -> bool:
        """Whether the runner has said that this cell runs."""
        told = (event for event in self.events if event.kind != "queued")
        return any(cell.cell_id == cell_id and cell.state == "running" for event in told for cell in event.cells)

    async def ended(self) -> ExecutionEnded:
        """The end of the run."""
        assert self.task is not None
        return await self.task


class Bench:
    """A runner, and a folder for what it executes."""

    def __init__(self, runner: NotebookRunner, folder: Path) -> None:
        self.runner = runner
        self.folder = folder

    def request(self, *cells: Json, **fields: Any) -> ExecuteNotebook:
        # A run is killed by its id wherever its processes went: tests that run beside these have other ids.
        run_id = f"run-{os.getpid()}-{next(_numbers)}"
        wanted = {
            "run_id": run_id,
            "notebook": notebook(*cells, kernelspec={"name": "python3", "display_name": "Python 3"}),
            "output_path": str(self.folder / f"{run_id}.ipynb"),
            "working_folder": str(self.folder),
            **fields,
        }
        return ExecuteNotebook(**wanted)

    def start(self, *cells: Json, **fields: Any) -> Asked:
        """Ask for the execution of these cells."""
        asked = Asked(self.request(*cells, **fields))
        asked.task = asyncio.create_task(self.runner.execute(asked.request, asked.events.append))
        return asked

    async def run(self, *cells: Json, **fields: Any) -> tuple[ExecutionEnded, Asked]:
        """Have these cells executed to the end."""
        asked = self.start(*cells, **fields)
        return await asked.ended(), asked

    async def pid_in(self, name: str) -> int:
        """The process id that a cell writes into a file of the working folder."""
        file = self.folder / name
        return int(await until(lambda: file.exists() and file.read_text()))

    def states(self, ended: ExecutionEnded) -> list[str]:
        """The states of the code cells, in their order."""
        return [cell.state for cell in ended.cells]
