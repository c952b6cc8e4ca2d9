"""Whether evidence is still about what is there: the document, the proposal and the environment that ran."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hermes_lab.model.evidence import Evidence, StaleBecause
from hermes_lab.model.proposals import Proposal
from hermes_lab.services.present_environments import PresentEnvironments

CodeOfMerge = Callable[[], Awaitable[str | None]]
"""The `code_hash` of what a merge would write now; None: it would write nothing."""


class Staleness:
    """Derives `stale_because`: nothing of it is stored, for the present alone can say."""

    def __init__(self, environments: PresentEnvironments) -> None:
        self._environments = environments

    async def marked(
        self, evidence: Evidence, proposal: Proposal, current_hash: str | None, code_of_merge: CodeOfMerge
    ) -> Evidence:
        """The evidence as it is to be shown. ``current_hash`` is the document's, null where there is none."""
        because: list[StaleBecause] = []
        if proposal.state == "open":
            if current_hash != evidence.base_hash:
                because.append("base")
            elif evidence.decisions is not None and await _is_decided_otherwise(evidence, proposal, code_of_merge):
                because.append("proposal")
        elif proposal.state != "merged":
            because.append("proposal")
        if await self._is_elsewhere(evidence):
            because.append("environment")
        return evidence.model_copy(update={"stale": bool(because), "stale_because": because})

    async def _is_elsewhere(self, evidence: Evidence) -> bool:
        environment = evidence.environment
        if environment is None:
            return evidence.state == "completed"
        return await self._environments.fingerprint(environment.kernel_name) != environment.fingerprint


async def _is_decided_otherwise(evidence: Evidence, proposal: Proposal, code_of_merge: CodeOfMerge) -> bool:
    """Whether a merge would write other code. Before anybody has decided, nothing contradicts what was asked."""
    if all(change.decision is None for change in proposal.changes if change.state != "applied"):
        return False
    return await code_of_merge() != evidence.code_hash
