"""Use cases, one file a noun. They know no tornado and no jupyter_server."""

from __future__ import annotations

from dataclasses import dataclass

from ..store import Store
from .agents import Agents
from .comparisons import Comparisons
from .evidence import EvidenceService
from .merges import Merges
from .notebooks import Notebooks
from .proposals import Proposals
from .reviews import Reviews
from .runs import Runs
from .tool_calls import ToolCalls


@dataclass(frozen=True)
class Services:
    """Everything that the table of operations calls."""

    store: Store
    notebooks: Notebooks
    runs: Runs
    comparisons: Comparisons
    proposals: Proposals
    reviews: Reviews
    merges: Merges
    evidence: EvidenceService
    tool_calls: ToolCalls
    agents: Agents
