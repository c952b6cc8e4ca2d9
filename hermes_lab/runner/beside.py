"""Names for the output notebook of a run whose own file somebody else has written meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

_ID_LENGTH = 8
_STEM_BYTES = 180
"""What a name may have of the other one, so that a temporary file's name, which is longer, is none too long."""


def names_beside(path: Path, run_id: str) -> Iterator[str]:
    """``report (run 1f2e3d4c).ipynb`` for ``report.ipynb``, and others should that be taken."""
    first = f"{_start(path, run_id)}){path.suffix}"
    yield first
    for number in itertools.count(2):
        yield f"{_start(path, run_id)}, {number}){path.suffix}"


def lies_beside(path: Path, run_id: str) -> bool:
    """Whether the run has written a notebook beside this one."""
    start = _start(path, run_id)
    return any(each.name.startswith(start) and each.suffix == path.suffix for each in path.parent.iterdir())


def _start(path: Path, run_id: str) -> str:
    stem = path.stem.encode()[:_STEM_BYTES].decode("utf-8", "ignore")
    return f"{stem} (run {run_id[:_ID_LENGTH]}"
