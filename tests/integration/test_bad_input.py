"""Bad input: status, code and the field at fault; and nothing is written, neither a file nor a row."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.clients import Client, error
from tests.conftest import StartServer
from tests.journeys.proposing import propose, read, replace
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("API-1", "API-5")

Fields = dict[str, Any]
Written = tuple[dict[str, bytes], dict[str, int]]


@pytest.fixture
def workspace(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A notebook, and everything around it that is none."""
    workspace.write("report.ipynb", code("first", "print(1)"), code("second", "print(2)"))
    (workspace.folder / "plain.txt").write_text("text")
    (workspace.folder / "no_json.ipynb").write_text("{ this is no JSON")
    (workspace.folder / "a_list.ipynb").write_text("[]")
    (workspace.folder / "empty.ipynb").write_text("")
    (workspace.folder / "bytes.ipynb").write_bytes(b"\xff\xfe\x00")
    (workspace.folder / "folder.ipynb").mkdir()
    os.mkfifo(workspace.folder / "pipe.ipynb")
    outside = Workspace(tmp_path, tmp_path / "outside")
    outside.write("secret.ipynb", code("secret", "secret"))
    (workspace.folder / "link.ipynb").symlink_to(outside.folder / "secret.ipynb")
    (workspace.folder / "linked").symlink_to(outside.folder)
    sibling = Workspace(workspace.root.parent, workspace.root.parent / f"root-sibling-{tmp_path.name}")
    sibling.write("secret.ipynb", code("secret", "secret"))
    (workspace.folder / "sibling").write_text(sibling.folder.name)
    return workspace


@pytest.fixture
def written(server: Server, workspace: Workspace) -> Callable[[], Written]:
    """What is in the files and how many rows are in the tables now."""

    def look() -> Written:
        files = {str(file): file.read_bytes() for file in server.root.rglob("*") if file.is_file()}
        (database,) = (server.home / "data").rglob("hermes.sqlite3")
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
            rows = {name: connection.execute(f"select count(*) from {name}").fetchone()[0] for name in names}
        return files, rows

    return look


NO_NOTEBOOKS = [
    ("missing.ipynb", 404, "no_such_notebook"),
    ("no_such_folder/report.ipynb", 404, "no_such_notebook"),
    ("plain.txt", 400, "not_a_notebook"),
    ("", 400, "not_a_notebook"),
    ("no_json.ipynb", 400, "invalid_notebook"),
    ("a_list.ipynb", 400, "invalid_notebook"),
    ("empty.ipynb", 400, "invalid_notebook"),
    ("bytes.ipynb", 400, "invalid_notebook"),
    ("folder.ipynb", 400, "invalid_notebook"),
    ("pipe.ipynb", 400, "invalid_notebook"),
    ("../../outside.ipynb", 400, "path_outside_root"),
    ("../../../../../../etc/passwd", 400, "path_outside_root"),
    ("link.ipynb", 400, "path_outside_root"),
    ("linked/secret.ipynb", 400, "path_outside_root"),
    ("linked/new.ipynb", 400, "path_outside_root"),
    ("../../{sibling}/secret.ipynb", 400, "path_outside_root"),
]


@pytest.mark.parametrize(("name", "status", "code"), NO_NOTEBOOKS)
@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ("get_notebook", "path"),
        ("create_run", "input_path"),
        ("inspect_parameters", "path"),
        ("create_proposal", "path"),
        ("create_diff", "base.path"),
    ],
)
def test_what_is_no_notebook_of_the_root_is_refused(
    agent: Client,
    workspace: Workspace,
    written: Callable[[], Written],
    operation: str,
    field: str,
    name: str,
    status: int,
    code: str,
) -> None:
    path = f"{workspace.folder.name}/{name.format(sibling=(workspace.folder / 'sibling').read_text())}"
    before = written()
    if operation == "get_notebook":
        answer = agent.get("notebooks", path=path)
    elif operation == "inspect_parameters":
        answer = agent.get("parameters", path=path)
    elif operation == "create_run":
        answer = agent.post("runs", input_path=path)
    elif operation == "create_diff":
        answer = agent.post("diffs", base={"path": path}, remote={"path": workspace.path("report.ipynb")})
    else:
        answer = agent.post("proposals", path=path, base_hash="0" * 64, title="t", operations=[replace("first", "1")])
    assert error(answer) == (status, code)
    assert answer.json()["details"]["field"] == field
    assert written() == before


@pytest.mark.parametrize(
    ("text", "place"),
    [('{"cells": []}', "notebook.nbformat"), ('{"nbformat": 4, "nbformat_minor": 5, "cells": 1}', "notebook.cells")],
)
def test_what_is_wrong_inside_a_file_is_named(agent: Client, workspace: Workspace, text: str, place: str) -> None:
    (workspace.folder / "wrong.ipynb").write_text(text)
    answer = agent.get("notebooks", path=workspace.path("wrong.ipynb"))
    assert error(answer) == (400, "invalid_notebook")
    assert answer.json()["details"] == {"field": "path", "place": place}


RUNS: list[tuple[Fields, int, str, str]] = [
    ({}, 400, "invalid_request", "input_path"),
    ({"input_path": 1}, 400, "invalid_request", "input_path"),
    ({"input_path": ""}, 400, "invalid_request", "input_path"),
    ({"kernel_name": "no-such-kernel"}, 400, "kernel_not_found", "kernel_name"),
    ({"parameters": []}, 400, "invalid_request", "parameters"),
    ({"parameters": {"not a name": 1}}, 400, "invalid_parameters", "parameters.not a name"),
    ({"parameters": {"a; import os": 1}}, 400, "invalid_parameters", "parameters.a; import os"),
    ({"parameters": {"class": 1}}, 400, "invalid_parameters", "parameters.class"),
    ({"parameters": {"n": 1}}, 400, "unknown_parameter", "parameters.n"),
    ({"timeout_seconds": 0}, 400, "invalid_request", "timeout_seconds"),
    ({"timeout_seconds": "soon"}, 400, "invalid_request", "timeout_seconds"),
    ({"cell_timeout_seconds": 0}, 400, "invalid_request", "cell_timeout_seconds"),
    ({"allow_errors": "perhaps"}, 400, "invalid_request", "allow_errors"),
    ({"allow_unknown": 7}, 400, "invalid_request", "allow_unknown"),
    ({"prepare_only": []}, 400, "invalid_request", "prepare_only"),
    ({"secret_parameters": ["TOKEN"]}, 400, "invalid_request", "secret_parameters"),
    ({"secret_parameters": {"TOKEN": 1}}, 400, "invalid_request", "secret_parameters.TOKEN"),
    ({"secret_parameters": {"TOKEN": ""}}, 400, "invalid_parameters", "secret_parameters.TOKEN"),
    ({"secret_parameters": {"TOKEN": "a\0b"}}, 400, "invalid_parameters", "secret_parameters.TOKEN"),
    ({"secret_parameters": {"not a name": "x"}}, 400, "invalid_parameters", "secret_parameters.not a name"),
    ({"secret_parameters": {"A=B": "x"}}, 400, "invalid_parameters", "secret_parameters.A=B"),
    ({"secret_parameters": {"PATH": "/tmp"}}, 400, "invalid_parameters", "secret_parameters.PATH"),
    ({"secret_parameters": {"LD_PRELOAD": "x.so"}}, 400, "invalid_parameters", "secret_parameters.LD_PRELOAD"),
    ({"secret_parameters": {"PYTHONSTARTUP": "x"}}, 400, "invalid_parameters", "secret_parameters.PYTHONSTARTUP"),
    ({"secret_parameters": {"https_proxy": "x"}}, 400, "invalid_parameters", "secret_parameters.https_proxy"),
    (
        {"secret_parameters": {"HERMES_LAB_KERNEL_TOKEN": "x"}},
        400,
        "invalid_parameters",
        "secret_parameters.HERMES_LAB_KERNEL_TOKEN",
    ),
    (
        {"parameters": {"n": 1}, "secret_parameters": {"n": "x"}, "allow_unknown": True},
        400,
        "invalid_parameters",
        "secret_parameters.n",
    ),
    ({"no_such_field": 1}, 400, "invalid_request", "no_such_field"),
    ({"output_path": "x" * 300 + ".ipynb"}, 400, "invalid_path", "output_path"),
    ({"output_path": "../../../outside.ipynb"}, 400, "path_outside_root", "output_path"),
    ({"input_path": "nul\0.ipynb"}, 400, "invalid_path", "input_path"),
    ({"output_path": "output.txt"}, 400, "not_a_notebook", "output_path"),
    ({"idempotency_key": ""}, 400, "invalid_request", "idempotency_key"),
]


@pytest.mark.parametrize(("fields", "status", "code", "field"), RUNS, ids=[str(row[0]) for row in RUNS])
def test_a_run_that_cannot_be_is_refused(
    agent: Client,
    workspace: Workspace,
    written: Callable[[], Written],
    fields: Fields,
    status: int,
    code: str,
    field: str,
) -> None:
    before = written()
    whole = fields if fields == {} else {"input_path": workspace.path("report.ipynb"), **fields}
    answer = agent.post("runs", whole)
    assert error(answer) == (status, code)
    assert answer.json()["details"]["field"] == field
    assert written() == before


def test_a_run_does_not_write_over_its_input(
    person: Client, workspace: Workspace, written: Callable[[], Written]
) -> None:
    before = written()
    path = workspace.path("report.ipynb")
    answer = person.post("runs", input_path=path, output_path=path, overwrite=True)
    assert error(answer) == (409, "output_is_input")
    assert written() == before


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["folder.ipynb", "pipe.ipynb"])
def test_a_run_whose_output_would_be_in_the_place_of_something_that_is_no_file_is_refused(
    person: Client, workspace: Workspace, written: Callable[[], Written], name: str, overwrite: bool
) -> None:
    before = written()
    path, output_path = workspace.path("report.ipynb"), workspace.path(name)
    answer = person.post("runs", input_path=path, output_path=output_path, overwrite=overwrite)
    assert error(answer) == (409, "output_exists")
    assert answer.json()["details"]["field"] == "output_path"
    assert written() == before


CELL = {"cell_type": "code", "id": "first", "source": "", "metadata": {}, "outputs": [], "execution_count": None}
NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}
PROPOSALS: list[tuple[Fields, str, str]] = [
    ({}, "invalid_request", ""),
    ({"title": "", "operations": [replace("first", "1")]}, "invalid_request", "title"),
    ({"title": None, "operations": [replace("first", "1")]}, "invalid_request", "title"),
    ({"base_hash": "abc", "operations": [replace("first", "1")]}, "invalid_request", "base_hash"),
    ({"operations": []}, "invalid_request", "operations"),
    ({"operations": [{"op": "explode", "cell_id": "first"}]}, "invalid_request", "operations.0"),
    ({"operations": [replace("first", 1)]}, "invalid_request", "operations.0.source"),
    ({"operations": [replace("first", "1"), replace("nowhere", "1")]}, "unknown_cell", "operations.1.cell_id"),
    ({"operations": [{"op": "delete", "cell_id": "nowhere"}]}, "unknown_cell", "operations.0.cell_id"),
    (
        {"operations": [{"op": "move", "cell_id": "first", "after_cell_id": "nowhere"}]},
        "unknown_cell",
        "operations.0.after_cell_id",
    ),
    (
        {"operations": [{"op": "insert", "after_cell_id": None, "cell": {"id": "first", "source": "x"}}]},
        "duplicate_cell_id",
        "operations.0.cell.id",
    ),
    ({"operations": [replace("first", "print(1)")]}, "no_changes", "operations"),
    ({"notebook": {}}, "invalid_notebook", "notebook.nbformat"),
    ({"notebook": {**NOTEBOOK, "cells": 1}}, "invalid_notebook", "notebook.cells"),
    ({"notebook": {**NOTEBOOK, "cells": [{"cell_type": "code"}]}}, "invalid_notebook", "notebook.cells.0.metadata"),
    ({"notebook": {**NOTEBOOK, "cells": [CELL], "nbformat": 9}}, "invalid_notebook", "notebook.nbformat"),
    ({"notebook": "no"}, "invalid_request", "notebook"),
    ({"notebook": {**NOTEBOOK, "cells": [CELL]}, "operations": [replace("first", "1")]}, "invalid_request", ""),
    ({"base_hash": None, "operations": [replace("first", "1")]}, "invalid_request", ""),
    ({"supersedes": "nothing", "operations": [replace("first", "1")]}, "no_such_proposal", "supersedes"),
    ({"state": "merged", "operations": [replace("first", "1")]}, "invalid_request", "state"),
]


@pytest.mark.parametrize(("fields", "code", "field"), PROPOSALS, ids=[str(row[0])[:70] for row in PROPOSALS])
def test_a_proposal_that_cannot_be_is_refused(
    agent: Client, workspace: Workspace, written: Callable[[], Written], fields: Fields, code: str, field: str
) -> None:
    path = workspace.path("report.ipynb")
    whole = {"path": path, "base_hash": read(agent, path)["hash"], "title": "Better", **fields}
    before = written()
    answer = agent.post("proposals", whole)
    assert error(answer) == (400, code)
    assert answer.json()["details"]["field"] == field
    assert written() == before


REVIEWS: list[tuple[Fields, str, str]] = [
    ({"decisions": {"nowhere": "accept"}}, "unknown_change", "decisions.nowhere"),
    ({"decisions": {"first": "accept", "nowhere": "reject"}}, "unknown_change", "decisions.nowhere"),
    ({"decisions": {"first": "perhaps"}}, "invalid_request", "decisions.first.decision"),
    ({"decisions": ["first"]}, "invalid_request", "decisions"),
    (
        {"decisions": {"first": {"decision": "accept", "hunks": {"nowhere": "accept"}}}},
        "unknown_hunk",
        "decisions.first.hunks.nowhere",
    ),
    (
        {"decisions": {"first": {"decision": "accept", "resolution": "edited"}}},
        "invalid_request",
        "decisions.first",
    ),
    ({"verdict": "perhaps"}, "invalid_request", "verdict"),
]


@pytest.mark.parametrize(("fields", "code", "field"), REVIEWS, ids=[str(row[0])[:70] for row in REVIEWS])
def test_a_review_that_cannot_be_is_refused(
    agent: Client,
    person: Client,
    workspace: Workspace,
    written: Callable[[], Written],
    fields: Fields,
    code: str,
    field: str,
) -> None:
    proposal = propose(agent, workspace.path("report.ipynb"), replace("first", "print('better')"))
    before = written()
    answer = person.post(f"proposals/{proposal['proposal_id']}/reviews", fields)
    assert error(answer) == (400, code)
    assert answer.json()["details"]["field"] == field
    assert written() == before
    assert person.get(f"proposals/{proposal['proposal_id']}").json()["reviews"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b"1", "body"),
        (b'"text"', "body"),
        (b'{"input_path": NaN}', "body"),
        (b'{"parameters": {"n": Infinity}}', "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 100_000, "body"),
        (b'{"parameters": {"n": ' + b"[" * 300 + b"]" * 300 + b"}}", "body"),
        (b'{"timeout_seconds": 1e999}', "body"),
        (b'{"parameters": {"\\ud800": 1}}', "body"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    agent: Client, written: Callable[[], Written], body: bytes, field: str
) -> None:
    before = written()
    answer = agent.request("POST", "/hermes/api/runs", data=body)
    assert error(answer) == (400, "invalid_json")
    assert answer.json()["details"]["field"] == field
    assert written() == before


UNKNOWN = [
    ("GET", "runs/{}", "no_such_run", "run_id"),
    ("GET", "runs/{}/notebook", "no_such_run", "run_id"),
    ("POST", "runs/{}/cancel", "no_such_run", "run_id"),
    ("POST", "runs/{}/rerun", "no_such_run", "run_id"),
    ("GET", "runs/{}/record", "no_such_run", "run_id"),
    ("GET", "runs/{}/cells/first", "no_such_run", "run_id"),
    ("GET", "runs/{}/events", "no_such_run", "run_id"),
    ("GET", "proposals/{}", "no_such_proposal", "proposal_id"),
    ("GET", "proposals/{}/notebooks", "no_such_proposal", "proposal_id"),
    ("POST", "proposals/{}/reviews", "no_such_proposal", "proposal_id"),
    ("POST", "proposals/{}/merge", "no_such_proposal", "proposal_id"),
    ("POST", "proposals/{}/preview", "no_such_proposal", "proposal_id"),
    ("POST", "proposals/{}/revert", "no_such_proposal", "proposal_id"),
    ("POST", "proposals/{}/withdraw", "no_such_proposal", "proposal_id"),
    ("GET", "evidence/{}", "no_such_evidence", "evidence_id"),
    ("GET", "tool_calls/{}", "no_such_tool_call", "tool_call_id"),
    ("DELETE", "agents/{}", "no_such_agent", "agent_id"),
]


@pytest.mark.parametrize(("method", "path", "code", "field"), UNKNOWN)
@pytest.mark.parametrize("thing", ["0" * 32, "..%2f..", "' or 1=1 --", "ü"])
def test_what_does_not_exist_is_not_found(
    person: Client, method: str, path: str, code: str, field: str, thing: str
) -> None:
    answer = person.request(method, f"/hermes/api/{path.format(thing)}", json={} if method == "POST" else None)
    assert error(answer) == (404, code)
    assert answer.json()["details"]["field"] == field


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1000}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"state": "sleeping"}, "state"),
        ({"cursor": "nowhere"}, "cursor"),
        ({"no_such_field": 1}, "no_such_field"),
    ],
)
@pytest.mark.parametrize("noun", ["runs", "proposals", "tool_calls"])
def test_a_list_that_cannot_be_is_refused(person: Client, noun: str, query: Fields, field: str) -> None:
    answer = person.get(noun, **query)
    assert error(answer) == (400, "invalid_request")
    assert answer.json()["details"]["field"] == field


@pytest.mark.parametrize("wait", [-1, 61, "long", "NaN"])
def test_a_wait_that_cannot_be_is_refused(person: Client, wait: object) -> None:
    answer = person.get(f"runs/{'0' * 32}", wait=wait)
    assert error(answer) == (400, "invalid_request")
    assert answer.json()["details"]["field"] == "wait"


@pytest.mark.parametrize("after", [-1, "first", "1.5", "NaN"])
@pytest.mark.parametrize("place", ["query", "header"])
def test_a_place_to_follow_from_that_cannot_be_is_refused(person: Client, after: object, place: str) -> None:
    path = f"/hermes/api/runs/{'0' * 32}/events"
    if place == "query":
        answer = person.request("GET", path, params={"after": after})
    else:
        answer = person.request("GET", path, headers={"Last-Event-ID": str(after)})
    assert error(answer) == (400, "invalid_request")
    assert answer.json()["details"]["field"] == "after"


def test_something_else_to_wait_for_is_refused(person: Client) -> None:
    answer = person.get(f"runs/{'0' * 32}", until="doomsday")
    assert error(answer) == (400, "invalid_request")
    assert answer.json()["details"]["field"] == "until"


RERUNS: list[tuple[Fields, int, str, str]] = [
    ({"input": "other"}, 400, "invalid_request", "input"),
    ({"parameters": []}, 400, "invalid_request", "parameters"),
    ({"parameters": {"not a name": 1}}, 400, "invalid_parameters", "parameters.not a name"),
    ({"parameters": {"n": 1}}, 400, "unknown_parameter", "parameters.n"),
    ({"secret_parameters": {"PATH": "x"}}, 400, "invalid_parameters", "secret_parameters.PATH"),
    ({"output_path": "../../../outside.ipynb"}, 400, "path_outside_root", "output_path"),
    ({"input_path": "other.ipynb"}, 400, "invalid_request", "input_path"),
    ({"idempotency_key": ""}, 400, "invalid_request", "idempotency_key"),
]


@pytest.mark.parametrize(("fields", "status", "code", "field"), RERUNS, ids=[str(row[0]) for row in RERUNS])
def test_a_rerun_that_cannot_be_is_refused(
    agent: Client,
    workspace: Workspace,
    written: Callable[[], Written],
    fields: Fields,
    status: int,
    code: str,
    field: str,
) -> None:
    run = agent.wait_until_ended(agent.post("runs", input_path=workspace.path("report.ipynb"), prepare_only=True))
    before = written()
    answer = agent.post(f"runs/{run['run_id']}/rerun", fields)
    assert error(answer) == (status, code)
    assert answer.json()["details"]["field"] == field
    assert written() == before


AGENTS: list[tuple[Fields, str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "<script>"}, "name"),
    ({"name": "a", "scopes": []}, "scopes"),
    ({"name": "a", "scopes": ["everything"]}, "scopes"),
    ({"name": "a", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ({"name": "a", "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
    ({"name": "a", "expires_at": "tomorrow"}, "expires_at"),
]


@pytest.mark.parametrize(("fields", "field"), AGENTS, ids=[str(row[0]) for row in AGENTS])
def test_an_agent_that_cannot_be_is_refused(
    person: Client, written: Callable[[], Written], fields: Fields, field: str
) -> None:
    before = written()
    answer = person.post("agents", fields)
    assert error(answer) == (400, "invalid_request")
    assert answer.json()["details"]["field"] == field
    assert written() == before


def test_two_agents_of_one_name_are_refused(person: Client, written: Callable[[], Written]) -> None:
    assert person.post("agents", name="the one").status_code == 201
    before = written()
    assert error(person.post("agents", name="the one")) == (409, "agent_exists")
    assert written() == before


def test_an_unknown_route_is_not_found(person: Client) -> None:
    assert error(person.get("no/such/route")) == (404, "no_such_route")


def test_a_method_that_a_route_does_not_have_is_told(person: Client) -> None:
    answer = person.delete("runs")
    assert error(answer) == (405, "method_not_allowed")
    assert answer.json()["message"] == "DELETE /hermes/api/runs was refused."
    assert error(person.request("PUT", "/hermes/api/proposals", json={})) == (405, "method_not_allowed")


class TestTooLarge:
    @pytest.fixture
    def server(self, start_server: StartServer) -> Server:
        return start_server(body_limit_bytes=10_000)

    def test_a_body_beyond_the_limit_is_refused(
        self, agent: Client, workspace: Workspace, written: Callable[[], Written]
    ) -> None:
        path = workspace.path("report.ipynb")
        base_hash = read(agent, path)["hash"]
        before = written()
        large = replace("first", "x" * 10_000)
        answer = agent.post("proposals", path=path, base_hash=base_hash, title="t", operations=[large])
        assert error(answer) == (413, "too_large")
        assert answer.json()["details"] == {"field": "body", "limit_bytes": 10_000}
        assert written() == before

    def test_a_body_of_the_limit_is_read(self, agent: Client, workspace: Workspace) -> None:
        body = json.dumps({"input_path": workspace.path("report.ipynb")}).encode()
        answer = agent.request("POST", "/hermes/api/runs", data=body + b" " * (10_000 - len(body)))
        assert answer.status_code == 202
        agent.wait_until_ended(answer)
