"""The events of a run: every change of it, numbered, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from hermes_lab.model.payload import Payload, UtcTime
from hermes_lab.model.runs import Cause, CellTiming, Progress, Run, RunState

RunEventKind = Literal["queued", "started", "progressed", "ended"]


class RunEvent(Payload):
    """One change of a run. After `ended` nothing follows, and `get_run` has the result."""

    run_id: str
    sequence: int = Field(ge=1, description="The `version` that the run has after it")
    event: RunEventKind
    at: UtcTime
    state: RunState
    cause: Cause | None = None
    message: str | None = None
    queue_position: int | None = Field(default=None, description="While it waits for a free place: 1 is the next")
    progress: Progress
    cells: list[CellTiming] = Field(default_factory=list, description="The cells that changed; at the start, all")
    output_path: str | None = Field(
        default=None, description="Where the output notebook is from now on: somebody else wrote the one that it was"
    )


class FollowRun(Payload):
    """Which run to follow, and from where on."""

    run_id: str
    after: int = Field(
        default=0, ge=0, description="The last `sequence` that was seen; the header `Last-Event-ID` goes before it"
    )


def replayed(run: Run, events: Iterable[RunEvent]) -> Run:
    """The run as it is after these events, given in their order; those that it has seen already change nothing."""
    cells = {cell.cell_id: cell for cell in run.cells}
    fields: dict[str, Any] = {}
    for event in events:
        if event.sequence <= run.version:
            continue
        cells.update((cell.cell_id, cell) for cell in event.cells)
        fields |= {name: getattr(event, name) for name in ("state", "cause", "message", "queue_position", "progress")}
        fields["version"] = event.sequence
        if event.output_path is not None:
            fields["output_path"] = event.output_path
        if event.event in ("started", "ended"):
            fields[f"{event.event}_at"] = event.at
    return run.model_copy(update={**fields, "cells": list(cells.values())}) if fields else run
