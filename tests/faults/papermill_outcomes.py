"""What papermill makes of the same faults: the second column of docs/faults.md.

    python -m tests.faults.papermill_outcomes             every row; about ten minutes
    python -m tests.faults.papermill_outcomes os._exit    the rows whose names hold one of these words

Writes `tests/faults/papermill_outcomes.json`. Each row runs `papermill.execute_notebook` in a process of its own, in a
folder of its own, and is killed when it has not ended in time.
"""

from __future__ import annotations

import importlib.metadata
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.faults.fault import Fault
from tests.faults.scene import MARK, Scene, code_cells, printed, verdict
from tests.faults.table import FAULTS, install_kernel_specs
from tests.servers import isolated_environment
from tests.written_notebooks import Json

FILE = Path(__file__).with_suffix(".json")
_AT_A_TIME = 2
_LINGER_SECONDS = 5.0
"""How long a process may take to go away after papermill has ended, before it counts as one that outlived the run."""
_LOOK_AGAIN_SECONDS = 0.1
HANGS = "hangs"
_EXECUTES = """
import json, pathlib, sys
import papermill
request = json.loads(sys.argv[1])
try:
    papermill.execute_notebook(**request, progress_bar=False)
except BaseException as error:
    pathlib.Path(sys.argv[2]).write_text(type(error).__name__)
    raise
pathlib.Path(sys.argv[2]).write_text("success")
"""


@dataclass(frozen=True)
class End:
    """An exception's name, ``success``, ``hangs``, or a signal; and how many bytes papermill held at most."""

    how: str
    memory: int


def outcome_of(fault: Fault, folder: Path) -> Json:
    """What papermill makes of a fault; ``folder`` is empty."""
    scene = Scene(folder / "scene", fault.output)
    scene.input.write_text(fault.file)
    confined = fault.confined(scene) if fault.confined else []
    if fault.output == "out/out.ipynb":
        scene.output.parent.mkdir(exist_ok=True)
    install_kernel_specs(folder / "kernels")
    try:
        return _outcome(fault, scene, confined)
    finally:
        scene.kill_all()
        scene.unmount()


def recorded() -> Json:
    """The outcomes as they were recorded: ``papermill`` is the version, ``outcomes`` are by the names of the rows."""
    found: Json = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def _outcome(fault: Fault, scene: Scene, confined: list[str]) -> Json:
    scene.ask_again = lambda: _end(fault, scene, confined, _lets_go).how
    end = _end(fault, scene, confined, fault.strikes)
    output = verdict(scene.output)
    return {
        "ended": end.how,
        "second": scene.second_answer,
        "cells": _statuses(scene.output) if output not in ("missing", "not JSON") else None,
        "output": output.partition(":")[0],
        "lost": _lost(fault, scene.output) if output == "valid" else None,
        "survivors": None if end.how == HANGS else _survivors(scene),
        "left_behind": scene.leftovers(),
        "memory": end.memory if end.memory > 500_000_000 else None,
    } | _of_somebody_else(fault, scene)


def _of_somebody_else(fault: Fault, scene: Scene) -> Json:
    """Whether what somebody else wrote at the output path meanwhile is gone."""
    foreign = fault.expected.foreign
    return {} if foreign is None else {"overwritten": scene.output.read_text() != foreign}


def _lets_go(scene: Scene) -> None:
    """A second run has come as far as the first: both may end."""
    scene.until(lambda: len((scene.folder / "pids").read_text().split()) == 2)
    scene.let_go()


def _lost(fault: Fault, output: Path) -> int:
    """How many characters of what the cells printed are not in their outputs."""
    cells = {cell.get("id"): printed(cell) for cell in code_cells(output)}
    wanted = {cell_id: len(text) for cell_id, text in fault.expected.prints.items()} | fault.expected.output_bytes
    return sum(max(0, length - len(cells[cell_id])) for cell_id, length in wanted.items())


def _end(fault: Fault, scene: Scene, confined: list[str], strikes: Callable[[Scene], None] | None) -> End:
    seconds = fault.request.get("cell_timeout_seconds") or fault.request.get("timeout_seconds")
    said = scene.folder.parent / f"said-{secrets.token_hex(4)}"
    request = {
        "input_path": str(scene.input),
        "output_path": str(scene.output),
        "kernel_name": fault.request.get("kernel_name"),
        "start_timeout": int(fault.request.get("limits", {}).get("start_seconds", 60)),
        "execution_timeout": None if seconds is None else int(seconds),
    }
    home = scene.folder.parent
    kernels = str(home / "kernels")
    # What it says goes to a file: children that outlive the kernel would hold a pipe open.
    papermill = subprocess.Popen(
        [*confined, sys.executable, "-c", _EXECUTES, json.dumps(request), str(said)],
        cwd=scene.folder,
        env=isolated_environment(home / "home") | {MARK: scene.mark, "JUPYTER_PATH": kernels, "PYTHONPATH": kernels},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if strikes is not None:
        scene.executor = psutil.Process(papermill.pid)
        strikes(scene)
    return _waited_for(papermill, said, fault.papermill_seconds)


def _waited_for(papermill: subprocess.Popen[bytes], said: Path, seconds: float) -> End:
    memory = 0
    process = psutil.Process(papermill.pid)
    for _ in range(int(seconds / _LOOK_AGAIN_SECONDS)):
        try:
            memory = max(memory, process.memory_info().rss)
            papermill.wait(_LOOK_AGAIN_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        if papermill.returncode < 0:
            return End(f"killed by signal {-papermill.returncode}", memory)
        return End(said.read_text() if said.exists() else f"exit status {papermill.returncode}", memory)
    papermill.kill()
    papermill.wait()
    return End(HANGS, memory)


def _statuses(output: Path) -> list[str | None]:
    """papermill's word for each code cell."""
    return [cell["metadata"].get("papermill", {}).get("status") for cell in code_cells(output)]


def _survivors(scene: Scene) -> int:
    try:
        scene.until(lambda: not scene.alive(), _LINGER_SECONDS)
    except TimeoutError:
        return len(scene.alive())
    return 0


def _measured(fault: Fault) -> Json:
    with tempfile.TemporaryDirectory(prefix="papermill-") as folder:
        outcome = outcome_of(fault, Path(folder))
    sys.stdout.write(f"{fault.name}: {json.dumps(outcome)}\n")
    sys.stdout.flush()
    return outcome


def main(words: list[str]) -> None:
    """Measure the rows whose names hold one of the words, and record them beside those measured before."""
    rows = [row for row in FAULTS if row.with_papermill and (not words or any(word in row.name for word in words))]
    outcomes = recorded()["outcomes"] if FILE.exists() else {}
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for row, outcome in zip(rows, pool.map(_measured, rows), strict=True):
            outcomes[row.name] = outcome
            in_order = {fault.name: outcomes[fault.name] for fault in FAULTS if fault.name in outcomes}
            record = {"papermill": importlib.metadata.version("papermill"), "outcomes": in_order}
            FILE.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
