"""One cell from a terminal: mostly the time that a program takes to start."""

from __future__ import annotations

import subprocess

from benchmarks.figures import Figure, at_most
from benchmarks.notebooks import trivial_cells
from benchmarks.place import Place
from benchmarks.turns import interleaved


def measure(place: Place, repetitions: int) -> list[Figure]:
    """`jupyter hermes run` against `papermill`, both beside JupyterLab."""
    notebook = trivial_cells(place.folder / "one.ipynb", 1)
    ours, theirs = interleaved(
        repetitions,
        lambda: place.command("ours", "jupyter", "hermes", "run", notebook, "-o", place.new_output()),
        lambda: place.command("jupyterlab", "papermill", notebook, place.new_output()),
    )
    operation = "jupyter hermes run vs papermill command, one cell, beside JupyterLab"
    return [Figure("command", operation, "s", at_most(0.5), ours, theirs)]


def profile(place: Place) -> None:
    """What is imported, and how long that takes."""
    notebook = trivial_cells(place.folder / "one.ipynb", 1)
    program = [str(place.python("ours")), "-X", "importtime", "-m", "hermes_lab.cli"]
    subprocess.run(
        [*program, "run", str(notebook), "-o", str(place.new_output())], env=place.variables("ours"), check=True
    )
