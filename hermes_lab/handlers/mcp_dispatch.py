"""MCP's methods: from a method's name and params to its result, without a transport.

Two eras of the protocol are spoken. Up to 2025-11-25 a client begins with `initialize`; since 2026-07-28 every request
says for itself which revision it is in, and `server/discover` says what there is. We keep no session in either.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from mcp_types import (
    SERVER_INFO_META_KEY,
    CallToolRequestParams,
    CallToolResult,
    DiscoverResult,
    EmptyResult,
    Implementation,
    InitializeRequestParams,
    InitializeResult,
    ListToolsResult,
    PaginatedRequestParams,
    Result,
    ServerCapabilities,
    TextContent,
    ToolAnnotations,
    ToolsCapability,
)
from mcp_types import Tool as WireTool
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ValidationError

from hermes_lab._version import __version__
from hermes_lab.handlers.mcp_schemas import input_schema, output_schema
from hermes_lab.handlers.mcp_tools import Caller, Tool
from hermes_lab.model.errors import HermesError
from hermes_lab.model.payload import JsonObject
from hermes_lab.operations import validated

HANDSHAKE_VERSIONS: tuple[str, ...] = ("2025-06-18", "2025-11-25")
"""The revisions that `initialize` can settle on, oldest first. Older ones need batches."""
SERVED_VERSIONS: tuple[str, ...] = (*HANDSHAKE_VERSIONS, *MODERN_PROTOCOL_VERSIONS)

INSTRUCTIONS = (
    "Jupyter notebooks that people answer for. You read and run notebooks, and you propose changes; a person reviews"
    " each change in JupyterLab and merges what is good. The way: get_notebook, propose_change, create_evidence,"
    " wait_for_review. Notebook files are never yours to write."
)
_SERVER = Implementation(name="hermes_lab", title="hermes_lab", version=__version__)
_CAPABILITIES = ServerCapabilities(tools=ToolsCapability(list_changed=False))
_SINCE_2026 = {"result_type", "ttl_ms", "cache_scope"}
"""Fields of results that earlier revisions do not know."""

_log = logging.getLogger(__name__)
Model = TypeVar("Model", bound=BaseModel)
Method = Callable[[Any, JsonObject], Awaitable[Result]]


class RpcError(Exception):
    """The request itself cannot be served: a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class Dispatcher:
    """Serves a set of tools."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        shared: dict[str, Method] = {"tools/list": self._list_tools, "tools/call": self._call_tool}
        self._handshake: dict[str, Method] = {"initialize": _initialize, "ping": _ping, **shared}
        self._modern: dict[str, Method] = {"server/discover": _discover, **shared}

    async def result(self, caller: Caller, version: str, method: str, params: JsonObject) -> JsonObject:
        """The result of a request in the protocol revision ``version``.

        Raises:
            RpcError: there is no such method or tool, or the params are not those of the method.
        """
        modern = version in MODERN_PROTOCOL_VERSIONS
        serve = (self._modern if modern else self._handshake).get(method)
        if serve is None:
            raise RpcError(METHOD_NOT_FOUND, f"There is no method {method!r}.", {"method": method})
        result = await serve(caller, params)
        answer: JsonObject = result.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude=None if modern else _SINCE_2026
        )
        if modern:
            answer["_meta"] = {SERVER_INFO_META_KEY: _SERVER.model_dump(by_alias=True, exclude_none=True)}
        return answer

    async def _list_tools(self, caller: Caller, params: JsonObject) -> Result:
        if _params(PaginatedRequestParams, params).cursor is not None:
            raise RpcError(INVALID_PARAMS, "There is one page of tools, and no cursor leads to another.")
        return ListToolsResult(tools=[_wire(tool) for tool in self._tools.values() if tool.allowed(caller.actor)])

    async def _call_tool(self, caller: Caller, params: JsonObject) -> Result:
        call = _params(CallToolRequestParams, params)
        tool = self._tools.get(call.name)
        if tool is None:
            raise RpcError(INVALID_PARAMS, f"Unknown tool: {call.name}", {"name": call.name})
        try:
            answer = await tool.call(caller, validated(tool.request, call.arguments or {}))
        except HermesError as error:
            # Not a JSON-RPC error: the model shall read it, and do better.
            return _tool_result(error.body().model_dump(mode="json"), is_error=True)
        except Exception as error:
            _log.exception("The tool %s failed", tool.name)
            raise RpcError(INTERNAL_ERROR, "Something went wrong in the server; its log says what.") from error
        # What was not set is not there: a model reads every field.
        return _tool_result(answer.model_dump(mode="json", exclude_unset=True))


async def _initialize(_caller: Caller, params: JsonObject) -> Result:
    asked = _params(InitializeRequestParams, params).protocol_version
    return InitializeResult(
        protocol_version=asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1],
        capabilities=_CAPABILITIES,
        server_info=_SERVER,
        instructions=INSTRUCTIONS,
    )


async def _discover(_caller: Caller, _params: JsonObject) -> Result:
    return DiscoverResult(
        supported_versions=list(SERVED_VERSIONS), capabilities=_CAPABILITIES, instructions=INSTRUCTIONS
    )


async def _ping(_caller: Caller, _params: JsonObject) -> Result:
    return EmptyResult()


def _params(model: type[Model], params: JsonObject) -> Model:
    try:
        return model.model_validate(params, by_name=False)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise RpcError(INVALID_PARAMS, f"params.{place}: {fault['msg']}", {"field": place}) from error


def _wire(tool: Tool) -> WireTool:
    return WireTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool.request),
        output_schema=output_schema(tool.answer),
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.read_only,
            destructive_hint=tool.destructive,
            idempotent_hint=tool.idempotent,
            open_world_hint=tool.open_world,
        ),
    )


def _tool_result(answer: JsonObject, *, is_error: bool = False) -> CallToolResult:
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return CallToolResult(content=[TextContent(text=text)], structured_content=answer, is_error=is_error)
