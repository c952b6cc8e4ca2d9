"""Proposals: made, read, listed, withdrawn. Reviews and merges have files of their own."""

from __future__ import annotations

import asyncio

from hermes_lab.engines.contents import Document, Documents
from hermes_lab.engines.notebook_format import parse, serialise, validate
from hermes_lab.model.actors import Actor
from hermes_lab.model.cell_operations import apply_operations
from hermes_lab.model.claims import Claim
from hermes_lab.model.errors import Conflict, IllegalTransition, InvalidRequest, NotAllowed, NotFound, StaleBase
from hermes_lab.model.payload import JsonObject, Notebook, Page, new_id, now
from hermes_lab.model.proposals import (
    CreateProposal,
    GetProposal,
    GetProposalNotebooks,
    ListProposals,
    Proposal,
    ProposalNotebooks,
    ProposalSummary,
    ProposedChange,
    WithdrawProposal,
)
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.events import Events
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store


class Proposals:
    """Create, read, list and withdraw proposals."""

    def __init__(self, store: Store, events: Events, documents: Documents, views: ProposalViews) -> None:
        self._store = store
        self._events = events
        self._documents = documents
        self._views = views

    async def create(self, actor: Actor, request: CreateProposal, *, reverts: str | None = None) -> Proposal:
        """A stored proposal; the document is only read. ``reverts`` is the merge that it undoes.

        Raises:
            InvalidRequest: the notebook is invalid, an operation names an unknown cell, or nothing would change.
            NotFound: the document does not exist and ``base_hash`` is not null.
            StaleBase: this server has never seen the base.
            Conflict: a new notebook is proposed where one exists.
        """
        path = self._documents.check_path(request.path)
        base, base_text = await self._base(path, request.base_hash)
        whole, rationales = self._proposed(base, request)
        proposed = _without_foreign_outputs(base, whole)
        changes = await asyncio.to_thread(diff_notebooks, base, proposed, outputs=False)
        if not changes:
            raise InvalidRequest("The proposal changes nothing.", code="no_changes", field=_content_field(request))
        superseded = self._superseded(actor, path, request)
        moment = now()
        with self._store.transaction():
            if base_text is not None:
                self._store.snapshots.put(base_text)
            proposal = Proposal(
                proposal_id=new_id(),
                path=path,
                base_hash=request.base_hash,
                proposal_hash=self._store.snapshots.put(serialise(proposed)),
                title=request.title,
                rationale=request.rationale,
                author=actor.author,
                supersedes=request.supersedes,
                reverts=reverts,
                changes=[
                    ProposedChange(**change.model_dump(), rationale=rationales.get(change.change_id))
                    for change in changes
                ],
                created_at=moment,
                updated_at=moment,
            )
            self._store.proposals.insert(proposal)
            asked = "create_proposal" if reverts is None else "revert_proposal"
            self._store.audit.append(actor.author, asked, proposal.proposal_id, {"path": path})
            self._store.idempotency.keep(Claim.of(actor, asked, request.idempotency_key), proposal)
            if superseded is not None:
                closed = superseded.moved("superseded", superseded_by=proposal.proposal_id, updated_at=moment)
                self._store.proposals.advance(superseded, closed)
        if superseded is not None:
            self._events.publish("proposals", superseded.proposal_id, "superseded")
        self._events.publish("proposals", proposal.proposal_id, proposal.state)
        return await self._views.view(proposal)

    async def get(self, _actor: Actor, request: GetProposal) -> Proposal:
        """The proposal; with ``wait``, at its next review, merge, evidence or other change.

        Raises:
            NotFound: there is no such proposal.
        """

        def read() -> Proposal:
            return self._views.stored(request.proposal_id)

        stored = await self._events.latest("proposals", request.proposal_id, request, _has_ended, read)
        return await self._views.view(stored)

    async def notebooks(self, _actor: Actor, request: GetProposalNotebooks) -> ProposalNotebooks:
        """The two notebooks that the proposal stands between.

        Raises:
            NotFound: there is no such proposal.
        """
        proposal = self._views.stored(request.proposal_id)
        proposed = self._views.snapshot(proposal.proposal_hash)
        return ProposalNotebooks(proposal_id=proposal.proposal_id, base=self._views.base(proposal), proposed=proposed)

    async def list(self, _actor: Actor, request: ListProposals) -> Page[ProposalSummary]:
        """Proposals, newest first."""
        page = self._store.proposals.page(request.limit, request.cursor, state=request.state, path=request.path)
        items = [self._views.summary(proposal) for proposal in page.items]
        return Page[ProposalSummary](items=items, next_cursor=page.next_cursor)

    async def withdraw(self, actor: Actor, request: WithdrawProposal) -> Proposal:
        """Take the proposal back.

        Raises:
            NotFound: there is no such proposal.
            NotAllowed: it is another agent's.
            IllegalTransition: it has ended.
        """
        proposal = self._views.changeable(request.proposal_id)
        if actor.kind != "human" and proposal.author != actor.author:
            raise NotAllowed("This proposal is somebody else's.", code="not_the_author", field="proposal_id")
        withdrawn = proposal.moved("withdrawn", updated_at=now())
        with self._store.transaction():
            self._store.proposals.advance(proposal, withdrawn)
            self._store.audit.append(actor.author, "withdraw_proposal", proposal.proposal_id)
        self._events.publish("proposals", proposal.proposal_id, withdrawn.state)
        return await self._views.view(withdrawn)

    async def _base(self, path: str, base_hash: str | None) -> tuple[Notebook | None, str | None]:
        current: Document | None
        try:
            current = await self._documents.read(path)
        except NotFound:
            if base_hash is not None:
                raise
            current = None
        if base_hash is None:
            if current is not None:
                raise Conflict(
                    f"{path} exists; a change to it needs its hash as base_hash.",
                    code="document_exists",
                    field="base_hash",
                    current_hash=current.hash,
                )
            return None, None
        if current is not None and current.hash == base_hash:
            return current.notebook, current.text
        known = self._store.snapshots.get(base_hash)
        if known is None:
            raise StaleBase(
                "This base_hash is none that get_notebook gave for this notebook.",
                field="base_hash",
                current_hash=current.hash if current else None,
            )
        return parse(known, "base_hash"), known

    def _proposed(self, base: Notebook | None, request: CreateProposal) -> tuple[Notebook, dict[str, str]]:
        if request.notebook is not None:
            return validate(request.notebook, "notebook"), {}
        if base is None or request.operations is None:
            raise InvalidRequest("A new notebook is proposed whole.", field="notebook")
        changed, rationales = apply_operations(base, request.operations)
        return validate(changed, "operations"), rationales

    def _superseded(self, actor: Actor, path: str, request: CreateProposal) -> Proposal | None:
        if request.supersedes is None:
            return None
        old = self._store.proposals.get(request.supersedes)
        if old is None or old.author != actor.author or old.path != path:
            raise InvalidRequest(
                "supersedes names no proposal of yours on this notebook.",
                code="no_such_proposal",
                field="supersedes",
            )
        self._views.changeable(old.proposal_id)
        if old.state != "open":
            raise IllegalTransition(
                f"The proposal is {old.state} and cannot be superseded.", state=old.state, field="supersedes"
            )
        return old


def _has_ended(proposal: Proposal) -> bool:
    return proposal.state != "open"


def _content_field(request: CreateProposal) -> str:
    return "notebook" if request.notebook is not None else "operations"


def _without_foreign_outputs(base: Notebook | None, proposed: Notebook) -> Notebook:
    """The proposal with the base's outputs where the source is the base's, and none elsewhere: an agent's word for
    what a cell printed is never trusted."""
    known = {cell["id"]: cell for cell in (base["cells"] if base else [])}
    return {**proposed, "cells": [_own_outputs(known.get(cell["id"]), cell) for cell in proposed["cells"]]}


def _own_outputs(known: JsonObject | None, cell: JsonObject) -> JsonObject:
    if cell["cell_type"] != "code":
        return cell
    if known is not None and known["cell_type"] == "code" and known["source"] == cell["source"]:
        return {**cell, "outputs": known["outputs"], "execution_count": known["execution_count"]}
    return {**cell, "outputs": [], "execution_count": None}
