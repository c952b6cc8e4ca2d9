"""The notebooks that evidence executes: the two of a proposal, or those before and after a merge of some changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hermes_lab.engines.contents import Documents
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.errors import Conflict, MergeConflict, NotFound
from hermes_lab.model.evidence import Evidence
from hermes_lab.model.payload import Notebook
from hermes_lab.model.proposals import Proposal
from hermes_lab.services.code_hashes import code_hash
from hermes_lab.services.merging import Merged, check_decisions, is_wanted, merge
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Snapshot, Store


@dataclass(frozen=True)
class ComparedNotebooks:
    """What is executed. ``base`` and ``base_hash`` are null where there is no document yet."""

    base: Notebook | None
    base_hash: str | None
    proposed: Notebook
    decisions: dict[str, ChangeDecision] | None = None
    """Those of which ``proposed`` is the merge; null: it is the proposal as a whole."""

    @cached_property
    def code_hash(self) -> str:
        """Of what is executed as the proposal."""
        return code_hash(self.proposed)


class EvidenceNotebooks:
    """Finds them when evidence is asked for, and again when it is made: what was asked for is what runs."""

    def __init__(self, store: Store, documents: Documents, views: ProposalViews) -> None:
        self._store = store
        self._documents = documents
        self._views = views

    async def asked_for(self, proposal: Proposal, decisions: Mapping[str, ChangeDecision] | None) -> ComparedNotebooks:
        """Without decisions the proposal and what it was made against; else the document as it is now, and what a
        merge with these decisions would make of it now. What is applied already is not merged again.

        Raises:
            InvalidRequest: a decision is about a change or a hunk that does not exist.
            NotFound: the document is gone.
            Conflict: the decisions accept nothing; code ``nothing_accepted``.
            MergeConflict: what they accept overlaps what the document has become.
        """
        if decisions is None:
            remote = self._views.snapshot(proposal.proposal_hash)
            return ComparedNotebooks(self._views.base(proposal), proposal.base_hash, remote)
        check_decisions(proposal.changes, decisions)
        applied = {change.change_id for change in proposal.changes if change.state == "applied"}
        wanted = {change_id: decision for change_id, decision in decisions.items() if change_id not in applied}
        if not any(map(is_wanted, wanted.values())):
            raise Conflict("No change is accepted by these decisions.", code="nothing_accepted", field="decisions")
        local, local_hash = await self._document(proposal)
        merged = await self._merged(proposal, local, wanted)
        if merged.conflicts:
            raise MergeConflict(
                "Accepted changes overlap what the document has become.",
                current_hash=local_hash,
                conflicts=[conflict.model_dump(mode="json") for conflict in merged.conflicts],
            )
        return ComparedNotebooks(local, local_hash, merged.notebook, wanted)

    async def of(self, evidence: Evidence, proposal: Proposal) -> ComparedNotebooks:
        """Those that were asked for, whatever has become of the document since.

        Raises:
            LookupError: they cannot be made again.
        """
        base = None if evidence.base_hash is None else self._views.snapshot(evidence.base_hash)
        if evidence.decisions is None:
            proposed = self._views.snapshot(evidence.proposal_hash)
        else:
            proposed = (await self._merged(proposal, base, evidence.decisions)).notebook
        notebooks = ComparedNotebooks(base, evidence.base_hash, proposed, evidence.decisions)
        if evidence.code_hash not in (None, notebooks.code_hash):
            raise LookupError("the merge that it was asked for comes out otherwise now")
        return notebooks

    async def _document(self, proposal: Proposal) -> tuple[Notebook | None, str | None]:
        """The document as it is now, kept from now on."""
        try:
            document = await self._documents.read(proposal.path)
        except NotFound as error:
            if proposal.base_hash is None:
                return None, None
            raise NotFound(
                f"{proposal.path} is gone.", code="document_missing", field="proposal_id", path=proposal.path
            ) from error
        return document.notebook, self._store.snapshots.keep(await asyncio.to_thread(Snapshot.of, document.text))

    async def _merged(
        self, proposal: Proposal, local: Notebook | None, decisions: Mapping[str, ChangeDecision]
    ) -> Merged:
        base, remote = self._views.base(proposal), self._views.snapshot(proposal.proposal_hash)
        return await asyncio.to_thread(merge, base, local, remote, decisions)
