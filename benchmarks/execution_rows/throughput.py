"""Many runs at once, as when a schedule or a sweep over parameters asks for them."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import mean

from benchmarks.execution_rows.warm_server import CELLS
from benchmarks.figures import Figure, at_least
from benchmarks.notebooks import trivial_cells
from benchmarks.place import Place
from benchmarks.turns import interleaved
from tests.clients import Client

_RUNS = 20
_RUNS_OF_PAPERMILL = 2
"""In each repetition; one after another they take the same time each."""
_AT_ONCE = 2


def measure(place: Place, repetitions: int) -> list[Figure]:
    """Runs a minute: asked for all at once of a server, against papermill processes one after another."""
    notebook = trivial_cells(place.folder / "trivial.ipynb", CELLS)
    _, client = place.server(max_concurrent_runs=_AT_ONCE)
    ours, bare, jupyterlab = interleaved(
        repetitions,
        lambda: _runs_per_minute(client, notebook.name),
        lambda: _processes_per_minute(place, "bare", notebook),
        lambda: _processes_per_minute(place, "jupyterlab", notebook),
    )
    operation = f"runs of {CELLS} cells, {_AT_ONCE} at a time, vs papermill processes one after another"
    return [
        Figure("throughput", f"{operation}, beside JupyterLab", "/min", at_least(4), ours, jupyterlab),
        Figure("throughput", f"{operation}, bare", "/min", at_least(4), ours, bare),
    ]


def _processes_per_minute(place: Place, environment: str, notebook: Path) -> float:
    commands = range(_RUNS_OF_PAPERMILL)
    seconds = [place.command(environment, "papermill", notebook, place.new_output()) for _ in commands]
    return 60 / mean(seconds)


def _runs_per_minute(client: Client, input_path: str) -> float:
    began = time.perf_counter()
    asked = [client.post("runs", input_path=input_path) for _ in range(_RUNS)]
    for run in asked:
        ended = client.wait_until_ended(run)
        assert ended["state"] == "completed", ended
    return 60 * _RUNS / (time.perf_counter() - began)
