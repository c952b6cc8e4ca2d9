"""How a run can end, in the words of the design: state, cause, and the cell that ended it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hermes_lab.model.payload import JsonObject
from hermes_lab.model.runs import Cause, CellState, FailedCell

StopReason = Literal["cancelled", "timed_out", "interrupted"]
EndState = Literal["completed", "failed", "cancelled"]
KERNEL_DIED = "KernelDied"
CELL_TIMEOUT = "CellTimeout"
KERNEL_UNRESPONSIVE = "KernelUnresponsive"
_SUCCESSFUL_EXITS = {"", "0", "None"}
"""What `sys.exit()` raises when it means success; papermill ends such a run there, and calls it good."""


@dataclass(frozen=True)
class Outcome:
    """The end of a run."""

    state: EndState
    cause: Cause | None = None
    message: str | None = None
    failed_cell: FailedCell | None = None


@dataclass(frozen=True)
class CellOutcome:
    """The end of one cell; ``ends_run`` is null where the run goes on, ``failed_cell`` says what was wrong with it."""

    state: CellState
    ends_run: Outcome | None = None
    failed_cell: FailedCell | None = None


def failed(cause: Cause, message: str, failed_cell: FailedCell | None = None) -> Outcome:
    """A failed run."""
    return Outcome("failed", cause, message, failed_cell)


def from_reply(reply: JsonObject, cell: FailedCell, *, expected: bool, allowed: bool) -> CellOutcome:
    """What a kernel's reply to a cell means. ``cell`` says which one it was.

    An error that the notebook itself expects (tag `raises-exception`) is what was to happen: the cell is
    `completed`. One that the run allows is a failure all the same, after which the run goes on.
    """
    if reply["status"] == "ok":
        return CellOutcome("completed")
    ename, evalue = reply.get("ename", "Error"), reply.get("evalue", "")
    if expected:
        return CellOutcome("completed")
    if ename == "SystemExit" and evalue in _SUCCESSFUL_EXITS:
        message = f"Cell {cell.index + 1} ended the run with sys.exit(); the cells after it were not run."
        return CellOutcome("completed", Outcome("completed", message=message))
    at = cell.model_copy(update={"ename": ename, "evalue": evalue, "traceback": list(reply.get("traceback") or [])})
    if allowed:
        return CellOutcome("failed", failed_cell=at)
    return CellOutcome("failed", failed("cell_error", f"Cell {cell.index + 1} raised {ename}: {evalue}", at), at)


def kernel_died(cell: FailedCell, how: str, *, while_running: bool) -> CellOutcome:
    """The kernel ended by itself; a cell that had not begun stays `not_run`."""
    when = "while it executed this cell" if while_running else "before this cell began"
    at = cell.model_copy(update={"ename": KERNEL_DIED, "evalue": f"The kernel died {when}: {how}."})
    outcome = failed("kernel_died", f"The kernel died at cell {cell.index + 1}: {how}.", at)
    return CellOutcome("died" if while_running else "not_run", outcome)


def unresponsive(cell: FailedCell, seconds: float, *, while_running: bool) -> CellOutcome:
    """The kernel lives and does not answer: it was stopped, or the machine has no memory to run it."""
    message = f"The kernel has not answered for {seconds:g} seconds, though its process lives."
    at = cell.model_copy(update={"ename": KERNEL_UNRESPONSIVE, "evalue": message})
    outcome = failed("unresponsive", f"The kernel froze at cell {cell.index + 1}: {message}", at)
    return CellOutcome("died" if while_running else "not_run", outcome)


def stopped(reason: StopReason, message: str, cell: FailedCell | None = None) -> CellOutcome:
    """The run was ended from outside; ``cell`` was running then."""
    if reason == "cancelled":
        return CellOutcome("cancelled", Outcome("cancelled", message=message))
    if reason == "interrupted":
        return CellOutcome("cancelled", failed("interrupted", message))
    at = cell.model_copy(update={"ename": CELL_TIMEOUT, "evalue": message}) if cell else None
    return CellOutcome("failed", failed("timed_out", message, at))


def cell_timed_out(cell: FailedCell, seconds: float) -> CellOutcome:
    """The cell took longer than each cell may."""
    message = f"Cell {cell.index + 1} took longer than the {seconds:g} seconds that each cell may take."
    at = cell.model_copy(update={"ename": CELL_TIMEOUT, "evalue": message})
    return CellOutcome("failed", failed("timed_out", message, at))


def unwritable(error: OSError) -> Outcome:
    """The output notebook, or what belongs to it, could not be written."""
    return failed("output_unwritable", f"The output notebook cannot be written: {error}")
