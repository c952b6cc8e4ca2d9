"""Where the documents of proposals are: renames are followed, and what is gone can be found again by hand."""

from __future__ import annotations

from hermes_lab.engines.contents import Documents
from hermes_lab.model.actors import Actor, Author
from hermes_lab.model.errors import Conflict, IllegalTransition, NotAllowed, NotFound
from hermes_lab.model.payload import now
from hermes_lab.model.proposals import Proposal, RelocateProposal
from hermes_lab.services.events import Events
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

# Jupyter tells what was renamed, and not by whom: by somebody who may use its contents API, that is a person.
_SOMEBODY = Author(kind="human", name="jupyter")


class Relocations:
    """Points proposals at where their documents are."""

    def __init__(self, store: Store, events: Events, documents: Documents, views: ProposalViews) -> None:
        self._store = store
        self._events = events
        self._documents = documents
        self._views = views

    async def relocate(self, actor: Actor, request: RelocateProposal) -> Proposal:
        """The proposal, for the document at another path.

        Raises:
            NotFound: there is no such proposal, or no notebook at the path.
            NotAllowed: it is another agent's.
            IllegalTransition: it has ended.
            InvalidRequest: the path leaves the root, or names no valid notebook.
            Conflict: it proposes a new notebook, and there is one; or it is being merged.
        """
        path = self._documents.check_path(request.path)
        await self._check_place(self._views.stored(request.proposal_id), path)
        proposal = self._views.changeable(request.proposal_id)
        if actor.kind != "human" and proposal.author != actor.author:
            raise NotAllowed("This proposal is somebody else's.", code="not_the_author", field="proposal_id")
        if proposal.state not in ("open", "rejected"):
            raise IllegalTransition(f"The proposal is {proposal.state} and stays where it is.", state=proposal.state)
        moved = proposal.changed(path=path, updated_at=now())
        with self._store.transaction():
            self._store.proposals.advance(proposal, moved)
            details = {"from": proposal.path, "path": path}
            self._store.audit.append(actor.author, "relocate_proposal", proposal.proposal_id, details)
        self._events.publish("proposals", proposal.proposal_id, moved.state)
        return await self._views.view(moved)

    def follow(self, old: str, new: str) -> None:
        """A document, or a folder with documents in it, was renamed. Proposals that have ended follow too: what they
        merged can be undone."""
        old, new = old.strip("/"), new.strip("/")
        with self._store.transaction():
            followed = [
                proposal.changed(path=new + proposal.path[len(old) :])
                for proposal in self._store.proposals.below("path", old)
            ]
            for proposal in followed:
                self._store.proposals.replace(proposal)
                details = {"from": old, "path": new}
                self._store.audit.append(_SOMEBODY, "rename_document", proposal.proposal_id, details)
            for write in self._store.writes.below("path", old):
                if write.state == "journalled":
                    self._store.writes.replace(write.model_copy(update={"path": new + write.path[len(old) :]}))
        self._tell(followed)

    def miss(self, path: str) -> None:
        """A document, or a folder with documents, was deleted: whoever looks at its proposals is to look again."""
        self._tell(self._store.proposals.below("path", path.strip("/")))

    async def _check_place(self, proposal: Proposal, path: str) -> None:
        try:
            there = await self._documents.read(path)
        except NotFound:
            if proposal.base_hash is not None:
                raise
            return
        if proposal.base_hash is None:
            raise Conflict(
                f"{path} exists; the proposal makes a new notebook.",
                code="document_exists",
                field="path",
                current_hash=there.hash,
            )

    def _tell(self, proposals: list[Proposal]) -> None:
        for proposal in proposals:
            self._events.publish("proposals", proposal.proposal_id, proposal.state)
