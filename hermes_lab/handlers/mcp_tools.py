"""The tools that agents see: a curated few, each naming the operations it is made of (DESIGN section 3).

A model pays for every tool it is shown, so there are at most fifteen, and an agent is shown those that its scopes
allow from beginning to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hermes_lab.handlers.mcp_notebooks import differences, portion
from hermes_lab.handlers.mcp_outcomes import evidence_outcome, heard_review, proposal_outcome, run_outcome
from hermes_lab.model.actors import Actor
from hermes_lab.model.diffs import CreateDiff
from hermes_lab.model.evidence import CreateEvidence, GetEvidence
from hermes_lab.model.mcp import (
    AwaitReview,
    DiffOutcome,
    EvidenceOutcome,
    HeardReview,
    NotebookPortion,
    ProposalOutcome,
    ReadNotebook,
    RunAndWait,
    RunOutcome,
)
from hermes_lab.model.notebooks import GetNotebook
from hermes_lab.model.payload import JsonObject, Page, Payload
from hermes_lab.model.proposals import CreateProposal, ListProposals, ProposalSummary
from hermes_lab.model.runs import CancelRun, CreateRun, GetRun
from hermes_lab.operations import BY_NAME, perform
from hermes_lab.services.services import Services


@dataclass(frozen=True)
class Caller:
    """Whoever calls a tool; each operation checks their scopes again."""

    services: Services
    actor: Actor

    async def perform(self, operation: str, request: Payload, kind: type[Payload] | None = None) -> JsonObject:
        """Perform an operation with those fields of the request that were given, as far as ``kind`` has them."""
        names = set((kind or type(request)).model_fields)
        # Not as JSON: what is secret would come out as asterisks.
        fields = request.model_dump(include=names, exclude_unset=True)
        return await perform(self.services, self.actor, BY_NAME[operation], fields)

    async def perform_until(
        self, operation: str, request: Payload, wait: float, done: Callable[[JsonObject], bool]
    ) -> JsonObject:
        """Read again at every change until ``done``, or until ``wait`` seconds are over."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + wait
        answer = await self.perform(operation, request.model_copy(update={"wait": 0}))
        while not done(answer) and (left := deadline - clock()) > 0:
            since = {"wait": left, "since": answer["version"]}
            answer = await self.perform(operation, type(request).model_validate({**request.model_dump(), **since}))
        return answer


@dataclass(frozen=True)
class Tool:
    """One tool. The hints are MCP's annotations: what a client may tell its user before a call."""

    name: str
    title: str
    description: str
    operations: tuple[str, ...]
    request: type[Payload]
    answer: type[Payload]
    call: Callable[[Caller, Any], Awaitable[Payload]]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False

    def allowed(self, actor: Actor) -> bool:
        """Whether the actor's scopes suffice for every operation of the tool."""
        return all(BY_NAME[operation].scope in actor.scopes for operation in self.operations)


async def _get_notebook(caller: Caller, request: ReadNotebook) -> Payload:
    return portion(await caller.perform("get_notebook", request, GetNotebook), request)


async def _run_notebook(caller: Caller, request: RunAndWait) -> Payload:
    run = await caller.perform("create_run", request, CreateRun)
    return await _get_run(caller, GetRun(run_id=run["run_id"], wait=request.wait))


async def _get_run(caller: Caller, request: GetRun) -> Payload:
    return run_outcome(await caller.perform("get_run", request.model_copy(update={"until": "ended"})))


async def _cancel_run(caller: Caller, request: CancelRun) -> Payload:
    return run_outcome(await caller.perform("cancel_run", request))


async def _propose_change(caller: Caller, request: CreateProposal) -> Payload:
    return proposal_outcome(await caller.perform("create_proposal", request))


async def _wait_for_review(caller: Caller, request: AwaitReview) -> Payload:
    asked = request.model_copy(update={"wait": request.wait})  # as if given: its default is this door's own
    return heard_review(await caller.perform("wait_for_review", asked))


async def _create_evidence(caller: Caller, request: CreateEvidence) -> Payload:
    return evidence_outcome(await caller.perform("create_evidence", request))


async def _get_evidence(caller: Caller, request: GetEvidence) -> Payload:
    def ended(evidence: JsonObject) -> bool:
        return evidence["state"] in ("completed", "failed")

    return evidence_outcome(await caller.perform_until("get_evidence", request, request.wait, ended))


async def _create_diff(caller: Caller, request: CreateDiff) -> Payload:
    return differences(await caller.perform("create_diff", request))


async def _list_proposals(caller: Caller, request: ListProposals) -> Payload:
    return Page[ProposalSummary].model_validate(await caller.perform("list_proposals", request))


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get_notebook",
        title="Read a notebook",
        description="Read the cells of a notebook, each with its id, and the hash that a proposal takes as its base."
        " Outputs are left out unless asked for. A long notebook comes in portions: go on at next_cell.",
        operations=("get_notebook",),
        request=ReadNotebook,
        answer=NotebookPortion,
        call=_get_notebook,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="run_notebook",
        title="Run a notebook",
        description="Run a notebook as it is, from beginning to end, in a fresh kernel. Parameters replace the values"
        " of its cell tagged `parameters`. The notebook itself is not changed; the executed copy is at output_path."
        " Waits for the end; if the run goes on longer, continue with get_run, or stop it with cancel_run.",
        operations=("create_run", "get_run"),
        request=RunAndWait,
        answer=RunOutcome,
        call=_run_notebook,
        destructive=True,
        open_world=True,
    ),
    Tool(
        name="get_run",
        title="See a run",
        description="The state of a run, and its result once it has ended: duration, scraps (values that the notebook"
        " recorded), and the failed cell with its traceback. With wait, answers when the run ends.",
        operations=("get_run",),
        request=GetRun,
        answer=RunOutcome,
        call=_get_run,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="cancel_run",
        title="Stop a run",
        description="Stop a run of your own, and everything that its kernel started. It ends as `cancelled`, seconds"
        " later where a cell does not heed the interrupt; its output notebook says how far it came.",
        operations=("cancel_run",),
        request=CancelRun,
        answer=RunOutcome,
        call=_cancel_run,
        destructive=True,
        idempotent=True,
    ),
    Tool(
        name="propose_change",
        title="Propose a change to a notebook",
        description="Propose a change for a person to review; the file stays as it is until they merge. Give either"
        " operations on cells, addressed by the ids of get_notebook (preferred), or the whole new notebook. base_hash"
        " is the hash of get_notebook. Say in rationale why, for a person who was not there.",
        operations=("create_proposal",),
        request=CreateProposal,
        answer=ProposalOutcome,
        call=_propose_change,
    ),
    Tool(
        name="create_evidence",
        title="Show that a proposal runs",
        description="Run the notebook with and without the proposal, with the same parameters, in scratch copies, and"
        " compare. Reviewers see the result beside the proposal. It may have to wait until a person lets it run.",
        operations=("create_evidence",),
        request=CreateEvidence,
        answer=EvidenceOutcome,
        call=_create_evidence,
        open_world=True,
    ),
    Tool(
        name="get_evidence",
        title="See evidence",
        description="The verdict of evidence (green: the proposal ran to its end) and which scraps changed from what to"
        " what. With wait, answers when it has ended.",
        operations=("get_evidence",),
        request=GetEvidence,
        answer=EvidenceOutcome,
        call=_get_evidence,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="wait_for_review",
        title="Wait for a review",
        description="Wait until a person reviews or merges a proposal. Answers the decision about each change, the"
        " reasons and comments, as hunks what the person wrote instead of what was proposed, and the merges. When time"
        " is up it answers the state as it is: call again, with its version as since, to wait longer.",
        operations=("wait_for_review",),
        request=AwaitReview,
        answer=HeardReview,
        call=_wait_for_review,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="list_proposals",
        title="List proposals",
        description="Proposals, newest first, of one notebook or in one state if asked: look here before proposing the"
        " same again.",
        operations=("list_proposals",),
        request=ListProposals,
        answer=Page[ProposalSummary],
        call=_list_proposals,
        read_only=True,
        idempotent=True,
    ),
    Tool(
        name="create_diff",
        title="Compare notebooks",
        description="Compare any two of: a notebook file, the output of a run, a proposal. Answers the changed cells as"
        " unified diffs. Nothing is stored.",
        operations=("create_diff",),
        request=CreateDiff,
        answer=DiffOutcome,
        call=_create_diff,
        read_only=True,
        idempotent=True,
    ),
)

BY_TOOL_NAME: dict[str, Tool] = {tool.name: tool for tool in TOOLS}
