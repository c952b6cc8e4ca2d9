"""Three ways to ask for a run that will meet a fault. Each answers with an `Outcome`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from hermes_lab.engines import notebook_format
from hermes_lab.runner.supervisor import SupervisedRunner
from tests.clients import Client
from tests.faults.fault import Fault
from tests.faults.outcome import Outcome, differences
from tests.faults.scene import MARK, Scene, code_cells
from tests.run_requests import Bench, runner_processes, until
from tests.servers import isolated_environment
from tests.written_notebooks import Json, code

EXIT_CODES = {
    None: 0,
    "cell_error": 1,
    "output_unwritable": 2,
    "kernel_died": 3,
    "unresponsive": 3,
    "kernel_failed_to_start": 3,
    "kernel_not_found": 3,
    "timed_out": 4,
}
"""Of `jupyter hermes run`: 0 ok, 1 cell error, 2 usage, 3 kernel, 4 timeout (issue 3)."""
_COMMAND_SECONDS = 120
_A_HANG = 20.0
"""Seconds after its deadline at which a run is not waited for any longer."""


async def endured_by_a_runner(fault: Fault, scene: Scene, runner: SupervisedRunner) -> list[str]:
    """In what a run differs from what the table says of it; and whether the runner executes the next one."""
    asked_at = time.time()
    outcome = await through_the_runner(fault, scene, runner)
    found = differences(fault.expected, outcome, scene, asked_at=asked_at)
    after, _ = await Bench(runner, scene.folder).run(code("next", "print('next')"))
    return found if after.state == "completed" else [*found, f"the next run: {after.state}, {after.message}"]


async def through_the_runner(fault: Fault, scene: Scene, runner: SupervisedRunner) -> Outcome:
    """Ask a supervised runner, as a server does."""
    scene.input.write_text(fault.file)
    (process,) = await until(runner_processes)
    scene.executor = process
    asked = Bench(runner, scene.folder).start(
        notebook=notebook_format.parse(fault.file),
        output_path=str(scene.output),
        environment={MARK: scene.mark},
        **fault.request,
    )
    before = MemoryPeak(process.pid)
    if fault.strikes is not None:
        await asyncio.to_thread(fault.strikes, scene)
    assert asked.task is not None
    await asyncio.wait({asked.task}, timeout=fault.expected.within + _A_HANG)
    hangs = not asked.task.done()
    if hangs:
        await runner.cancel(asked.request.run_id)
        scene.kill_all()
    outcome = Outcome.of((await asked.ended()).model_dump(mode="json"), growth=before.growth())
    return replace(outcome, state="hangs") if hangs else outcome


def through_the_command(fault: Fault, scene: Scene) -> Outcome:
    """Ask `jupyter hermes run`."""
    scene.input.write_text(fault.file)
    confined = fault.confined(scene) if fault.confined else []
    arguments = ["run", str(scene.input), "-o", str(scene.output), "--json"]
    environment = isolated_environment(scene.folder.parent / "home") | {MARK: scene.mark}
    ended = subprocess.run(
        [*confined, sys.executable, "-m", "hermes_lab.cli", *arguments],
        cwd=scene.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
    )
    assert ended.stdout, ended.stderr
    answer = json.loads(ended.stdout)
    assert ended.returncode == EXIT_CODES[answer["cause"]], ended.stderr
    failed = answer.get("failed_cell")
    states = (
        [cell["metadata"]["hermes"]["status"] for cell in code_cells(scene.output)] if scene.output.exists() else []
    )
    return Outcome(
        state=answer["state"],
        cause=answer["cause"],
        message=answer["message"],
        cells=tuple(states) if states else None,
        failed_cell=(failed["cell_id"], failed["ename"]) if failed else None,
        ended_at=time.time(),
    )


def through_a_server(fault: Fault, scene: Scene, ask: Client, path_of: Path) -> Outcome:
    """Ask a server over HTTP; ``path_of`` is its root folder."""
    scene.input.write_text(fault.file)
    asked = {
        "input_path": scene.input.relative_to(path_of).as_posix(),
        "output_path": scene.output.relative_to(path_of).as_posix(),
    }

    def again() -> str:
        return str(ask.post("runs", asked).json()["code"])

    scene.ask_again = again
    created = ask.post("runs", asked)
    if not created.ok:
        refused: Json = created.json()
        return Outcome("refused", refused["code"], refused["message"], None, None, time.time())
    with ThreadPoolExecutor(1) as elsewhere:
        striking = elsewhere.submit(fault.strikes, scene) if fault.strikes else None
        if striking is not None:
            striking.result()
    return Outcome.of(ask.wait_until_ended(created))


class MemoryPeak:
    """The most memory that a process holds from now on."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # forget the peak until now
        self._before = self._bytes("VmRSS")

    def growth(self) -> int | None:
        """By how many bytes the process has grown at most; null where it is gone."""
        try:
            return self._bytes("VmHWM") - self._before
        except (OSError, StopIteration):  # it has ended; one that nobody has waited for yet has no memory any more
            return None

    def _bytes(self, name: str) -> int:
        line = next(line for line in self._status.read_text().splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) * 1024
