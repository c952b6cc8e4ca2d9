"""How much of their output the cells of a run may have in the notebook."""

from __future__ import annotations

from hermes_lab.runner.protocol import Limits


class RunBudget:
    """What is left for all cells, in bytes."""

    def __init__(self, limits: Limits) -> None:
        self.cell_limit = limits.cell_output_bytes
        self.room = limits.run_output_bytes

    def of_cell(self) -> CellBudget:
        """A cell's own share."""
        return CellBudget(self)


class CellBudget:
    """What is left for one cell, in bytes."""

    def __init__(self, run: RunBudget) -> None:
        self._run = run
        self._shown = 0

    @property
    def room(self) -> int:
        """How much more may be shown."""
        return max(0, min(self._run.cell_limit - self._shown, self._run.room))

    @property
    def reserve(self) -> int:
        """What a stream that is too long leaves for what comes after it."""
        return self._run.cell_limit // 10

    def take(self, size: int) -> None:
        """So much is shown; a negative size gives back."""
        self._shown += size
        self._run.room -= size

    def clear(self) -> None:
        """Nothing of the cell is shown any more."""
        self.take(-self._shown)
