"""A server that has been running for a while executes a notebook of 20 trivial cells."""

from __future__ import annotations

import time

from benchmarks.figures import Figure, at_most
from benchmarks.notebooks import trivial_cells
from benchmarks.place import Place
from benchmarks.turns import interleaved
from tests.clients import Client

CELLS = 20
_SECONDS_TO_REST = 1.0
"""Between two runs: a server refills what it keeps ready while nobody waits for it."""


def measure(place: Place, repetitions: int) -> list[Figure]:
    """From the POST to the answer that the run has ended, against `papermill` at a terminal."""
    notebook = trivial_cells(place.folder / "trivial.ipynb", CELLS)
    _, client = place.server()
    ours, bare, jupyterlab = interleaved(
        repetitions,
        lambda: _rested_run(client, notebook.name),
        lambda: place.command("bare", "papermill", notebook, place.new_output()),
        lambda: place.command("jupyterlab", "papermill", notebook, place.new_output()),
    )
    operation = f"{CELLS} trivial cells, warm server vs papermill command"
    return [
        Figure("warm-server", f"{operation}, beside JupyterLab", "s", at_most(0.12), ours, jupyterlab),
        Figure("warm-server", f"{operation}, bare", "s", at_most(0.20), ours, bare),
    ]


def _rested_run(client: Client, input_path: str) -> float:
    time.sleep(_SECONDS_TO_REST)
    return run(client, input_path)


def run(client: Client, input_path: str) -> float:
    """The seconds from asking for a run to hearing of its end."""
    began = time.perf_counter()
    ended = client.wait_until_ended(client.post("runs", input_path=input_path))
    seconds = time.perf_counter() - began
    assert ended["state"] == "completed", ended
    return seconds


def profile(place: Place) -> None:
    """The runner's share of it, in one process."""
    notebook = trivial_cells(place.folder / "trivial.ipynb", CELLS)
    place.profile("execute", input_path=str(notebook), output_path=str(place.new_output()))
