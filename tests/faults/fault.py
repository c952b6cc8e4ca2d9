"""What a row of the table of faults says: what goes wrong, how, and what must have become of the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.faults.scene import Scene
from tests.written_notebooks import Json, notebook

Door = Literal["runner", "command", "server"]
"""Who is asked for the run: the runner itself, `jupyter hermes run`, or a server over HTTP."""

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@dataclass(frozen=True)
class Expected:
    """What must have become of a run that met the fault.

    ``cells`` are the states of the code cells in their order; null where no run was made. ``failed_cell`` is the id
    and the ``ename`` of the cell that is to blame. ``within`` is how many seconds after the fault the run must have
    ended, on a busy machine: what the product promises (an interrupt's grace, a heartbeat's patience), and a margin.
    ``output`` is what must be at the output path: a ``valid`` notebook, or ``missing``: nothing was written.
    """

    state: Literal["completed", "failed", "cancelled", "refused"]
    cause: str | None
    cells: tuple[str, ...] | None
    within: float
    failed_cell: tuple[str, str] | None = None
    output: Literal["valid", "missing"] = "valid"
    prints: dict[str, str] = field(default_factory=dict)
    """What single cells of the output notebook have on their standard streams."""
    output_bytes: dict[str, int] = field(default_factory=dict)
    """How many bytes single cells are said to have written."""
    growth: int | None = None
    """How many bytes of memory the runner may need for it."""
    foreign: str | None = None
    """What somebody else wrote at the output path meanwhile; it must be there, and the output beside it."""
    refusal: str | None = None
    """With which code a second request that came in between was refused."""


@dataclass(frozen=True)
class Fault:
    """One row. ``name`` says what goes wrong; it is the id of the test and the first column of docs/faults.md.

    ``text`` is a notebook file that is not made of ``cells``. ``strikes`` does from outside what the cells do not do
    themselves; it runs in a thread of its own. ``confined`` gives the words that go before a command so that it
    meets a machine with the fault. ``request`` are fields of `ExecuteNotebook`.
    """

    name: str
    expected: Expected
    cells: tuple[Json, ...] = ()
    text: str | None = None
    strikes: Callable[[Scene], None] | None = None
    confined: Callable[[Scene], list[str]] | None = None
    request: dict[str, Any] = field(default_factory=dict)
    output: str = "out/out.ipynb"
    """Where the output notebook is to go, from the folder of the input."""
    door: Door = "runner"
    with_papermill: bool = True
    """Whether papermill can meet this fault at all."""
    papermill_seconds: float = 60.0
    """After how many seconds without an end papermill counts as one that hangs."""

    def __str__(self) -> str:
        return self.name

    @property
    def file(self) -> str:
        """The input notebook's file."""
        return self.text if self.text is not None else json.dumps(notebook(*self.cells, **PYTHON), indent=1)
