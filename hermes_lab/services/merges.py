"""Merging: what a person accepted goes into the document as it is now (DESIGN section 6)."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from hermes_lab.engines.contents import Document, Documents
from hermes_lab.engines.notebook_format import serialise
from hermes_lab.model.actors import Actor
from hermes_lab.model.claims import Claim
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.errors import Conflict, HermesError, IllegalTransition, MergeConflict, NotFound
from hermes_lab.model.payload import Notebook, new_id, now
from hermes_lab.model.proposals import Merge, MergeProposal, Proposal, ProposedChange
from hermes_lab.model.writes import Write
from hermes_lab.services.events import Events
from hermes_lab.services.merging import Merged, accepted, merge
from hermes_lab.services.reviews import state_of
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

_ATTEMPTS = 5


class Merges:
    """Writes accepted changes, one merge at a time on a path, journalled before the file is touched."""

    def __init__(self, store: Store, events: Events, documents: Documents, views: ProposalViews) -> None:
        self._store = store
        self._events = events
        self._documents = documents
        self._views = views
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def merge(self, actor: Actor, request: MergeProposal) -> Proposal:
        """Write the accepted changes of the proposal into its document.

        Raises:
            NotFound: there is no such proposal, or its document is gone.
            IllegalTransition: the proposal has ended.
            Conflict: nothing is accepted, or the document is not the expected one.
            MergeConflict: accepted changes overlap what the document has become; nothing is written.
        """
        path = self._views.stored(request.proposal_id).path
        async with self._locks[path]:
            proposal = self._mergeable(request.proposal_id)
            with self._views.merging(proposal):
                current, merged = await self._merged_with_now(proposal, request)
                claim = Claim.of(actor, "merge_proposal", request.idempotency_key)
                write = self._journal(actor, claim, proposal, None if current is None else current.hash, merged)
                try:
                    done = await self.carry_out(write, merged.notebook, current)
                except HermesError as error:
                    self._store.writes.replace(
                        write.model_copy(update={"state": "abandoned", "message": error.message})
                    )
                    raise
            return await self._views.view(done)

    async def _merged_with_now(self, proposal: Proposal, request: MergeProposal) -> tuple[Document | None, Merged]:
        """The merge with the document as it still is when the merge is made: merging takes a while, people save."""
        decisions = accepted(proposal.changes)
        for _ in range(_ATTEMPTS):
            current = await self._current(proposal)
            current_hash = None if current is None else current.hash
            if request.expected_hash is not None and request.expected_hash != current_hash:
                raise _moved("The document is not the one you expected.", current_hash)
            merged = await self._merged(proposal, current, decisions)
            if await self._documents.hash(proposal.path) == current_hash:
                return current, merged
        raise _moved("The document is being written again and again; try later.", current_hash)

    async def carry_out(self, write: Write, merged: Notebook, current: Document | None) -> Proposal:
        """Write a journalled notebook into its document and record that it is there."""
        after = write.intended_hash
        if after != write.before_hash:
            after = await self._documents.write(write.path, merged, current)
        proposal = self._views.stored(write.proposal_id)
        moment = now()
        record = Merge(
            merge_id=write.write_id,
            author=write.author,
            merged_at=moment,
            before_hash=write.before_hash,
            hash=after,
            applied=write.applied,
        )
        changes = [_applied(change, write.applied) for change in proposal.changes]
        fields = {
            "changes": changes,
            "merge": record,
            "merges": [*proposal.merges, record],
            "updated_at": moment,
        }
        # A recovered merge is recorded whatever has become of its proposal meanwhile: it is in the document.
        state = state_of(changes) if proposal.state == "open" else proposal.state
        done = proposal.changed(**fields) if state == proposal.state else proposal.moved(state, **fields)
        with self._store.transaction():
            self._store.writes.replace(write.model_copy(update={"state": "written"}))
            self._store.proposals.replace(done)
            details = {"path": write.path, "before_hash": write.before_hash, "hash": after}
            self._store.audit.append(write.author, "merge_proposal", proposal.proposal_id, details)
            self._store.idempotency.keep(write.claim, done)
        self._events.publish("proposals", proposal.proposal_id, done.state)
        return done

    def _mergeable(self, proposal_id: str) -> Proposal:
        proposal = self._views.stored(proposal_id)
        if proposal.state != "open":
            raise IllegalTransition(
                f"The proposal is {proposal.state} and cannot be merged.",
                state=proposal.state,
                proposal_id=proposal_id,
            )
        if not accepted(proposal.changes):
            raise Conflict("No change of the proposal is accepted.", code="nothing_accepted")
        return proposal

    async def _current(self, proposal: Proposal) -> Document | None:
        try:
            return await self._documents.read(proposal.path)
        except NotFound as error:
            if proposal.base_hash is None:
                return None
            raise NotFound(
                f"{proposal.path} is gone.", code="document_missing", field="path", path=proposal.path
            ) from error

    async def _merged(
        self, proposal: Proposal, current: Document | None, decisions: dict[str, ChangeDecision]
    ) -> Merged:
        base, remote = self._views.base(proposal), self._views.snapshot(proposal.proposal_hash)
        local = None if current is None else current.notebook
        merged = await asyncio.to_thread(merge, base, local, remote, decisions)
        if merged.conflicts:
            raise MergeConflict(
                "Accepted changes overlap what the document has become.",
                current_hash=None if current is None else current.hash,
                conflicts=[conflict.model_dump(mode="json") for conflict in merged.conflicts],
            )
        return merged

    def _journal(
        self, actor: Actor, claim: Claim | None, proposal: Proposal, before: str | None, merged: Merged
    ) -> Write:
        with self._store.transaction():
            write = Write(
                write_id=new_id(),
                proposal_id=proposal.proposal_id,
                path=proposal.path,
                author=actor.author,
                before_hash=before,
                intended_hash=self._store.snapshots.put(serialise(merged.notebook)),
                applied=merged.applied,
                claim=claim,
                created_at=now(),
            )
            self._store.writes.insert(write)
        return write


def _moved(message: str, current_hash: str | None) -> Conflict:
    return Conflict(message, code="document_moved", field="expected_hash", current_hash=current_hash)


def _applied(change: ProposedChange, applied: list[str]) -> ProposedChange:
    return change.model_copy(update={"state": "applied"}) if change.change_id in applied else change
