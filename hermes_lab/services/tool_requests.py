"""From what a cell asks for to a tool call that a policy has judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.kernels import KernelToken
from hermes_lab.model.payload import JsonObject, new_id, now
from hermes_lab.model.tool_calls import CreateToolCall, Policy, ToolCall
from hermes_lab.model.tools import TOOLS


def judged_call(
    kernel: KernelToken, request: CreateToolCall, policies: Mapping[str, Policy], patience: timedelta
) -> ToolCall:
    """The call in its first state: running, awaiting approval for as long as ``patience``, or denied.

    Raises:
        InvalidRequest: there is no such tool, or it does not take these arguments.
    """
    arguments = checked_arguments(request.tool, request.arguments)
    policy = policies.get(request.tool, TOOLS[request.tool].policy)
    moment = now()
    call = ToolCall(
        tool_call_id=new_id(),
        tool=request.tool,
        arguments=arguments,
        digest=digest(kernel.kernel_id, request.tool, arguments),
        kernel_id=kernel.kernel_id,
        path=kernel.path,
        reported_cell_id=request.cell_id,
        policy=policy,
        created_at=moment,
    )
    match policy:
        case "allow":
            return call.moved("running")
        case "ask":
            return call.moved("awaiting_approval", expires_at=moment + patience)
        case "deny":
            message = f"The policy of this server denies the tool {request.tool!r}."
            return call.moved("denied", message=message, ended_at=moment)


def checked_arguments(tool: str, arguments: JsonObject) -> JsonObject:
    """The arguments with every default filled in, as a person will see them and the tool will get them.

    Raises:
        InvalidRequest: code ``unknown_tool``, or the field ``arguments.<name>`` that the tool does not take.
    """
    if tool not in TOOLS:
        raise InvalidRequest(
            f"There is no tool {tool!r}; there are {', '.join(TOOLS)}.", code="unknown_tool", field="tool"
        )
    try:
        return TOOLS[tool].arguments.model_validate(arguments).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(["arguments", *(str(part) for part in first["loc"])])
        raise InvalidRequest(f"{tool}: {field}: {first['msg']}.", code="invalid_arguments", field=field) from None


def digest(kernel_id: str, tool: str, arguments: Any) -> str:
    """The sha256 that an approval is bound to."""
    exact = json.dumps([kernel_id, tool, arguments], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(exact.encode()).hexdigest()
