"""How long a notebook waits for its kernel."""

from __future__ import annotations

import time

from benchmarks.figures import Figure, at_most
from benchmarks.notebooks import trivial_cells
from benchmarks.place import Place
from benchmarks.turns import interleaved

_SECONDS_TO_REFILL = 2.0


def measure(place: Place, repetitions: int) -> list[Figure]:
    """From asking the runner for a run to the end of its first cell, against starting a kernel."""
    notebook = trivial_cells(place.folder / "trivial.ipynb", 1)
    hermes, incumbent = place.hermes(), place.incumbent()

    def warm() -> float:
        time.sleep(_SECONDS_TO_REFILL)
        answer = hermes.call("first_reply", input_path=str(notebook), output_path=str(place.new_output()))
        return 1000 * float(answer["seconds"])

    ours, theirs = interleaved(repetitions, warm, lambda: 1000 * float(incumbent.call("first_reply")["seconds"]))
    operation = "first reply of a warm kernel vs cold start"
    return [Figure("first-reply", operation, "ms", at_most(0.08), ours, theirs)]
