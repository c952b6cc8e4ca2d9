"""JSON-RPC over HTTP, as an MCP client sends it."""

from __future__ import annotations

import itertools
from typing import Any

import requests

from tests.clients import Client, Json

_ids = itertools.count(1)


def post(client: Client, body: Any, **headers: str) -> requests.Response:
    """POST anything to the endpoint; text and bytes go as they are."""
    sent = {"data": body} if isinstance(body, str | bytes) else {"json": body}
    described = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    return client.request("POST", "/hermes/mcp", headers={**described, **headers}, **sent)


def ask(client: Client, method: str, params: Json | None = None, **headers: str) -> Json:
    """The JSON-RPC answer to a request."""
    request: Json = {"jsonrpc": "2.0", "id": next(_ids), "method": method}
    answer: Json = post(client, {**request, "params": params} if params is not None else request, **headers).json()
    assert answer["jsonrpc"] == "2.0"
    assert answer["id"] == request["id"]
    return answer


def call(client: Client, tool: str, **arguments: Any) -> Json:
    """The structured content of a tool call that went well."""
    result = ask(client, "tools/call", {"name": tool, "arguments": arguments})["result"]
    assert not result["isError"], result
    content: Json = result["structuredContent"]
    return content


def refused(client: Client, tool: str, **arguments: Any) -> Json:
    """The ErrorBody of a tool call that did not."""
    result = ask(client, "tools/call", {"name": tool, "arguments": arguments})["result"]
    assert result["isError"], result
    content: Json = result["structuredContent"]
    assert set(content) == {"message", "reason", "code", "details"}, content
    return content


def tool_names(client: Client) -> list[str]:
    """The tools that the client is shown."""
    return [tool["name"] for tool in ask(client, "tools/list")["result"]["tools"]]
