"""What the walls around a kernel cost a run."""

from __future__ import annotations

import sys

from benchmarks.figures import Figure, Goal
from benchmarks.notebooks import trivial_cells
from benchmarks.place import Driver, Place
from benchmarks.turns import interleaved
from hermes_lab.engines.sandbox_probe import probe


def measure(place: Place, repetitions: int) -> list[Figure]:
    """A run of one cell in the sandbox, against the same run outside; both start their kernel."""
    if not probe().works:
        print(f"there is no sandbox here: {probe().reason}", file=sys.stderr)
        return []
    hermes = place.hermes()
    inside, outside = interleaved(
        repetitions, lambda: _run(place, hermes, sandboxed=True), lambda: _run(place, hermes, sandboxed=False)
    )
    return [Figure("sandbox", "a run of one cell, in the sandbox vs without it", "ms", Goal(), inside, outside)]


def _run(place: Place, hermes: Driver, *, sandboxed: bool) -> float:
    notebook = trivial_cells(place.folder / "scratch" / "one.ipynb", 1)
    scratch = str(notebook.parent) if sandboxed else None
    arguments = {"input_path": str(notebook), "output_path": str(place.new_output())}
    return 1000 * float(hermes.call("cold_run", **arguments, scratch_folder=scratch)["seconds"])
