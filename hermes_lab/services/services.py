"""All use cases of one server, as the table of operations calls them."""

from __future__ import annotations

from dataclasses import dataclass

from hermes_lab.services.agents import Agents
from hermes_lab.services.comparisons import Comparisons
from hermes_lab.services.evidence import EvidenceService
from hermes_lab.services.merge_previews import MergePreviews
from hermes_lab.services.merges import Merges
from hermes_lab.services.notebooks import Notebooks
from hermes_lab.services.parameters import Parameters
from hermes_lab.services.proposals import Proposals
from hermes_lab.services.relocations import Relocations
from hermes_lab.services.reverts import Reverts
from hermes_lab.services.review_outcomes import ReviewOutcomes
from hermes_lab.services.reviews import Reviews
from hermes_lab.services.run_admissions import RunAdmissions
from hermes_lab.services.runs import Runs
from hermes_lab.services.tool_calls import ToolCalls
from hermes_lab.store import Store


@dataclass(frozen=True)
class Services:
    """Everything that the table of operations calls."""

    store: Store
    notebooks: Notebooks
    parameters: Parameters
    run_admissions: RunAdmissions
    runs: Runs
    comparisons: Comparisons
    proposals: Proposals
    reviews: Reviews
    review_outcomes: ReviewOutcomes
    merges: Merges
    merge_previews: MergePreviews
    reverts: Reverts
    relocations: Relocations
    evidence: EvidenceService
    tool_calls: ToolCalls
    agents: Agents
