"""Runs as they are: read, followed, listed, cancelled. How they come about is in run_admissions.py."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from pathlib import Path

from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.regular_files import read_regular
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import InvalidRequest, NotAllowed, NotFound
from hermes_lab.model.payload import Notebook, Page
from hermes_lab.model.run_events import FollowRun, RunEvent
from hermes_lab.model.run_records import GetRunRecord, RunRecord
from hermes_lab.model.runs import (
    ENDED,
    CancelRun,
    GetRun,
    GetRunCell,
    GetRunNotebook,
    ListRuns,
    Run,
    RunCell,
    RunNotebook,
)
from hermes_lab.services.events import Events
from hermes_lab.services.executions import Executions
from hermes_lab.services.run_places import RunPlaces
from hermes_lab.services.run_records import RunRecords
from hermes_lab.store import Store

_log = logging.getLogger(__name__)
_EVENTS_IN_A_PORTION = 100
_HEARTBEAT_SECONDS = 15.0
"""A connection on which nothing comes for long is taken for dead, by proxies among others."""


class Runs:
    """Read, follow, list and cancel runs."""

    def __init__(
        self, store: Store, events: Events, places: RunPlaces, executions: Executions, records: RunRecords
    ) -> None:
        self._store = store
        self._events = events
        self._places = places
        self._executions = executions
        self._records = records

    async def get(self, _actor: Actor, request: GetRun) -> Run:
        """The run; with ``wait``, at its next change.

        Raises:
            NotFound: there is no such run.
        """

        def read() -> Run:
            return self._executions.known(request.run_id)

        if request.until == "changed":
            return await self._events.latest("runs", request.run_id, request, _has_ended, read)
        run_id = read().run_id
        await self._events.until("runs", run_id, request.wait, lambda: self._executions.has_ended(run_id))
        return read()

    async def follow(self, _actor: Actor, request: FollowRun) -> AsyncGenerator[list[RunEvent], None]:
        """The run's events after that one, as they happen, in portions; an empty portion where none came for a while.
        The last one ends it. Events come from the store, so that a slow reader needs no memory.

        Raises:
            NotFound: there is no such run.
        """
        run_id, after = self._executions.known(request.run_id).run_id, request.after
        is_first = True
        while True:
            portion = self._store.run_events.after(run_id, after, _EVENTS_IN_A_PORTION)
            if portion:
                yield portion
                after = portion[-1].sequence
            elif self._executions.has_ended(run_id):
                return
            # Nothing is awaited between looking and waiting: no change is missed.
            elif is_first or not await self._events.changed("runs", run_id, _HEARTBEAT_SECONDS):
                yield []
            is_first = False

    async def list(self, _actor: Actor, request: ListRuns) -> Page[Run]:
        """Runs, newest first."""
        page = self._store.runs.page(
            request.limit, request.cursor, state=request.state, input_path=request.path, origin=request.origin
        )
        return page.model_copy(update={"items": [self._executions.current(run) for run in page.items]})

    async def cancel(self, actor: Actor, request: CancelRun) -> Run:
        """Stop the run and everything that its kernel started. A run that has ended stays as it ended.

        Raises:
            NotFound: there is no such run.
            NotAllowed: agents cancel their own runs alone.
        """
        run = self._executions.known(request.run_id)
        if actor.kind != "human" and run.author != actor.author:
            raise NotAllowed("This run is somebody else's.", code="not_the_author", field="run_id")
        if run.state in ENDED:
            return run
        self._store.audit.append(actor.author, "cancel_run", run.run_id)
        await self._executions.cancel(run.run_id)
        return self._executions.known(run.run_id)

    async def notebook(self, _actor: Actor, request: GetRunNotebook) -> RunNotebook:
        """The run's output notebook as it is now, while the run goes on too.

        Raises:
            NotFound: there is no such run, or it has written nothing yet.
        """
        run = self._executions.known(request.run_id)
        return RunNotebook(run_id=run.run_id, path=run.output_path or "", notebook=await self._output_of(run))

    async def cell(self, _actor: Actor, request: GetRunCell) -> RunCell:
        """One cell of the run's output notebook as it is now.

        Raises:
            NotFound: there is no such run, it has written nothing yet, or it has no such cell.
        """
        run = self._executions.known(request.run_id)
        for index, cell in enumerate((await self._output_of(run))["cells"]):
            if cell["id"] == request.cell_id:
                timing = next((each for each in run.cells if each.cell_id == request.cell_id), None)
                return RunCell(run_id=run.run_id, index=index, cell=cell, timing=timing)
        raise NotFound("The run has no such cell.", code="no_such_cell", field="cell_id")

    async def record(self, _actor: Actor, request: GetRunRecord) -> RunRecord:
        """How the run was made, as far as it is known now.

        Raises:
            NotFound: there is no such run.
        """
        return self._records.record(self._executions.known(request.run_id))

    async def _output_of(self, run: Run) -> Notebook:
        if run.output_hash is not None:
            text = self._store.snapshots.get(run.output_hash)
            notebook = None if text is None else await asyncio.to_thread(parse, text, "run_id")
        else:
            notebook = await asyncio.to_thread(_written_so_far, self._places.output_file(run), run.run_id)
        if notebook is None:
            raise NotFound("The run has written no output yet.", code="no_output", field="run_id")
        return notebook


def _written_so_far(output: Path | None, run_id: str) -> Notebook | None:
    """The notebook in the file, if it is the run's: before it began, and when its runner was killed, that may be
    somebody else's, or nothing that is a notebook at all."""
    if output is None:
        return None
    try:
        notebook = parse(read_regular(output).decode("utf-8"), "run_id")
    except (OSError, UnicodeDecodeError, InvalidRequest) as error:
        _log.info("There is no output of the run %s at its place: %s", run_id, error)
        return None
    of_run = notebook["metadata"].get("hermes")
    return notebook if isinstance(of_run, dict) and of_run.get("run_id") == run_id else None


def _has_ended(run: Run) -> bool:
    return run.state in ENDED
