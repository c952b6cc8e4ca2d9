"""The MCP endpoint as a transport: revisions, malformed messages, who may ask, and from where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clients import Client, error
from tests.mcp_calls import ask, post, tool_names

pytestmark = pytest.mark.requirement("MCP-1")

CLIENT = {"name": "test", "version": "1"}
VERSION = "MCP-Protocol-Version"
NEWEST = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": NEWEST,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def initialize(client: Client, version: str) -> dict[str, Any]:
    asked = {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT}
    result: dict[str, Any] = ask(client, "initialize", asked)["result"]
    return result


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
def test_initialize_settles_on_the_revision_that_the_client_asks_for(agent: Client, version: str) -> None:
    result = initialize(agent, version)
    assert result["protocolVersion"] == version
    assert result["serverInfo"]["name"] == "hermes_lab"
    assert result["capabilities"] == {"tools": {"listChanged": False}}
    assert "propose_change" in result["instructions"]


@pytest.mark.parametrize("version", ["1999-01-01", "2024-11-05", NEWEST, "?"])
def test_initialize_offers_the_newest_revision_it_can_settle_where_it_does_not_know_another(
    agent: Client, version: str
) -> None:
    assert initialize(agent, version)["protocolVersion"] == "2025-11-25"


def test_there_is_no_session(agent: Client) -> None:
    answer = post(agent, PING)
    assert answer.json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert answer.headers["Content-Type"] == "application/json"
    assert "Mcp-Session-Id" not in answer.headers


@pytest.mark.parametrize("name", ["initialized", "cancelled", "never/heard/of"])
def test_a_notification_is_acknowledged_without_an_answer(agent: Client, name: str) -> None:
    answer = post(agent, {"jsonrpc": "2.0", "method": f"notifications/{name}", "params": {"requestId": 1}})
    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_there_is_no_stream_to_get_and_no_session_to_delete(agent: Client, method: str) -> None:
    answer = agent.request(method, "/hermes/mcp")
    assert error(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", -32700),
        ("{", -32700),
        ("\xff", -32700),
        ('{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', -32700),
        ("[" * 100_000, -32700),
        (f"[{'1' * 5000}]", -32700),
        ([PING], -32600),
        ([], -32600),
        ("null", -32600),
        ("1", -32600),
        ({}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, -32600),
        ({**PING, "jsonrpc": "1.0"}, -32600),
        ({**PING, "id": None}, -32600),
        ({**PING, "id": 1.5}, -32600),
        ({**PING, "id": {}}, -32600),
        ({**PING, "method": 7}, -32600),
        ({**PING, "params": []}, -32600),
    ],
)
def test_what_is_no_message_is_answered_with_the_json_rpc_error_for_it(agent: Client, body: Any, code: int) -> None:
    answer = post(agent, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["id"] is None


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("resources/list", None, -32601),
        ("server/discover", {}, -32601),
        ("", None, -32601),
        ("initialize", None, -32602),
        ("initialize", {"protocolVersion": 1, "capabilities": {}, "clientInfo": CLIENT}, -32602),
        ("tools/list", {"cursor": "x"}, -32602),
        ("tools/call", {}, -32602),
        ("tools/call", {"name": 5}, -32602),
        ("tools/call", {"name": "get_run", "arguments": []}, -32602),
        ("tools/call", {"name": "review_proposal", "arguments": {}}, -32602),
    ],
)
def test_what_cannot_be_served_is_answered_with_the_json_rpc_error_for_it(
    agent: Client, method: str, params: dict[str, Any] | None, code: int
) -> None:
    answer = ask(agent, method, params)
    assert answer["error"]["code"] == code
    assert answer["error"]["message"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_TOOLS = st.sampled_from(["get_notebook", "get_run", "propose_change", "create_diff", "list_proposals", "get_evidence"])
_FIELDS = st.sampled_from(["path", "run_id", "base_hash", "title", "operations", "notebook", "base", "remote", "limit"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0"), "id": st.integers() | st.text()},
        optional={
            "method": st.sampled_from(["initialize", "tools/list", "tools/call", "ping"]) | st.text(),
            "params": st.fixed_dictionaries({"name": _TOOLS, "arguments": st.dictionaries(_FIELDS, _JSON, max_size=5)})
            | _JSON,
        },
    )
)
def test_whatever_the_message_is_the_server_answers_it(agent: Client, body: dict[str, Any]) -> None:
    answer = post(agent, body)
    assert answer.status_code in (200, 202, 400)
    if answer.status_code == 200:
        assert {"result", "error"} & answer.json().keys()
        assert answer.json().get("error", {}).get("code") != -32603, answer.text


def test_a_revision_that_is_not_served_is_refused_with_those_that_are(agent: Client) -> None:
    answer = post(agent, PING, **{VERSION: "1999-01-01"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32022
    assert answer.json()["error"]["data"]["supported"] == ["2025-06-18", "2025-11-25", NEWEST]
    assert post(agent, PING, **{VERSION: "2025-06-18"}).status_code == 200
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert post(agent, notification, **{VERSION: "1999-01-01"}).status_code == 400


def test_the_newest_revision_needs_no_handshake(agent: Client) -> None:
    headers = {VERSION: NEWEST, "Mcp-Method": "server/discover"}
    result = ask(agent, "server/discover", {"_meta": ENVELOPE}, **headers)["result"]
    assert result["supportedVersions"] == ["2025-06-18", "2025-11-25", NEWEST]
    assert result["resultType"] == "complete"
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "hermes_lab"
    headers = {VERSION: NEWEST, "Mcp-Method": "tools/list"}
    listed = ask(agent, "tools/list", {"_meta": ENVELOPE}, **headers)["result"]
    assert [tool["name"] for tool in listed["tools"]] == tool_names(agent)
    assert listed["cacheScope"] == "private"


@pytest.mark.parametrize(
    ("headers", "params", "status", "code"),
    [
        ({"Mcp-Method": "tools/list"}, {"_meta": ENVELOPE}, 400, -32020),
        ({}, {"_meta": ENVELOPE}, 400, -32020),
        ({"Mcp-Method": "ping"}, {}, 400, -32602),
        ({"Mcp-Method": "ping"}, {"_meta": ENVELOPE}, 404, -32601),
    ],
)
def test_in_the_newest_revision_headers_and_body_say_the_same_and_http_says_what_failed(
    agent: Client, headers: dict[str, str], params: dict[str, Any], status: int, code: int
) -> None:
    answer = post(agent, {**PING, "params": params}, **{VERSION: NEWEST, **headers})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_agent_is_shown_the_tools_that_its_scopes_allow(issue_agent: Callable[..., Client]) -> None:
    assert tool_names(issue_agent(scopes=["proposals:read"])) == ["get_evidence", "wait_for_review", "list_proposals"]
    assert tool_names(issue_agent(scopes=["notebooks:read"])) == ["get_notebook", "create_diff"]
    everything = tool_names(issue_agent())
    assert {"run_notebook", "propose_change", "create_evidence"} <= set(everything)
    assert len(everything) <= 12


def test_tools_say_what_they_take_and_answer_and_what_they_do(agent: Client) -> None:
    tools = {tool["name"]: tool for tool in ask(agent, "tools/list")["result"]["tools"]}
    for tool in tools.values():
        assert tool["inputSchema"]["type"] == tool["outputSchema"]["type"] == "object"
        assert "$ref" not in str(tool["inputSchema"])
        assert "idempotency_key" not in tool["inputSchema"]["properties"]
        assert tool["title"]
        assert tool["description"]
    assert tools["get_notebook"]["annotations"]["readOnlyHint"]
    assert not tools["propose_change"]["annotations"]["destructiveHint"]
    assert tools["run_notebook"]["annotations"]["destructiveHint"]
    assert tools["propose_change"]["inputSchema"]["required"] == ["path", "base_hash", "title"]


def test_nobody_is_told_anything(nobody: Client, clients: Callable[..., Client], server: Any) -> None:
    assert error(post(nobody, PING))[0] == 403
    assert error(post(clients(server.url, "hermes_agent_wrong"), PING)) == (403, "invalid_token")


def test_a_page_of_another_origin_is_refused_whatever_token_it_has(agent: Client, person: Client) -> None:
    for client in (agent, person):
        assert error(post(client, PING, Origin="http://evil.example")) == (403, "foreign_origin")
        assert post(client, PING, Origin=client.url).status_code == 200


def test_a_host_that_is_not_this_machine_is_refused(agent: Client) -> None:
    answer = post(agent, PING, Host="evil.example", Origin="http://evil.example")
    assert answer.status_code == 403
