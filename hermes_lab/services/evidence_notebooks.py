"""The notebooks that evidence executes: the two of a proposal, or those before and after a merge of some changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hermes_lab.engines.contents import Document
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.errors import Conflict, MergeConflict
from hermes_lab.model.evidence import Evidence
from hermes_lab.model.payload import Notebook
from hermes_lab.model.proposals import Proposal
from hermes_lab.services.code_hashes import code_hash
from hermes_lab.services.merge_plans import MergePlans
from hermes_lab.services.merging import check_decisions, is_wanted
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

    def __init__(self, store: Store, views: ProposalViews, plans: MergePlans) -> None:
        self._store = store
        self._views = views
        self._plans = plans

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
        current = await self._plans.document(proposal)
        merged = await self._plans.merged(proposal, current, wanted)
        current_hash = None if current is None else current.hash
        if merged.conflicts:
            raise MergeConflict(
                "Accepted changes overlap what the document has become.",
                current_hash=current_hash,
                conflicts=[conflict.model_dump(mode="json") for conflict in merged.conflicts],
            )
        if current is not None:
            self._store.snapshots.keep(await asyncio.to_thread(Snapshot.of, current.text))
        return ComparedNotebooks(None if current is None else current.notebook, current_hash, merged.notebook, wanted)

    async def of(self, evidence: Evidence, proposal: Proposal) -> ComparedNotebooks:
        """Those that were asked for, whatever has become of the document since.

        Raises:
            LookupError: they cannot be made again.
        """
        base = self._kept_document(proposal.path, evidence.base_hash)
        if evidence.decisions is None:
            proposed = self._views.snapshot(evidence.proposal_hash)
        else:
            proposed = (await self._plans.merged(proposal, base, evidence.decisions)).notebook
        notebook = None if base is None else base.notebook
        notebooks = ComparedNotebooks(notebook, evidence.base_hash, proposed, evidence.decisions)
        if evidence.code_hash not in (None, notebooks.code_hash):
            raise LookupError("the merge that it was asked for comes out otherwise now")
        return notebooks

    def _kept_document(self, path: str, digest: str | None) -> Document | None:
        text = None if digest is None else self._store.snapshots.get(digest)
        return None if text is None or digest is None else Document(path, text, digest, self._views.snapshot(digest))
