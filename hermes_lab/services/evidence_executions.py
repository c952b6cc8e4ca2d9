"""Making evidence: base and proposal executed with the same parameters, each in a scratch copy of the folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hermes_lab.engines.file_listings import list_files
from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.scratch import remove_folder
from hermes_lab.model.errors import HermesError
from hermes_lab.model.evidence import Environment, Evidence, EvidenceRun
from hermes_lab.model.evidence_comparisons import SideName
from hermes_lab.model.payload import now
from hermes_lab.model.runs import Run
from hermes_lab.services.events import Events
from hermes_lab.services.evidence_policy import EvidencePolicy
from hermes_lab.services.evidence_sides import EvidenceSide, EvidenceSides
from hermes_lab.services.executed_sides import ExecutedSide
from hermes_lab.services.executions import Executions
from hermes_lab.services.kept_evidence import KeptEvidence
from hermes_lab.services.verdicts import judged
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS: Final = 30.0
"""At a proposal of which nobody said that it changed: another server may have changed it."""


@dataclass
class _Making:
    """Evidence on its way: the runs that have begun, and why no more is to begin, in words."""

    evidence_id: str
    run_ids: list[str] = field(default_factory=list)
    given_up: str | None = None


class EvidenceExecutions:
    """Executes what evidence is about, and keeps what it came to."""

    def __init__(
        self,
        store: Store,
        events: Events,
        kept: KeptEvidence,
        views: ProposalViews,
        sides: EvidenceSides,
        executions: Executions,
        policy: EvidencePolicy,
    ) -> None:
        self._store = store
        self._events = events
        self._kept = kept
        self._views = views
        self._sides = sides
        self._executions = executions
        self._policy = policy

    async def execute(self, evidence_id: str) -> None:
        """Make evidence that may be made. Whatever goes wrong, it ends and says why."""
        evidence = self._kept.get(evidence_id)
        self._kept.change(evidence_id, state="running", started_at=now())
        making = _Making(evidence_id)
        watching = asyncio.create_task(self._end_with_proposal(making, evidence.proposal_id))
        try:
            fields = await self._made(making, evidence)
        except HermesError as error:
            fields = _failed(error.message)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody must wait for this evidence for ever
            _log.exception("The evidence %s could not be made.", evidence_id)
            fields = _failed(f"It could not be made: {error}")
        finally:
            watching.cancel()
        self._kept.change(evidence_id, **fields, ended_at=now())

    async def expire(self, evidence_id: str) -> None:
        """End evidence that waits for a person, when its proposal ends before anybody answers."""
        evidence = self._kept.get(evidence_id)
        while evidence.awaiting_approval:
            if (ended := await self._proposal_ended(evidence.proposal_id)) is not None:
                evidence = self._kept.get(evidence_id)
                if evidence.awaiting_approval:
                    self._kept.change(evidence_id, **_failed(ended), awaiting_approval=False, ended_at=now())
                return
            evidence = self._kept.get(evidence_id)

    async def _made(self, making: _Making, evidence: Evidence) -> dict[str, Any]:
        """The fields of the evidence as it ends."""
        proposal = self._views.stored(evidence.proposal_id)
        scratch = self._policy.scratch_folder / making.evidence_id
        try:
            sides, notes = await self._sides.prepared(evidence, proposal, scratch)
            ended = await self._executed(making, sides)
        finally:
            await asyncio.to_thread(remove_folder, scratch)
        of_sides = {side.name: environment for side, environment in ended}
        environments = _environments(of_sides)
        if making.given_up is not None or len(ended) < len(sides):
            return {**environments, **_failed(making.given_up or "It was stopped."), "notes": notes}
        if environments["base_environment"] is not None:
            notes.append("The base ran in another environment than the proposal: what differs may come from that.")
        found = await asyncio.to_thread(judged, [side for side, _ in ended])
        return {**environments, **found, "notes": [*notes, *found.get("notes", [])]}

    async def _executed(
        self, making: _Making, sides: list[EvidenceSide]
    ) -> list[tuple[ExecutedSide, Environment | None]]:
        """The sides that have ended; where one breaks, none is left running when that is raised."""
        executing = [asyncio.create_task(self._execute_side(making, side)) for side in sides]
        try:
            return [ended for each in executing if (ended := await each) is not None]
        except asyncio.CancelledError:
            for each in executing:
                each.cancel()
            raise
        except Exception:
            await self._give_up(making, "It broke off.")
            raise
        finally:
            await asyncio.gather(*executing, return_exceptions=True)

    async def _execute_side(
        self, making: _Making, side: EvidenceSide
    ) -> tuple[ExecutedSide, Environment | None] | None:
        if making.given_up is not None:
            return None
        making.run_ids.append(side.run.run_id)
        self._store.runs.insert(side.run)
        show = self._shower(making.evidence_id, side.name)
        show(side.run)
        run, environment = await self._executions.execute(side.run, side.notebook, side.workplace, show=show)
        text = None if run.output_hash is None else self._store.snapshots.get(run.output_hash)
        notebook = None if text is None else await asyncio.to_thread(parse, text)
        after = await asyncio.to_thread(list_files, side.workplace.folder, side.files_before)
        return ExecutedSide(side.name, run, notebook, side.files_before, after), environment

    async def _end_with_proposal(self, making: _Making, proposal_id: str) -> None:
        """Nobody wants to know any more how a proposal runs that has ended."""
        while (ended := await self._proposal_ended(proposal_id)) is None:
            pass
        await self._give_up(making, ended)

    async def _proposal_ended(self, proposal_id: str) -> str | None:
        """In words, that it has; None: it changed, or somebody should look again."""
        state = self._views.stored(proposal_id).state
        if state != "open":
            return f"The proposal was {state} before the evidence was made."
        await self._events.changed("proposals", proposal_id, _SECONDS_BETWEEN_LOOKS)
        return None

    async def _give_up(self, making: _Making, message: str) -> None:
        making.given_up = making.given_up or message
        for run_id in making.run_ids:
            if not self._executions.has_ended(run_id):
                await self._executions.cancel(run_id)

    def _shower(self, evidence_id: str, side: SideName) -> Callable[[Run], None]:
        def show(run: Run) -> None:
            self._kept.change(evidence_id, **{side: EvidenceRun.of(run)})

        return show


def _failed(message: str) -> dict[str, Any]:
    return {"state": "failed", "message": message}


def _environments(of_sides: dict[SideName, Environment | None]) -> dict[str, Any]:
    """What the proposal ran in, and what the base did where that was something else."""
    proposed = of_sides.get("proposal")
    known = [each for each in of_sides.values() if each is not None and proposed is not None]
    other = next((each for each in known if proposed and each.fingerprint != proposed.fingerprint), None)
    return {"environment": proposed, "base_environment": other}
