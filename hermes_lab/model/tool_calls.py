"""Tool calls from a kernel, and the approvals they wait for (DESIGN sections 4 and 8)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hermes_lab.model.actors import Author
from hermes_lab.model.errors import IllegalTransition
from hermes_lab.model.payload import (
    IdempotencyKey,
    JsonObject,
    PageRequest,
    Payload,
    Sha256,
    UtcTime,
    WaitRequest,
    WaitSeconds,
)

ToolCallState = Literal["requested", "awaiting_approval", "running", "succeeded", "failed", "denied", "expired"]
Policy = Literal["allow", "ask", "deny"]

TOOL_CALL_ENDED: frozenset[ToolCallState] = frozenset({"succeeded", "failed", "denied", "expired"})
_FOLLOWS: dict[ToolCallState, frozenset[ToolCallState]] = {
    "requested": frozenset({"awaiting_approval", "running", "denied", "failed"}),
    "awaiting_approval": frozenset({"running", "denied", "expired"}),
    "running": frozenset({"succeeded", "failed"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "denied": frozenset(),
    "expired": frozenset(),
}


class CreateToolCall(Payload):
    """A cell asks for a tool.

    ``wait`` holds the answer back until the call has ended or awaits approval, or time is up.
    """

    tool: str = Field(min_length=1, max_length=100)
    arguments: JsonObject = Field(default_factory=dict)
    cell_id: str | None = Field(default=None, description="The cell that asks, as the kernel reports it")
    wait: WaitSeconds = 0
    idempotency_key: IdempotencyKey = None


class ToolCall(Payload):
    """A tool call as it stands now.

    ``digest`` is the sha256 of (kernel, tool, arguments): an approval is for exactly that, once. ``result`` is the
    tool's own answer, an ``{"error": …}`` included. ``reported_cell_id`` is what the kernel says, not what we know.
    """

    tool_call_id: str
    version: int = 0
    state: ToolCallState = "requested"
    tool: str
    arguments: JsonObject
    digest: Sha256
    kernel_id: str
    path: str | None = Field(description="The notebook of the kernel, where it is known")
    reported_cell_id: str | None = None
    policy: Policy
    result: JsonObject | None = None
    message: str | None = None
    decided_by: Author | None = None
    created_at: UtcTime
    expires_at: UtcTime | None = None
    decided_at: UtcTime | None = None
    ended_at: UtcTime | None = None

    def moved(self, state: ToolCallState, **fields: Any) -> ToolCall:
        """This call in its next state.

        Raises:
            IllegalTransition: it was decided, has expired or has ended.
        """
        if state not in _FOLLOWS[self.state]:
            raise IllegalTransition(
                f"The tool call is {self.state} and cannot become {state}.",
                state=self.state,
                tool_call_id=self.tool_call_id,
            )
        return self.model_copy(update={"version": self.version + 1, "state": state, **fields})


class GetToolCall(WaitRequest):
    """Which tool call, and how long to wait for a change of it."""

    tool_call_id: str


class ListToolCalls(PageRequest):
    """Tool calls, newest first."""

    state: ToolCallState | None = None


class DecideToolCall(Payload):
    """A person answers a tool call that waits; ``digest``, where given, must be the call's."""

    tool_call_id: str
    decision: Literal["allow", "deny"]
    digest: Sha256 | None = None
    reason: str | None = Field(default=None, max_length=2_000)
