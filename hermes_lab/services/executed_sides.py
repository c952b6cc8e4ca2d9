"""One of the executions that evidence is made of, when it has ended: all that a comparison may look at."""

from __future__ import annotations

from dataclasses import dataclass

from hermes_lab.engines.file_listings import Listing
from hermes_lab.model.evidence_comparisons import SideName
from hermes_lab.model.payload import Notebook
from hermes_lab.model.runs import Run


@dataclass(frozen=True)
class ExecutedSide:
    """``run`` as it ended; ``notebook`` is its output notebook, normalised, with the cell that parameters were
    injected with and papermill's marks of an error, null where none was written. ``files_before`` is what its scratch
    folder held before the first cell, ``files_after`` what it held when nothing of the run was left."""

    name: SideName
    run: Run
    notebook: Notebook | None
    files_before: Listing
    files_after: Listing
