"""The journal of merges: what is intended is kept before a document is touched, and what was written is recorded."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from hermes_lab.engines.contents import Document
from hermes_lab.engines.document_writer import DocumentWriter
from hermes_lab.engines.notebook_format import parse, serialise
from hermes_lab.model.actors import Author
from hermes_lab.model.claims import Claim
from hermes_lab.model.errors import DocumentMoved, HalfWritten, HermesError
from hermes_lab.model.payload import Notebook, new_id, now
from hermes_lab.model.proposals import Merge, Proposal, ProposedChange
from hermes_lab.model.writes import Write
from hermes_lab.services.document_claims import DocumentClaim, DocumentClaims
from hermes_lab.services.events import Events
from hermes_lab.services.merging import Merged
from hermes_lab.services.reviews import state_of
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Snapshot, Store

_log = logging.getLogger(__name__)


class Journal:
    """Enters merges, carries them out, and settles those that were cut off."""

    def __init__(
        self, store: Store, events: Events, writer: DocumentWriter, views: ProposalViews, claims: DocumentClaims
    ) -> None:
        self._store = store
        self._events = events
        self._writer = writer
        self._views = views
        self._claims = claims

    async def enter(
        self,
        author: Author,
        answers: Claim | None,
        proposal: Proposal,
        before: Document | None,
        merged: Merged,
        claim: DocumentClaim,
    ) -> Write:
        """Keep what was there and what is intended; ``answers`` is the idempotency key that the merge will answer.

        The proposal is one version on then: who has read it before cannot change it any more without reading again.

        Raises:
            DocumentMoved: the proposal was changed by another server meanwhile, or another merge is before this one.
        """
        texts = [await asyncio.to_thread(_snapshot, merged.notebook)]
        if before is not None:
            texts.append(await asyncio.to_thread(Snapshot.of, before.text))
        write = Write(
            write_id=new_id(),
            proposal_id=proposal.proposal_id,
            path=claim.path,
            author=author,
            before_hash=None if before is None else before.hash,
            intended_hash=texts[0].hash,
            applied=merged.applied,
            token=claim.token,
            claim=answers,
            created_at=now(),
        )
        with self._store.transaction():
            if self._views.stored(proposal.proposal_id) != proposal:
                raise DocumentMoved("The proposal was changed while it was merged.", field="proposal_id")
            self._store.proposals.replace(proposal.changed())
            self._claims.renew(claim)
            for text in texts:
                self._store.snapshots.keep(text)
            self._store.writes.insert(write)
        return write

    async def carry_out(
        self, write: Write, notebook: Notebook, before: Document | None, claim: DocumentClaim
    ) -> Proposal:
        """Write a journalled notebook into its document, and record that it is there.

        Raises:
            HermesError: see DocumentWriter.write; the entry is given up, unless half of it may be in the document.
        """
        text = None if before is None else before.text
        try:
            if text is None or write.intended_hash != write.before_hash:
                text = await self._writer.write(write.path, notebook, before, partial(self._claims.check, claim))
        except HalfWritten:
            raise
        except HermesError as error:
            self._give_up(write, error.message)
            raise
        return await self._record(write, text)

    async def settle_all_of(self, claim: DocumentClaim) -> None:
        """Bring to an end what was cut off at the document: whoever holds the claim knows that nobody is at it."""
        for write in reversed(self._store.writes.all(path=claim.path, state="journalled")):
            await self.settle(write, claim)

    async def settle(self, write: Write, claim: DocumentClaim) -> None:
        """Complete a write that was cut off, if nobody wrote the document since; else it is told in the audit log.

        Raises:
            HalfWritten: it cannot be repaired now; the entry stays in the journal, as this server's.
        """
        mine = write.model_copy(update={"token": claim.token})
        with self._store.transaction():
            self._claims.renew(claim)
            self._store.writes.replace(mine)
        try:
            before = await self._before(mine)
            may_write = partial(self._claims.check, claim)
            text = await self._writer.finish(mine.path, self._views.snapshot(mine.intended_hash), before, may_write)
        except HalfWritten:
            raise
        except (HermesError, LookupError, OSError) as error:
            # One document that cannot be written must not keep the server from starting.
            _log.exception("The merge %s cannot be completed.", mine.write_id)
            self._give_up(mine, f"It could not be completed: {error}", told=True)
            return
        if text is not None:
            await self._record(mine, text)
            return
        self._give_up(mine, "After a server stopped in the middle of a merge, somebody wrote the document.", told=True)

    async def _before(self, write: Write) -> Document | None:
        if write.before_hash is None:
            return None
        text = self._store.snapshots.get(write.before_hash)
        if text is None:
            raise LookupError(f"snapshot {write.before_hash} is missing from the store")
        return Document(write.path, text, write.before_hash, await asyncio.to_thread(parse, text))

    async def _record(self, write: Write, text: str) -> Proposal:
        there = await asyncio.to_thread(Snapshot.of, text)
        moment = now()
        record = Merge(
            merge_id=write.write_id,
            author=write.author,
            merged_at=moment,
            before_hash=write.before_hash,
            hash=there.hash,
            applied=write.applied,
        )
        with self._store.transaction():
            done = _with_merge(self._views.stored(write.proposal_id), record)
            self._store.snapshots.keep(there)
            self._store.writes.replace(write.model_copy(update={"state": "written"}))
            self._store.write_tokens.record(write.path, write.token)
            self._store.proposals.replace(done)
            details = {"path": write.path, "before_hash": write.before_hash, "hash": there.hash}
            self._store.audit.append(write.author, "merge_proposal", write.proposal_id, details)
            self._store.idempotency.keep(write.claim, done)
        self._events.publish("proposals", done.proposal_id, done.state)
        return done

    def _give_up(self, write: Write, message: str, *, told: bool = False) -> None:
        """``told``: nobody is answered with it, so the audit log says it."""
        with self._store.transaction():
            self._store.writes.replace(write.model_copy(update={"state": "abandoned", "message": message}))
            if told:
                self._store.audit.append(write.author, "abandon_merge", write.proposal_id, {"path": write.path})


def _snapshot(notebook: Notebook) -> Snapshot:
    return Snapshot.of(serialise(notebook))


def _with_merge(proposal: Proposal, record: Merge) -> Proposal:
    changes = [_applied(change, record.applied) for change in proposal.changes]
    fields = {
        "changes": changes,
        "merge": record,
        "merges": [*proposal.merges, record],
        "updated_at": record.merged_at,
    }
    # A recovered merge is recorded whatever has become of its proposal meanwhile: it is in the document.
    state = state_of(changes) if proposal.state == "open" else proposal.state
    return proposal.changed(**fields) if state == proposal.state else proposal.moved(state, **fields)


def _applied(change: ProposedChange, applied: list[str]) -> ProposedChange:
    return change.model_copy(update={"state": "applied"}) if change.change_id in applied else change
