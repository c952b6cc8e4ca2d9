"""What a merge would write now: read, not written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hermes_lab.engines.contents import Document
from hermes_lab.engines.document_writer import DocumentWriter
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.errors import NotFound
from hermes_lab.model.proposals import Proposal
from hermes_lab.services.merging import Merged, merge
from hermes_lab.services.views import ProposalViews


class MergePlans:
    """Merges of proposals into their documents as these are now."""

    def __init__(self, writer: DocumentWriter, views: ProposalViews) -> None:
        self._writer = writer
        self._views = views

    async def document(self, proposal: Proposal) -> Document | None:
        """The proposal's document as it is now; None: it is a new notebook that is not there yet.

        Raises:
            NotFound: it is gone; code ``document_missing``.
            InvalidRequest: what is there is no valid notebook.
        """
        current = await self._writer.read(proposal.path)
        if current is None and proposal.base_hash is not None:
            raise NotFound(f"{proposal.path} is gone.", code="document_missing", field="path", path=proposal.path)
        return current

    async def merged(
        self, proposal: Proposal, current: Document | None, decisions: Mapping[str, ChangeDecision]
    ) -> Merged:
        """The document with what these decisions accept, and what conflicts.

        Raises:
            InvalidRequest: a decision is about a change or a hunk that does not exist.
        """
        base, remote = self._views.base(proposal), self._views.snapshot(proposal.proposal_hash)
        local = None if current is None else current.notebook
        return await asyncio.to_thread(merge, base, local, remote, decisions)
