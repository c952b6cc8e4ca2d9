"""THE table: every operation is one row, and everything that describes the API is made from it.

The HTTP routes, the OpenAPI document, the TypeScript types, the API page of the docs and the schemas of the MCP
tools come from here (DESIGN section 3).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hermes_lab.model.actors import SCOPES, Actor, require_scope
from hermes_lab.model.agents import Agent, CreateAgent, IssuedAgent, ListAgents, RevokeAgent
from hermes_lab.model.claims import Claim
from hermes_lab.model.diffs import CreateDiff, Diff
from hermes_lab.model.errors import HermesError, InvalidRequest
from hermes_lab.model.evidence import CreateEvidence, DecideEvidence, Evidence, GetEvidence
from hermes_lab.model.notebooks import GetNotebook, NotebookContent
from hermes_lab.model.parameters import InspectParameters, NotebookParameters
from hermes_lab.model.payload import JsonObject, Page, Payload
from hermes_lab.model.proposals import (
    CreateProposal,
    GetProposal,
    GetProposalNotebooks,
    ListProposals,
    MergePreview,
    MergeProposal,
    PreviewMerge,
    Proposal,
    ProposalNotebooks,
    ProposalSummary,
    RelocateProposal,
    RevertProposal,
    ReviewProposal,
    WithdrawProposal,
)
from hermes_lab.model.review_outcomes import ReviewOutcome, WaitForReview
from hermes_lab.model.run_events import FollowRun, RunEvent
from hermes_lab.model.run_records import GetRunRecord, RunRecord
from hermes_lab.model.runs import (
    CancelRun,
    CreateRun,
    GetRun,
    GetRunCell,
    GetRunNotebook,
    ListRuns,
    RerunRun,
    Run,
    RunCell,
    RunNotebook,
)
from hermes_lab.model.tool_calls import CreateToolCall, DecideToolCall, GetToolCall, ListToolCalls, ToolCall
from hermes_lab.services.services import Services

_log = logging.getLogger(__name__)

Method = Literal["GET", "POST", "DELETE"]
Call = Callable[[Services, Actor, Any], Awaitable[Payload]]
Request = TypeVar("Request", bound=Payload)


@dataclass(frozen=True)
class Operation:
    """One row. ``location`` names the response's field that the `Location` header ends with."""

    name: str
    method: Method
    path: str
    summary: str
    scope: str
    request: type[Payload]
    response: type[Payload]
    call: Call
    status: int = 200
    location: str | None = None

    @property
    def path_fields(self) -> list[str]:
        """The request's fields that are in the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def agent(self) -> bool:
        """Whether an agent can be given the scope for it."""
        return "agent" in SCOPES[self.scope].holders


@dataclass(frozen=True)
class Stream:
    """A row of what is told as it happens, as server-sent events: GET, a handler of its own, and else as above."""

    name: str
    path: str
    summary: str
    scope: str
    request: type[Payload]
    event: type[Payload]
    call: Callable[[Services, Actor, Any], AsyncGenerator[list[RunEvent], None]]


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="get_notebook",
        method="GET",
        path="/notebooks",
        summary="Read a notebook and the hash that a proposal names as its base",
        scope="notebooks:read",
        request=GetNotebook,
        response=NotebookContent,
        call=lambda services, actor, request: services.notebooks.get(actor, request),
    ),
    Operation(
        name="inspect_parameters",
        method="GET",
        path="/parameters",
        summary="Read what a notebook can be given: the parameters of its cell tagged `parameters`",
        scope="notebooks:read",
        request=InspectParameters,
        response=NotebookParameters,
        call=lambda services, actor, request: services.parameters.inspect(actor, request),
    ),
    Operation(
        name="create_run",
        method="POST",
        path="/runs",
        summary="Run a notebook with parameters in a fresh kernel",
        scope="runs:execute",
        request=CreateRun,
        response=Run,
        call=lambda services, actor, request: services.run_admissions.create(actor, request),
        status=202,
        location="run_id",
    ),
    Operation(
        name="list_runs",
        method="GET",
        path="/runs",
        summary="List runs, newest first",
        scope="runs:read",
        request=ListRuns,
        response=Page[Run],
        call=lambda services, actor, request: services.runs.list(actor, request),
    ),
    Operation(
        name="get_run",
        method="GET",
        path="/runs/{run_id}",
        summary="Read a run, at its next change if asked to wait",
        scope="runs:read",
        request=GetRun,
        response=Run,
        call=lambda services, actor, request: services.runs.get(actor, request),
    ),
    Operation(
        name="get_run_notebook",
        method="GET",
        path="/runs/{run_id}/notebook",
        summary="Read the output notebook of a run as it is now",
        scope="runs:read",
        request=GetRunNotebook,
        response=RunNotebook,
        call=lambda services, actor, request: services.runs.notebook(actor, request),
    ),
    Operation(
        name="get_run_cell",
        method="GET",
        path="/runs/{run_id}/cells/{cell_id}",
        summary="Read one cell of the output notebook of a run, with its outputs as they are now",
        scope="runs:read",
        request=GetRunCell,
        response=RunCell,
        call=lambda services, actor, request: services.runs.cell(actor, request),
    ),
    Operation(
        name="get_run_record",
        method="GET",
        path="/runs/{run_id}/record",
        summary="Read how a run was made: hashes, packages, revision, host, times and what it cost",
        scope="runs:read",
        request=GetRunRecord,
        response=RunRecord,
        call=lambda services, actor, request: services.runs.record(actor, request),
    ),
    Operation(
        name="rerun_run",
        method="POST",
        path="/runs/{run_id}/rerun",
        summary="Run again what a run ran, with the same or other parameters",
        scope="runs:execute",
        request=RerunRun,
        response=Run,
        call=lambda services, actor, request: services.run_admissions.rerun(actor, request),
        status=202,
    ),
    Operation(
        name="cancel_run",
        method="POST",
        path="/runs/{run_id}/cancel",
        summary="Stop a run and everything that its kernel started",
        scope="runs:execute",
        request=CancelRun,
        response=Run,
        call=lambda services, actor, request: services.runs.cancel(actor, request),
    ),
    Operation(
        name="create_diff",
        method="POST",
        path="/diffs",
        summary="Compare two notebooks, cell by cell and as nbdime operations",
        scope="notebooks:read",
        request=CreateDiff,
        response=Diff,
        call=lambda services, actor, request: services.comparisons.create(actor, request),
    ),
    Operation(
        name="create_proposal",
        method="POST",
        path="/proposals",
        summary="Propose a change to a notebook, which stays as it is until a person merges",
        scope="proposals:write",
        request=CreateProposal,
        response=Proposal,
        call=lambda services, actor, request: services.proposals.create(actor, request),
        status=201,
        location="proposal_id",
    ),
    Operation(
        name="list_proposals",
        method="GET",
        path="/proposals",
        summary="List proposals, newest first",
        scope="proposals:read",
        request=ListProposals,
        response=Page[ProposalSummary],
        call=lambda services, actor, request: services.proposals.list(actor, request),
    ),
    Operation(
        name="get_proposal",
        method="GET",
        path="/proposals/{proposal_id}",
        summary="Read a proposal with its changes, evidence and reviews, at its next change if asked to wait",
        scope="proposals:read",
        request=GetProposal,
        response=Proposal,
        call=lambda services, actor, request: services.proposals.get(actor, request),
    ),
    Operation(
        name="get_proposal_notebooks",
        method="GET",
        path="/proposals/{proposal_id}/notebooks",
        summary="Read the notebooks that a proposal stands between",
        scope="proposals:read",
        request=GetProposalNotebooks,
        response=ProposalNotebooks,
        call=lambda services, actor, request: services.proposals.notebooks(actor, request),
    ),
    Operation(
        name="review_proposal",
        method="POST",
        path="/proposals/{proposal_id}/reviews",
        summary="Accept or reject changes and comment on them",
        scope="proposals:review",
        request=ReviewProposal,
        response=Proposal,
        call=lambda services, actor, request: services.reviews.review(actor, request),
    ),
    Operation(
        name="wait_for_review",
        method="GET",
        path="/proposals/{proposal_id}/review",
        summary="Read what became of a proposal: decisions, reasons, comments and edits; waits for one if asked to",
        scope="proposals:read",
        request=WaitForReview,
        response=ReviewOutcome,
        call=lambda services, actor, request: services.review_outcomes.wait(actor, request),
    ),
    Operation(
        name="merge_proposal",
        method="POST",
        path="/proposals/{proposal_id}/merge",
        summary="Write the accepted changes into the document as it is now",
        scope="proposals:merge",
        request=MergeProposal,
        response=Proposal,
        call=lambda services, actor, request: services.merges.merge(actor, request),
    ),
    Operation(
        name="preview_merge",
        method="POST",
        path="/proposals/{proposal_id}/preview",
        summary="Show what a merge would write, without writing it",
        scope="proposals:read",
        request=PreviewMerge,
        response=MergePreview,
        call=lambda services, actor, request: services.merge_previews.preview(actor, request),
    ),
    Operation(
        name="revert_proposal",
        method="POST",
        path="/proposals/{proposal_id}/revert",
        summary="Propose what undoes a merge, against what the document is now",
        scope="proposals:write",
        request=RevertProposal,
        response=Proposal,
        call=lambda services, actor, request: services.reverts.revert(actor, request),
        status=201,
    ),
    Operation(
        name="relocate_proposal",
        method="POST",
        path="/proposals/{proposal_id}/path",
        summary="Point a proposal at where its document is now",
        scope="proposals:write",
        request=RelocateProposal,
        response=Proposal,
        call=lambda services, actor, request: services.relocations.relocate(actor, request),
    ),
    Operation(
        name="withdraw_proposal",
        method="POST",
        path="/proposals/{proposal_id}/withdraw",
        summary="Take a proposal back",
        scope="proposals:write",
        request=WithdrawProposal,
        response=Proposal,
        call=lambda services, actor, request: services.proposals.withdraw(actor, request),
    ),
    Operation(
        name="create_evidence",
        method="POST",
        path="/evidence",
        summary="Run base and proposal with the same parameters and compare",
        scope="proposals:write",
        request=CreateEvidence,
        response=Evidence,
        call=lambda services, actor, request: services.evidence.create(actor, request),
        status=202,
        location="evidence_id",
    ),
    Operation(
        name="get_evidence",
        method="GET",
        path="/evidence/{evidence_id}",
        summary="Read evidence, at its next change if asked to wait",
        scope="proposals:read",
        request=GetEvidence,
        response=Evidence,
        call=lambda services, actor, request: services.evidence.get(actor, request),
    ),
    Operation(
        name="decide_evidence",
        method="POST",
        path="/evidence/{evidence_id}/decision",
        summary="Let evidence that waits run, or not",
        scope="proposals:review",
        request=DecideEvidence,
        response=Evidence,
        call=lambda services, actor, request: services.evidence.decide(actor, request),
    ),
    Operation(
        name="create_tool_call",
        method="POST",
        path="/tool_calls",
        summary="Call a tool from a kernel",
        scope="tool_calls:create",
        request=CreateToolCall,
        response=ToolCall,
        call=lambda services, actor, request: services.tool_calls.create(actor, request),
        status=202,
        location="tool_call_id",
    ),
    Operation(
        name="list_tool_calls",
        method="GET",
        path="/tool_calls",
        summary="List tool calls, newest first",
        scope="tool_calls:read",
        request=ListToolCalls,
        response=Page[ToolCall],
        call=lambda services, actor, request: services.tool_calls.list(actor, request),
    ),
    Operation(
        name="get_tool_call",
        method="GET",
        path="/tool_calls/{tool_call_id}",
        summary="Read a tool call, at its next change if asked to wait",
        scope="tool_calls:read",
        request=GetToolCall,
        response=ToolCall,
        call=lambda services, actor, request: services.tool_calls.get(actor, request),
    ),
    Operation(
        name="decide_tool_call",
        method="POST",
        path="/tool_calls/{tool_call_id}/decision",
        summary="Allow or deny a tool call that waits",
        scope="tool_calls:decide",
        request=DecideToolCall,
        response=ToolCall,
        call=lambda services, actor, request: services.tool_calls.decide(actor, request),
    ),
    Operation(
        name="create_agent",
        method="POST",
        path="/agents",
        summary="Issue a token to an agent; it is shown this once",
        scope="agents:admin",
        request=CreateAgent,
        response=IssuedAgent,
        call=lambda services, actor, request: services.agents.create(actor, request),
        status=201,
    ),
    Operation(
        name="list_agents",
        method="GET",
        path="/agents",
        summary="List agents, newest first",
        scope="agents:admin",
        request=ListAgents,
        response=Page[Agent],
        call=lambda services, actor, request: services.agents.list(actor, request),
    ),
    Operation(
        name="revoke_agent",
        method="DELETE",
        path="/agents/{agent_id}",
        summary="End the token of an agent",
        scope="agents:admin",
        request=RevokeAgent,
        response=Agent,
        call=lambda services, actor, request: services.agents.revoke(actor, request),
    ),
)

STREAMS: tuple[Stream, ...] = (
    Stream(
        name="follow_run",
        path="/runs/{run_id}/events",
        summary="Follow a run as server-sent events, from its beginning or from any event on, until it has ended",
        scope="runs:read",
        request=FollowRun,
        event=RunEvent,
        call=lambda services, actor, request: services.runs.follow(actor, request),
    ),
)

_CHOICES = frozenset({"insert", "replace_source", "delete", "move", "set_metadata"})

BY_NAME: dict[str, Operation] = {operation.name: operation for operation in OPERATIONS}


async def perform(services: Services, actor: Actor, operation: Operation, fields: JsonObject) -> JsonObject:
    """Check the actor's scope, validate the fields, call the service; answers the response as JSON values.

    Raises:
        NotAllowed: the actor lacks the scope.
        InvalidRequest: the fields are not those of the request.
        HermesError: whatever the operation answers.
    """
    require_scope(actor, operation.scope)
    request = validated(operation.request, fields)
    claim = Claim.of(actor, operation.name, getattr(request, "idempotency_key", None))
    if claim is None:
        return _json(await _response(services, actor, operation, request))
    ledger = services.store.idempotency
    before = ledger.claim(claim, request.model_dump(mode="json"))
    if before is not None:
        return before
    try:
        response = await _response(services, actor, operation, request)
    except BaseException:
        ledger.release(claim)
        raise
    # The service has kept what it made, with the making of it; this is the answer as the caller gets it.
    ledger.keep(claim, response)
    return _json(response)


def validated(request: type[Request], fields: JsonObject) -> Request:
    """The request that the fields make.

    Raises:
        InvalidRequest: with every field at fault in ``details.errors``, the first one in ``details.field``.
    """
    try:
        return request.model_validate(fields)
    except ValidationError as error:
        faults = [
            _fault(fault) for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        field, problem = faults[0]["field"], faults[0]["problem"]
        raise InvalidRequest(f"{field or 'request'}: {problem}", field=field, errors=faults) from error


def _fault(fault: ErrorDetails) -> JsonObject:
    """A fault as callers get it. Where pydantic chose between types, the place names its choice too: leave that out."""
    place = [part for part in fault["loc"] if isinstance(part, int) or (part not in _CHOICES and "[" not in part)]
    return {"field": ".".join(map(str, place)), "problem": fault["msg"], "type": fault["type"]}


async def _response(services: Services, actor: Actor, operation: Operation, request: Payload) -> Payload:
    try:
        return await operation.call(services, actor, request)
    except HermesError as error:
        _log.info("%s by %s %s: %s", operation.name, actor.kind, actor.name, error.code)
        raise


def _json(response: Payload) -> JsonObject:
    answer: JsonObject = response.model_dump(mode="json")
    return answer
