"""Tool calls from kernels: judged by policy, answered by people, run by a provider, and audited."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from hermes_lab.model.actors import Actor, Author
from hermes_lab.model.claims import Claim
from hermes_lab.model.errors import Conflict, IllegalTransition, NotAllowed, NotFound
from hermes_lab.model.kernels import KernelToken
from hermes_lab.model.payload import JsonObject, Page, now
from hermes_lab.model.tool_calls import (
    TOOL_CALL_ENDED,
    CreateToolCall,
    DecideToolCall,
    GetToolCall,
    ListToolCalls,
    Policy,
    ToolCall,
    ToolCallState,
)
from hermes_lab.services.events import Events
from hermes_lab.services.kernels import Kernels
from hermes_lab.services.tool_executions import ToolExecutions
from hermes_lab.services.tool_requests import judged_call
from hermes_lab.store import Store

_BROKEN_OFF: Final = "The call was broken off: its kernel ended, or the server stopped."
_NOBODY: Final = "Nobody answered the request for approval in time."


class ToolCalls:
    """Create, read and decide tool calls. A kernel sees its own alone; only people decide."""

    def __init__(
        self,
        store: Store,
        events: Events,
        kernels: Kernels,
        executions: ToolExecutions,
        policies: Mapping[str, Policy],
        approval_timeout_seconds: float = 120.0,
    ) -> None:
        self._store = store
        self._events = events
        self._kernels = kernels
        self._executions = executions
        self._policies = dict(policies)
        self._patience = timedelta(seconds=approval_timeout_seconds)
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        kernels.when_ended(self._break_off_calls_of)

    async def create(self, actor: Actor, request: CreateToolCall) -> ToolCall:
        """The call, as it stands when it has ended, when it awaits approval, or after ``wait`` seconds.

        Raises:
            NotAllowed: the caller is no kernel.
            InvalidRequest: there is no such tool, or it does not take these arguments.
        """
        kernel = self._kernel_of(actor)
        call = judged_call(kernel, request, self._policies, self._patience)
        with self._store.transaction():
            self._store.tool_calls.insert(call)
            self._audit(actor.author, "create_tool_call", call)
            self._store.idempotency.keep(Claim.of(actor, "create_tool_call", request.idempotency_key), call)
        self._events.publish("tool_calls", call.tool_call_id, call.state)
        if call.state == "running":
            self._executions.start(call, kernel, self._end)
        elif call.state == "awaiting_approval":
            self._expiries[call.tool_call_id] = asyncio.get_running_loop().call_later(
                self._patience.total_seconds(), self._expire, call.tool_call_id, _NOBODY
            )
        return await self._settled(call, request.wait)

    async def get(self, actor: Actor, request: GetToolCall) -> ToolCall:
        """The call; with ``wait``, at its next change.

        Raises:
            NotFound: there is no such call, or it is another kernel's.
        """

        def read() -> ToolCall:
            return self._visible(actor, request.tool_call_id)

        return await self._events.latest("tool_calls", request.tool_call_id, request, _has_ended, read)

    async def list(self, actor: Actor, request: ListToolCalls) -> Page[ToolCall]:
        """Calls, newest first: all of them for a person, its own for a kernel."""
        own = self._kernel_of(actor).kernel_id if actor.kind != "human" else None
        return self._store.tool_calls.page(request.limit, request.cursor, state=request.state, kernel_id=own)

    async def decide(self, actor: Actor, request: DecideToolCall) -> ToolCall:
        """Let the call run, or deny it.

        Raises:
            NotAllowed: the caller is no person.
            NotFound: there is no such call.
            Conflict: ``digest`` is not this call's (code ``digest_mismatch``).
            IllegalTransition: it was decided before, has expired, or its kernel is gone.
        """
        if actor.kind != "human":
            raise NotAllowed("Only a person decides about tool calls.", code="only_people_decide")
        with self._store.transaction():
            call = self._visible(actor, request.tool_call_id)
            if request.digest not in (None, call.digest):
                raise Conflict("The tool call is not the one that was shown.", code="digest_mismatch", field="digest")
            decided = _decided(call, actor.author, request)
            self._store.tool_calls.replace(decided)
            self._audit(actor.author, f"{request.decision}_tool_call", decided)
        self._forget_expiry(call.tool_call_id)
        self._events.publish("tool_calls", call.tool_call_id, decided.state)
        kernel = self._kernels.get(call.kernel_id)
        if decided.state == "running" and kernel is not None:
            self._executions.start(decided, kernel, self._end)
        return decided

    def end_all_of(self, instance_id: str) -> None:
        """End the calls that a server left open which is gone."""
        open_states = {"requested", "awaiting_approval", "running"}
        for call in self._store.tool_calls.all(instance_id=instance_id, state=open_states):
            self._break_off(call)

    async def close(self) -> None:
        """End every open call of this server, and what the tools still run."""
        await self._executions.close()
        for tool_call_id in list(self._expiries):
            self._expire(tool_call_id, _BROKEN_OFF)

    def _end(self, call: ToolCall, result: JsonObject | None) -> None:
        state: ToolCallState = "failed" if result is None or _is_failure(result) else "succeeded"
        message = _BROKEN_OFF if result is None else None
        self._store_end(call.moved(state, result=result, message=message, ended_at=now()), _author_of(call))

    def _expire(self, tool_call_id: str, message: str) -> None:
        self._forget_expiry(tool_call_id)
        call = self._store.tool_calls.get(tool_call_id)
        if call is not None and call.state == "awaiting_approval":
            self._store_end(call.moved("expired", message=message, ended_at=now()), _author_of(call))

    def _break_off_calls_of(self, kernel_id: str) -> None:
        open_states = {"awaiting_approval", "running"}
        for call in self._store.tool_calls.all(kernel_id=kernel_id, state=open_states):
            self._break_off(call)

    def _break_off(self, call: ToolCall) -> None:
        if call.state == "awaiting_approval":
            self._expire(call.tool_call_id, _BROKEN_OFF)
        elif not self._executions.cancel(call.tool_call_id):
            self._end(call, None)

    def _store_end(self, ended: ToolCall, author: Author) -> None:
        with self._store.transaction():
            self._store.tool_calls.replace(ended)
            self._audit(author, "end_tool_call", ended)
        self._events.publish("tool_calls", ended.tool_call_id, ended.state)

    def _audit(self, author: Author, action: str, call: ToolCall) -> None:
        details: JsonObject = {
            "tool": call.tool,
            "digest": call.digest,
            "kernel_id": call.kernel_id,
            "reported_cell_id": call.reported_cell_id,
            "policy": call.policy,
            "state": call.state,
        }
        self._store.audit.append(author, action, call.tool_call_id, details)

    def _forget_expiry(self, tool_call_id: str) -> None:
        timer = self._expiries.pop(tool_call_id, None)
        if timer is not None:
            timer.cancel()

    async def _settled(self, call: ToolCall, wait: float) -> ToolCall:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while call.state == "running" and (left := deadline - loop.time()) > 0:
            await self._events.changed("tool_calls", call.tool_call_id, left)
            call = self._known(call.tool_call_id)
        return call

    def _kernel_of(self, actor: Actor) -> KernelToken:
        kernel = self._kernels.get(actor.kernel_id) if actor.kernel_id else None
        if actor.kind != "kernel" or kernel is None:
            raise NotAllowed("Only a kernel calls tools.", code="only_kernels_call")
        return kernel

    def _visible(self, actor: Actor, tool_call_id: str) -> ToolCall:
        call = self._known(tool_call_id)
        if actor.kind != "human" and call.kernel_id != actor.kernel_id:
            raise _no_such_call()
        return call

    def _known(self, tool_call_id: str) -> ToolCall:
        call = self._store.tool_calls.get(tool_call_id)
        if call is None:
            raise _no_such_call()
        return call


def _decided(call: ToolCall, author: Author, request: DecideToolCall) -> ToolCall:
    moment = now()
    if call.state == "awaiting_approval" and call.expires_at is not None and call.expires_at <= moment:
        raise IllegalTransition("The request for approval has expired.", state="expired")
    decided: dict[str, Any] = {"decided_by": author, "decided_at": moment, "message": request.reason}
    if request.decision == "allow":
        return call.moved("running", **decided)
    decided["message"] = request.reason or f"{author.name} denied the call."
    return call.moved("denied", ended_at=moment, **decided)


def _is_failure(result: JsonObject) -> bool:
    return bool(result.get("error")) or result.get("success") is False


def _author_of(call: ToolCall) -> Author:
    return Author(kind="kernel", name=call.path or call.kernel_id)


def _has_ended(call: ToolCall) -> bool:
    return call.state in TOOL_CALL_ENDED


def _no_such_call() -> NotFound:
    return NotFound("There is no such tool call.", code="no_such_tool_call", field="tool_call_id")
