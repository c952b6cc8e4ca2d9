"""hermes_lab without a server: the executor, the supervised runner and the reader of scraps."""

from __future__ import annotations

import asyncio
import cProfile
import io
import json
import pstats
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from benchmarks.drivers.loop import Answer, serve, timed
from hermes_lab import NotebookExecutor, read_scraps_of_folder
from hermes_lab.model.payload import new_id
from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import ExecuteNotebook, ExecutionEvent, Sandbox
from hermes_lab.runner.supervisor import SupervisedRunner

_LINES_OF_A_PROFILE = 45
_FUNCTIONS = ("execute", "read_scraps", "first_reply", "cold_run", "profile", "close")


class Hermes:
    """One event loop, and a supervised runner that lives as long as this process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._runner: SupervisedRunner | None = None

    def execute(self, input_path: str, output_path: str) -> Answer:
        """Execute a notebook in this process."""
        return timed(lambda: self._wait_for(_execute(input_path, output_path)))

    def read_scraps(self, folder: str) -> Answer:
        """Read the scraps of a folder of notebooks."""
        return timed(lambda: read_scraps_of_folder(Path(folder)))

    def first_reply(self, input_path: str, output_path: str) -> Answer:
        """Execute a notebook in the supervised runner: the seconds until its first cell has ended, and to its end."""
        if self._runner is None:
            self._runner = SupervisedRunner(warm_kernels=2)
            self._wait_for(self._runner.start())
        answer: Answer = self._wait_for(_first_reply(self._runner, _request(Path(input_path), output_path)))
        return answer

    def cold_run(self, input_path: str, output_path: str, scratch_folder: str | None) -> Answer:
        """Execute a notebook in this process, with a kernel that nobody kept ready; in the sandbox where a folder is
        given for it."""
        sandbox = Sandbox(scratch_folder=scratch_folder) if scratch_folder else None
        request = _request(Path(input_path), output_path).model_copy(update={"sandbox": sandbox})
        return timed(lambda: self._wait_for(_cold_run(request)))

    def profile(self, of: str, arguments: dict[str, Any]) -> Answer:
        """Call a function under cProfile; the profile as text."""
        profiler, text = cProfile.Profile(), io.StringIO()
        profiler.runcall(getattr(self, of), **arguments)
        pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(_LINES_OF_A_PROFILE)
        return {"profile": text.getvalue()}

    def close(self) -> Answer:
        """End the runner."""
        if self._runner is not None:
            self._wait_for(self._runner.close())
        return {}

    def _wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)


async def _execute(input_path: str, output_path: str) -> None:
    executor = NotebookExecutor()
    result = await executor.execute(input_path, output_path)
    await executor.close()
    if result["status"] != "success":
        raise RuntimeError(f"The benchmark's notebook failed: {result['failed_cell']}")


async def _cold_run(request: ExecuteNotebook) -> None:
    runner = InProcessRunner()
    ended = await runner.execute(request, lambda _event: None)
    await runner.close()
    if ended.state != "completed":
        raise RuntimeError(f"The benchmark's notebook failed: {ended.message}")


def _request(input_path: Path, output_path: str) -> ExecuteNotebook:
    notebook = json.loads(input_path.read_bytes())
    folder = str(input_path.parent)
    return ExecuteNotebook(run_id=new_id(), notebook=notebook, output_path=output_path, working_folder=folder)


async def _first_reply(runner: SupervisedRunner, request: ExecuteNotebook) -> Answer:
    ends: list[float] = []

    def hear(event: ExecutionEvent) -> None:
        if event.kind == "progressed" and any(cell.state == "completed" for cell in event.cells):
            ends.append(time.perf_counter())

    began = time.perf_counter()
    ended = await runner.execute(request, hear)
    if ended.state != "completed":
        raise RuntimeError(f"The benchmark's notebook failed: {ended.message}")
    return {"seconds": ends[0] - began, "seconds_to_end": time.perf_counter() - began}


if __name__ == "__main__":
    hermes = Hermes()
    serve({name: getattr(hermes, name) for name in _FUNCTIONS})
