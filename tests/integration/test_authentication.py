"""Who is answered: every route and method of the running application, asked by everybody who is nobody."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from hermes_lab.model.actors import SCOPES, expand, scopes_held_by
from hermes_lab.operations import OPERATIONS, STREAMS, Operation, Stream
from tests.clients import SECONDS, Client, error
from tests.files import files_with
from tests.journeys.proposing import propose, replace
from tests.kernels import Kernel
from tests.servers import CHECKOUT, Server, isolated_environment
from tests.workspaces import Workspace
from tests.written_notebooks import code

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
Routes = list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Things:
    """One of everything that a route can name."""

    run_id: str
    proposal_id: str
    evidence_id: str
    tool_call_id: str
    agent_id: str
    cell_id: str = "only"

    def path(self, pattern: str) -> str:
        """A path that the route takes, which names something that exists."""
        path = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda group: str(getattr(self, group[1])), pattern)
        return path.removesuffix("$").replace(".*", "anything").replace("\\", "")


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Routes:
    """What the application routes to us, as the application itself says."""
    home = tmp_path_factory.mktemp("application")
    done = subprocess.run(
        [sys.executable, "-m", "tests.routes_of_the_application"],
        cwd=home,
        env=isolated_environment(home) | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [(pattern, methods) for pattern, methods in json.loads(done.stdout.splitlines()[-1])]


@pytest.fixture(scope="module")
def things(asking_server: Server) -> Iterator[Things]:
    """A run, a proposal, evidence and an agent that every test of this file asks for."""
    with closing(Client(asking_server.url, asking_server.token, "token")) as person:
        issued = person.post("agents", name="agent of these tests").json()
        with closing(Client(asking_server.url, issued["token"])) as agent:
            workspace = Workspace(asking_server.root, asking_server.root / "things")
            path = workspace.write("report.ipynb", code("only", "print(1)"))
            run = agent.wait_until_ended(agent.post("runs", input_path=path))
            proposal = propose(agent, path, replace("only", "print(2)"))
            evidence = agent.post("evidence", proposal_id=proposal["proposal_id"]).json()
        ids = (run["run_id"], proposal["proposal_id"], evidence["evidence_id"])
        yield Things(*ids, tool_call_id="0" * 32, agent_id=issued["agent_id"])


def is_refusal(answer: requests.Response, supported: list[str]) -> bool:
    """Whether the answer says no and nothing else."""
    method = str(answer.request.method)
    if method == "OPTIONS" and answer.status_code == 204:
        return answer.content == b""  # what a browser asks before it asks
    if answer.status_code == 405:
        return method not in supported and (method == "HEAD" or error(answer) == (405, "method_not_allowed"))
    if answer.status_code not in (401, 403):
        return False
    return method == "HEAD" or error(answer)[1] in {"not_authenticated", "invalid_token", "xsrf"}


def leaks(client: Client, routes: Routes, things: Things) -> list[str]:
    """Every route and method that answers anything but a refusal."""
    asked = [(method, things.path(pattern), supported) for pattern, supported in routes for method in METHODS]
    answers = [(client.request(method, path), supported) for method, path, supported in asked]
    return [
        f"{answer.request.method} {answer.request.path_url}: {answer.status_code} {answer.text[:200]}"
        for answer, supported in answers
        if not is_refusal(answer, supported)
    ]


@pytest.mark.requirement("AUTH-1")
def test_every_operation_is_among_the_routes_that_are_asked(routes: Routes) -> None:
    patterns = {re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", pattern).removesuffix("$") for pattern, _ in routes}
    assert {f"/hermes/api{operation.path}" for operation in (*OPERATIONS, *STREAMS)} <= patterns
    assert {"/hermes/mcp", "/hermes/api/openapi.json"} <= patterns


@pytest.mark.requirement("AUTH-1")
def test_every_route_of_ours_lies_under_our_prefix(routes: Routes) -> None:
    assert [pattern for pattern, _ in routes if not pattern.startswith("/hermes/")] == []


@pytest.mark.requirement("AUTH-1", "API-5")
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        "token wrong",
        "Bearer hermes_agent_wrong",
        "Bearer hermes_kernel_wrong",
        "token hermes_agent_",
        "Basic aGVybWVzOmhlcm1lcw==",
    ],
)
def test_no_route_answers_nobody(nobody: Client, routes: Routes, things: Things, authorization: str | None) -> None:
    if authorization is not None:
        nobody.session.headers["Authorization"] = authorization
    assert leaks(nobody, routes, things) == []


@pytest.mark.requirement("AUTH-4")
def test_no_route_answers_a_revoked_agent(
    person: Client, clients: Callable[..., Client], routes: Routes, things: Things
) -> None:
    issued = person.post("agents", name=f"revoked {things.run_id}").json()
    revoked = clients(person.url, issued["token"])
    assert revoked.get("runs").status_code == 200
    assert person.delete(f"agents/{issued['agent_id']}").json()["revoked_at"] is not None
    assert leaks(revoked, routes, things) == []


@pytest.mark.requirement("AUTH-4")
def test_no_route_answers_an_expired_agent(issue_agent: Callable[..., Client], routes: Routes, things: Things) -> None:
    moment = datetime.now(timezone.utc) + timedelta(seconds=3)  # it is not to be over before the token is issued
    agent = issue_agent(expires_at=moment.isoformat())
    while datetime.now(timezone.utc) <= moment:
        agent.get("runs")
    assert leaks(agent, routes, things) == []


@pytest.mark.requirement("AUTH-6")
def test_no_route_answers_a_kernel_that_is_gone(
    kernel: Kernel, clients: Callable[..., Client], server: Server, routes: Routes, things: Things
) -> None:
    token = kernel.run("import os; print(os.environ['HERMES_LAB_KERNEL_TOKEN'])")
    holder = clients(server.url, token)
    assert holder.get("tool_calls").status_code == 200
    kernel.shut_down()
    assert leaks(holder, routes, things) == []


@pytest.mark.requirement("AUTH-1")
def test_a_token_of_ours_in_the_query_is_no_token(agent: Client, nobody: Client) -> None:
    assert error(nobody.get("runs", token=agent.token)) == (403, "not_authenticated")


@pytest.mark.requirement("AUTH-3")
@pytest.mark.parametrize("operation", [*OPERATIONS, *STREAMS], ids=lambda operation: operation.name)
def test_an_operation_needs_its_scope(
    issue_agent: Callable[..., Client], things: Things, operation: Operation | Stream
) -> None:
    """Asked by an agent that holds every scope for agents except this one and those that include it."""
    others = [name for name in scopes_held_by("agent") if operation.scope not in expand(frozenset({name}))]
    agent = issue_agent(scopes=others)
    path = things.path("/hermes/api" + re.sub(r"\{(\w+)\}", r"(?P<\1>x)", operation.path))
    method = operation.method if isinstance(operation, Operation) else "GET"
    answer = agent.request(method, path, json={} if method == "POST" else None)
    assert error(answer) == (403, "missing_scope")
    assert answer.json()["details"]["scope"] == operation.scope


@pytest.mark.requirement("AUTH-3")
@pytest.mark.parametrize("scope", sorted(set(SCOPES) - scopes_held_by("agent")))
def test_no_agent_is_issued_a_scope_of_people(person: Client, scope: str) -> None:
    refused = person.post("agents", name="ambitious", scopes=[scope])
    assert error(refused) == (400, "invalid_request")
    assert refused.json()["details"]["field"] == "scopes"


@pytest.mark.requirement("AUTH-3")
def test_an_agents_token_beside_a_persons_cookie_is_still_the_agent(
    server: Server, clients: Callable[..., Client], agent: Client
) -> None:
    browser = logged_in(clients, server)
    browser.session.headers["Authorization"] = f"Bearer {agent.token}"
    assert error(browser.post("agents", name="another")) == (403, "missing_scope")


@pytest.mark.requirement("AUTH-2")
@pytest.mark.parametrize("scheme", ["Bearer", "token"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/contents"),
        ("PUT", "/api/contents/written.ipynb"),
        ("GET", "/api/kernels"),
        ("POST", "/api/kernels"),
        ("GET", "/api/sessions"),
        ("POST", "/api/terminals"),
        ("GET", "/api/me"),
        ("GET", "/api/events/subscribe"),
        ("GET", "/files/secret.txt"),
        ("POST", "/api/shutdown"),
    ],
)
def test_an_agents_token_opens_no_route_of_jupyter(
    agent: Client, clients: Callable[..., Client], server: Server, scheme: str, method: str, path: str
) -> None:
    (server.root / "secret.txt").write_text("secret")
    client = clients(server.url, agent.token, scheme)
    body: dict[str, Any] = {"type": "notebook", "content": {"cells": [], "metadata": {}, "nbformat": 4}}
    answer = client.request(method, path, json=body if method != "GET" else None, allow_redirects=False)
    assert answer.status_code in (302, 401, 403), answer.text
    assert "/login" in answer.headers.get("Location", "/login")
    assert not (server.root / "written.ipynb").exists()


@pytest.mark.requirement("AUTH-5")
def test_a_cookie_without_its_xsrf_token_changes_nothing(
    server: Server, clients: Callable[..., Client], workspace: Workspace
) -> None:
    browser = logged_in(clients, server)
    path = workspace.write("report.ipynb", code("only", "print(1)"))
    before = workspace.tree()
    refused = browser.post("runs", input_path=path)
    assert error(refused) == (403, "xsrf")
    assert browser.get("runs", path=path).json()["items"] == []
    assert workspace.tree() == before


@pytest.mark.requirement("AUTH-5")
def test_a_cookie_with_its_xsrf_token_is_the_person(
    server: Server, clients: Callable[..., Client], workspace: Workspace
) -> None:
    browser = logged_in(clients, server)
    browser.session.headers["X-XSRFToken"] = str(browser.session.cookies["_xsrf"])
    run = browser.post("runs", input_path=workspace.write("report.ipynb", code("only", "print(1)")))
    assert (run.status_code, run.json()["author"]["kind"]) == (202, "human")
    browser.wait_until_ended(run)


@pytest.mark.requirement("AUTH-5")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_another_origin_is_refused(server: Server, clients: Callable[..., Client], method: str) -> None:
    browser = logged_in(clients, server)
    browser.session.headers["X-XSRFToken"] = str(browser.session.cookies["_xsrf"])
    browser.session.headers["Origin"] = "http://elsewhere.example"
    answer = browser.request(method, "/hermes/api/runs", json={} if method == "POST" else None)
    assert answer.status_code in (403, 404), answer.text
    assert set(answer.json()) == {"message", "reason", "code", "details"}


@pytest.mark.requirement("AUTH-3")
def test_the_token_of_an_agent_is_told_once(person: Client, agent: Client) -> None:
    issued = person.post("agents", name=f"told once {agent.token}"[:60]).json()
    listed = person.get("agents")
    assert issued["agent_id"] in listed.text
    assert issued["token"] not in listed.text
    assert "token_hash" not in listed.text


@pytest.mark.requirement("AUTH-3")
def test_the_store_holds_no_token(person: Client, agent: Client, server: Server) -> None:
    assert agent.get("runs").status_code == 200
    assert files_with(server.home / "data", str(agent.token)) == []


def logged_in(clients: Callable[..., Client], server: Server) -> Client:
    """A browser that opened the address which Jupyter printed: it holds cookies and no header."""
    browser = clients(server.url)
    page = browser.session.get(f"{server.url}/login", params={"token": server.token}, timeout=SECONDS)
    assert browser.session.cookies, page.text
    return browser
