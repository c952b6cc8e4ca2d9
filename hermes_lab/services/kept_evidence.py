"""Evidence as it is kept: read, changed, and told of at every change."""

from __future__ import annotations

from typing import Any

from hermes_lab.model.errors import NotFound
from hermes_lab.model.evidence import Evidence
from hermes_lab.services.events import Events
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store


class KeptEvidence:
    """What the store has of evidence, for those who decide about it and those who make it."""

    def __init__(self, store: Store, events: Events, views: ProposalViews) -> None:
        self._store = store
        self._events = events
        self._views = views

    def get(self, evidence_id: str) -> Evidence:
        """The evidence as it is stored.

        Raises:
            NotFound: there is no such evidence.
        """
        evidence = self._store.evidence.get(evidence_id)
        if evidence is None:
            raise NotFound("There is no such evidence.", code="no_such_evidence", field="evidence_id")
        return evidence

    def change(self, evidence_id: str, **fields: Any) -> None:
        """Store these fields with the rest as it is."""
        changed = self.get(evidence_id).changed(**fields)
        self._store.evidence.replace(changed)
        self.publish(changed)

    def publish(self, evidence: Evidence) -> None:
        """Tell of a change that is stored; where the evidence begins or ends, it is one of its proposal too."""
        self._events.publish("evidence", evidence.evidence_id, evidence.state)
        if evidence.state != "running":
            proposal = self._views.stored(evidence.proposal_id)
            self._events.publish("proposals", proposal.proposal_id, proposal.state)
