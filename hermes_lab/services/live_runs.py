"""A run while it goes on: kept in memory, every change recorded before anybody is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from hermes_lab.model.payload import now
from hermes_lab.model.run_events import RunEvent, RunEventKind, replayed
from hermes_lab.model.runs import CellTiming, Run, RunState, check_transition
from hermes_lab.runner.protocol import (
    ExecutionEnded,
    ExecutionEvent,
    ExecutionProgressed,
    ExecutionQueued,
    ExecutionStarted,
)
from hermes_lab.services.events import Events
from hermes_lab.store import Snapshot, Store

_SECONDS_BETWEEN_TELLING = 0.5
"""Progress is told to everybody at most so often; those who wait for this one run are woken at each change."""


class LiveRun:
    """One run on its way. A change costs the same however many cells there are; looking at the run costs their number.

    ``show`` is called with the run when it starts, when it ends, and now and then in between. ``placed`` is set when
    the run has a place or knows its position before one, and when it needs none any more. ``api_path`` says how the
    server calls an output notebook by its file; null: the run's is not called by its file.
    """

    def __init__(
        self,
        run: Run,
        store: Store,
        events: Events,
        show: Callable[[Run], None],
        placed: asyncio.Event,
        api_path: Callable[[str], str] | None,
    ) -> None:
        self._api_path = api_path
        self._store = store
        self._events = events
        self._show = show
        self._placed = placed
        self._seen = run
        self._unseen: list[RunEvent] = []
        self._version = run.version
        self._progress = run.progress
        self._telling: asyncio.TimerHandle | None = None
        self.state: RunState = run.state
        self.queued_at: datetime | None = None

    @property
    def run(self) -> Run:
        """The run as it is now."""
        if self._unseen:
            self._seen = replayed(self._seen, self._unseen)
            self._unseen = []
        return self._seen

    def hear(self, event: ExecutionEvent) -> None:
        """Take in what the runner says."""
        match event:
            case ExecutionQueued(position=0):
                self._placed.set()
            case ExecutionQueued():
                self.queued_at = self.queued_at or now()
                self._record(self._next("queued", now(), queue_position=event.position))
                self._placed.set()
            case ExecutionStarted():
                fields = {"state": "running", "progress": event.progress, "cells": event.cells}
                self._keep(self._next("started", event.started_at, **fields))
            case ExecutionProgressed(output_path=str(moved_to)) if self._api_path is not None:
                fields = {"progress": event.progress, "cells": event.cells, "output_path": self._api_path(moved_to)}
                self._keep(self._next("progressed", now(), **fields))
            case ExecutionProgressed():
                self._record(self._next("progressed", now(), progress=event.progress, cells=event.cells))

    def end(self, ended: ExecutionEnded, output: Snapshot | None) -> Run:
        """The run has ended; answers it as it stays."""
        known = {cell.cell_id: cell for cell in self.run.cells}
        event = self._next(
            "ended",
            ended.ended_at,
            state=ended.state,
            cause=ended.cause,
            message=ended.message,
            progress=ended.progress,
            cells=[cell for cell in ended.cells if known.get(cell.cell_id) != cell],
        )
        output_hash = None if output is None else output.hash
        final = replayed(self.run, [event]).model_copy(update={"result": ended.result, "output_hash": output_hash})
        with self._store.transaction():
            if output is not None:
                self._store.snapshots.keep(output)
            self._store.run_events.append(event)
            self._store.runs.replace(final)
        self._take(event)
        self._seen, self._unseen = final, []
        self._placed.set()
        self._tell()
        return final

    def break_off(self, message: str) -> None:
        """Nobody hears of the run any more, and nobody must wait for it for ever."""
        ended = ExecutionEnded(
            run_id=self._seen.run_id,
            state="failed",
            cause="interrupted",
            message=message,
            ended_at=now(),
            progress=self._progress,
            cells=settled(self.run.cells),
        )
        self.end(ended, None)

    def _next(self, kind: RunEventKind, at: datetime, **fields: Any) -> RunEvent:
        fields = {"state": self.state, "progress": self._progress, **fields}
        check_transition(self._seen.run_id, self.state, fields["state"])
        return RunEvent(run_id=self._seen.run_id, sequence=self._version + 1, event=kind, at=at, **fields)

    def _keep(self, event: RunEvent) -> None:
        with self._store.transaction(durable=False):
            self._store.run_events.append(event)
            self._store.runs.replace(replayed(self.run, [event]))
        self._take(event)
        self._tell()

    def _record(self, event: RunEvent) -> None:
        self._store.run_events.append(event)
        self._take(event)
        self._events.wake("runs", event.run_id)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_SECONDS_BETWEEN_TELLING, self._tell)

    def _take(self, event: RunEvent) -> None:
        self._unseen.append(event)
        self._version, self.state, self._progress = event.sequence, event.state, event.progress

    def _tell(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        self._events.publish("runs", self._seen.run_id, self.state)
        self._show(self.run)


def settled(cells: list[CellTiming]) -> list[CellTiming]:
    """The cells of a run that was ended from outside: the one that was running did not come to its end."""
    return [cell.model_copy(update={"state": "cancelled"}) if cell.state == "running" else cell for cell in cells]
