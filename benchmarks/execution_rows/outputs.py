"""Cells with large outputs, which papermill writes to disk again with every cell that follows."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Figure, at_most
from benchmarks.notebooks import large_outputs, trivial_cells
from benchmarks.place import Driver, Place
from benchmarks.turns import interleaved

CELLS = 100


def measure(place: Place, repetitions: int) -> list[Figure]:
    """The processor time of the client, without the kernel's."""
    notebook = large_outputs(place.folder / "large.ipynb", CELLS)
    hermes, incumbent = place.hermes(), place.incumbent()

    def cpu_seconds(driver: Driver, of: Path = notebook) -> float:
        answer = driver.call("execute", input_path=str(of), output_path=str(place.new_output()))
        return float(answer["cpu_seconds"])

    for driver in (hermes, incumbent):
        cpu_seconds(driver, trivial_cells(place.folder / "trivial.ipynb", 1))
    ours, theirs = interleaved(
        repetitions, lambda: cpu_seconds(hermes), lambda: cpu_seconds(incumbent), rehearsed=False
    )
    operation = f"{CELLS} cells x 100 kB of output, client CPU vs papermill API"
    return [Figure("outputs", operation, "s", at_most(0.05), ours, theirs)]


def profile(place: Place) -> None:
    """Executing it in one process."""
    notebook = large_outputs(place.folder / "large.ipynb", CELLS)
    place.profile("execute", input_path=str(notebook), output_path=str(place.new_output()))
