"""A proposal as it is shown: what is stored, and what only the present can say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from hermes_lab.engines.contents import Document, Documents
from hermes_lab.engines.notebook_format import parse
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.dependencies import DependencyNote
from hermes_lab.model.errors import Conflict, HermesError, InvalidRequest, NotFound
from hermes_lab.model.evidence import Evidence
from hermes_lab.model.payload import Notebook
from hermes_lab.model.proposals import EvidenceWord, Proposal, ProposalSummary, ProposedChange
from hermes_lab.services.code_hashes import code_hash
from hermes_lab.services.dependencies import dependencies
from hermes_lab.services.merging import accepted, is_wanted, merge
from hermes_lab.services.staleness import Staleness
from hermes_lab.store import Store

_ACCEPT = ChangeDecision(decision="accept")


class ProposalViews:
    """Derives staleness, conflicts and a missing document; joins the evidence."""

    def __init__(self, store: Store, documents: Documents, staleness: Staleness) -> None:
        self._store = store
        self._documents = documents
        self._staleness = staleness
        self._merging: set[str] = set()
        # Whether a proposal conflicts depends on these three alone, and a merge takes a while to try.
        self._conflicted: dict[tuple[str, int, str], bool] = {}
        # So do the notes about dependencies: the last ones of each proposal, and what they were made of.
        self._dependencies: dict[str, tuple[tuple[int, str | None], list[DependencyNote]]] = {}
        # proposal_id -> that code of which version of it, merged into which document.
        self._merged_code: dict[str, tuple[int, str | None, str | None]] = {}

    def stored(self, proposal_id: str) -> Proposal:
        """The proposal as it is stored.

        Raises:
            NotFound: there is no such proposal.
        """
        proposal = self._store.proposals.get(proposal_id)
        if proposal is None:
            raise NotFound("There is no such proposal.", code="no_such_proposal", field="proposal_id")
        return proposal

    def changeable(self, proposal_id: str) -> Proposal:
        """The stored proposal, to be changed before anything is awaited.

        Raises:
            NotFound: there is no such proposal.
            Conflict: it is being merged at this moment.
        """
        proposal = self.stored(proposal_id)
        if proposal_id in self._merging or self._is_merged_elsewhere(proposal):
            raise Conflict("The proposal is being merged at this moment.", code="merge_going_on")
        return proposal

    def _is_merged_elsewhere(self, proposal: Proposal) -> bool:
        """Whether another server is writing it: a merge that is journalled, by one who still may write."""
        going_on = self._store.writes.all(path=proposal.path, state="journalled")
        mine = any(write.proposal_id == proposal.proposal_id for write in going_on)
        return mine and self._store.write_tokens.is_held(proposal.path)

    @contextmanager
    def merging(self, proposal: Proposal) -> Iterator[None]:
        """Nothing else changes the proposal inside the block."""
        self._merging.add(proposal.proposal_id)
        try:
            yield
        finally:
            self._merging.discard(proposal.proposal_id)

    def snapshot(self, digest: str) -> Notebook:
        """The notebook with this hash, which the store keeps for every proposal."""
        text = self._store.snapshots.get(digest)
        if text is None:
            raise LookupError(f"snapshot {digest} is missing from the store")
        return parse(text, "notebook")

    def base(self, proposal: Proposal) -> Notebook | None:
        """The notebook that the proposal was made against; None for a new notebook."""
        return None if proposal.base_hash is None else self.snapshot(proposal.base_hash)

    async def evidence_view(self, evidence: Evidence) -> Evidence:
        """Evidence with what differs now from what ran."""
        proposal = self.stored(evidence.proposal_id)
        return await self.marked(evidence, proposal, await self._current(proposal))

    async def marked(self, evidence: Evidence, proposal: Proposal, current: Document | None) -> Evidence:
        """As `evidence_view`, with the document as the caller has read it."""

        async def code_of_merge() -> str | None:
            return await self._code_of_merge(proposal, current)

        current_hash = None if current is None else current.hash
        return await self._staleness.marked(evidence, proposal, current_hash, code_of_merge)

    async def _code_of_merge(self, proposal: Proposal, current: Document | None) -> str | None:
        """That of the notebook which a merge would write now; None: it would write nothing."""
        now = (proposal.version, None if current is None else current.hash)
        known = self._merged_code.get(proposal.proposal_id)
        if known is None or known[:2] != now:
            decisions = accepted(proposal.changes)
            local = None if current is None else current.notebook
            sides = self.base(proposal), local, self.snapshot(proposal.proposal_hash)
            code = await asyncio.to_thread(_merged_code, *sides, decisions) if decisions else None
            known = self._merged_code[proposal.proposal_id] = (*now, code)
        return known[2]

    async def view(self, proposal: Proposal) -> Proposal:
        """The proposal with everything that is derived at a read."""
        current = await self._current(proposal)
        current_hash = None if current is None else current.hash
        stale = proposal.state == "open" and not proposal.merges and current_hash != proposal.base_hash
        return proposal.model_copy(
            update={
                "current_hash": current_hash,
                "stale": stale,
                "document_missing": current is None and proposal.base_hash is not None,
                "conflicted": stale and current is not None and await self._is_conflicted(proposal, current),
                "dependencies": await self._dependencies_of(proposal, current),
                "evidence": [
                    await self.marked(each, proposal, current)
                    for each in self._store.evidence.all(proposal_id=proposal.proposal_id)
                ],
            }
        )

    def summary(self, proposal: Proposal) -> ProposalSummary:
        """The proposal as a line of a list."""
        newest = self._store.evidence.find(proposal_id=proposal.proposal_id)
        fields = proposal.model_dump(include=set(ProposalSummary.model_fields) - {"evidence"})
        return ProposalSummary(
            **fields,
            changes_total=len(proposal.changes),
            changes_decided=sum(_is_decided(change) for change in proposal.changes),
            evidence=_word(newest),
        )

    async def _current(self, proposal: Proposal) -> Document | None:
        try:
            return await self._documents.read(proposal.path)
        except (NotFound, InvalidRequest):
            return None

    async def _is_conflicted(self, proposal: Proposal, current: Document) -> bool:
        key = (proposal.proposal_id, proposal.version, current.hash)
        if key not in self._conflicted:
            decisions = {change.change_id: change.decision or _ACCEPT for change in proposal.changes}
            base, remote = self.base(proposal), self.snapshot(proposal.proposal_hash)
            try:
                merged = await asyncio.to_thread(merge, base, current.notebook, remote, decisions)
                self._conflicted[key] = bool(merged.conflicts)
            except HermesError:
                self._conflicted[key] = True
        return self._conflicted[key]

    async def _dependencies_of(self, proposal: Proposal, current: Document | None) -> list[DependencyNote]:
        """What would miss a name if what is accepted now were merged now."""
        decisions = {c.change_id: c.decision for c in proposal.changes if c.decision and c.state != "applied"}
        if proposal.state != "open" or not any(map(is_wanted, decisions.values())):
            return []
        made_of = (proposal.version, None if current is None else current.hash)
        known = self._dependencies.get(proposal.proposal_id)
        if known is None or known[0] != made_of:
            base, remote = self.base(proposal), self.snapshot(proposal.proposal_hash)
            local = None if current is None else current.notebook

            def note() -> list[DependencyNote]:
                merged = merge(base, local, remote, decisions)
                return dependencies(local, merged.notebook, proposal.changes, decisions)

            known = (made_of, await asyncio.to_thread(note))
            self._dependencies[proposal.proposal_id] = known
        return known[1]


def _merged_code(
    base: Notebook | None, local: Notebook | None, remote: Notebook, decisions: dict[str, ChangeDecision]
) -> str | None:
    try:
        merged = merge(base, local, remote, decisions)
    except HermesError:
        return None
    return None if merged.conflicts else code_hash(merged.notebook)


def _is_decided(change: ProposedChange) -> bool:
    return change.decision is not None and change.decision.decision != "undecided"


def _word(evidence: Evidence | None) -> EvidenceWord:
    if evidence is None:
        return "none"
    if evidence.awaiting_approval:
        return "awaiting_approval"
    if evidence.state == "completed":
        return evidence.verdict or "failed"
    return evidence.state
