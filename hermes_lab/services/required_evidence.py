"""What evidence a merge has, and whether it is what this server asks for (`HermesLab.merge_requires`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from hermes_lab.engines.contents import Document
from hermes_lab.model.errors import Conflict
from hermes_lab.model.evidence import Evidence, MergeRequires, StaleBecause
from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.model.proposals import Proposal
from hermes_lab.services.code_hashes import code_hash
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

_TOLD: Final = 10
_STALE: Final[dict[StaleBecause, str]] = {
    "base": "the document is another now",
    "proposal": "other changes would be merged",
    "environment": "the kernel would start in another environment",
}


@dataclass(frozen=True)
class RequiredEvidence:
    """Finds the evidence of exactly what is about to be written. It binds whoever merges."""

    store: Store
    views: ProposalViews
    requires: MergeRequires

    async def check(self, proposal: Proposal, merged: Notebook, current: Document | None) -> None:
        """Refuse a merge that has not the evidence which this server asks for.

        Raises:
            Conflict: code ``evidence_required``; its details say what there is, and why it does not do.
        """
        if self.requires == "none":
            return
        code = await asyncio.to_thread(code_hash, merged)
        judged = await self._judged(proposal, code, current)
        if any(why is None for _, why in judged):
            return
        wanted = "evidence that is green and fresh" if self.requires == "green_evidence" else "fresh evidence"
        newest = f"The newest that there is {judged[0][1]}." if judged else "There is none."
        raise Conflict(
            f"This server writes only what has {wanted}. {newest}",
            code="evidence_required",
            requires=self.requires,
            code_hash=code,
            evidence=[_told(evidence, why or "") for evidence, why in judged[:_TOLD]],
        )

    async def of(self, proposal: Proposal, merged: Notebook, current: Document | None) -> Evidence | None:
        """The newest evidence, fresh and completed, of exactly this merge; None: nobody has executed it."""
        code = await asyncio.to_thread(code_hash, merged)
        found = [each for each in await self._fresh(proposal, current) if _why_not(each, code, "evidence") is None]
        return found[0] if found else None

    async def _judged(
        self, proposal: Proposal, code: str, current: Document | None
    ) -> list[tuple[Evidence, str | None]]:
        """The proposal's evidence, newest first, and why it does not do; null: it does."""
        return [(each, _why_not(each, code, self.requires)) for each in await self._fresh(proposal, current)]

    async def _fresh(self, proposal: Proposal, current: Document | None) -> list[Evidence]:
        found = self.store.evidence.all(proposal_id=proposal.proposal_id)
        return [await self.views.marked(each, proposal, current) for each in found]


def _why_not(evidence: Evidence, code: str, requires: MergeRequires) -> str | None:
    """Why the evidence does not do for what has this code, to be read after "which"; null: it does."""
    if evidence.state == "failed":
        return "could not be made"
    if evidence.state != "completed":
        return "waits for a person" if evidence.awaiting_approval else "is still being made"
    if evidence.code_hash != code:
        return "is of other code than would be written"
    if evidence.stale_because:
        return f"is stale: {', and '.join(_STALE[why] for why in evidence.stale_because)}"
    if requires == "green_evidence" and evidence.verdict != "green":
        return "is red"
    return None


def _told(evidence: Evidence, why: str) -> JsonObject:
    shown = evidence.model_dump(mode="json", include={"evidence_id", "state", "verdict", "code_hash", "stale_because"})
    return {**shown, "why_not": why}
