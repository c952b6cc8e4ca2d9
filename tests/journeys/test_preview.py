"""What a merge would write is shown before it is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients import Client, Json, error
from tests.journeys.proposing import merge, propose, read, replace, review
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("MERGE-14")

CELLS = code("first", "a = 1"), code("second", "b = 2"), code("third", "print(b)")


@pytest.fixture
def path(workspace: Workspace) -> str:
    return workspace.write("report.ipynb", *CELLS)


@pytest.fixture
def proposal(agent: Client, path: str) -> Json:
    return propose(agent, path, replace("first", "a = 3"), replace("second", "c = 2"), replace("third", "print(c)"))


def preview(client: Client, proposal: Json, **fields: object) -> Json:
    """`preview_merge`."""
    answer = client.post(f"proposals/{proposal['proposal_id']}/preview", dict(fields))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def sources(shown: Json) -> dict[str, str]:
    return {cell["id"]: cell["source"] for cell in shown["notebook"]["cells"]}


def test_a_preview_is_what_the_merge_then_writes_and_writes_nothing(
    agent: Client, person: Client, workspace: Workspace, path: str, proposal: Json
) -> None:
    workspace.write("report.ipynb", *CELLS, code("mine", "x"))
    before, version = workspace.tree(), proposal["version"]
    review(person, proposal, {"first": "accept", "second": "reject"})
    shown = preview(agent, proposal)
    assert workspace.tree() == before
    assert person.get(f"proposals/{proposal['proposal_id']}").json()["version"] == version + 1, "the review's own"
    assert shown["current_hash"] == read(agent, path)["hash"]
    assert (shown["applied"], shown["conflicts"]) == (["first"], [])
    assert sources(shown) == {"first": "a = 3", "second": "b = 2", "third": "print(b)", "mine": "x"}
    merge(person, proposal, expected_hash=shown["current_hash"])
    assert read(agent, path)["notebook"] == shown["notebook"]


def test_other_decisions_than_those_taken_are_tried_and_what_would_miss_a_name_is_told(
    person: Client, proposal: Json
) -> None:
    review(person, proposal, {"second": "accept"})
    shown = preview(person, proposal, decisions={"third": "accept", "second": "reject"})
    assert shown["applied"] == ["third"]
    assert [(note["name"], note["problem"], note["used_in"]) for note in shown["dependencies"]] == [
        ("c", "rejected", "third")
    ]
    assert preview(person, proposal, decisions={"third": "accept", "second": "accept"})["dependencies"] == []


def test_conflicts_are_shown_and_are_no_error(person: Client, workspace: Workspace, proposal: Json) -> None:
    workspace.write("report.ipynb", code("first", "a = 'person'"), *CELLS[1:])
    shown = preview(person, proposal, decisions={"first": "accept", "second": "accept"})
    assert [(conflict["change_id"], conflict["local"]) for conflict in shown["conflicts"]] == [
        ("first", "a = 'person'")
    ]
    assert sources(shown)["first"] == "a = 'person'"
    assert shown["applied"] == ["second"]
    settled = preview(person, proposal, decisions={"first": {"decision": "accept", "resolution": "remote"}})
    assert (settled["conflicts"], sources(settled)["first"]) == ([], "a = 3")


def test_what_is_applied_is_not_merged_again(person: Client, workspace: Workspace, proposal: Json) -> None:
    review(person, proposal, {"first": "accept"})
    merge(person, proposal)
    workspace.write("report.ipynb", code("first", "a = 'changed again'"), *CELLS[1:])
    shown = preview(person, proposal, decisions={"first": "accept", "second": "accept"})
    assert (shown["applied"], sources(shown)["first"]) == (["second"], "a = 'changed again'")


def test_a_new_notebook_is_shown_though_nothing_is_there(agent: Client, workspace: Workspace) -> None:
    notebook = {"cells": list(CELLS), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    asked = {"path": workspace.path("new.ipynb"), "base_hash": None, "title": "New", "notebook": notebook}
    made = agent.post("proposals", asked).json()
    shown = preview(agent, made, decisions={"first": "accept"})
    assert (shown["current_hash"], sources(shown)) == (None, {"first": "a = 1"})
    assert workspace.tree() == {}


def test_what_cannot_be_shown_is_told(
    person: Client, issue_agent: Callable[..., Client], workspace: Workspace, proposal: Json
) -> None:
    url = f"proposals/{proposal['proposal_id']}/preview"
    assert error(person.post(url, decisions={"nowhere": "accept"})) == (400, "unknown_change")
    hunks = {"first": {"decision": "accept", "hunks": {"nowhere": "accept"}}}
    assert error(person.post(url, decisions=hunks)) == (400, "unknown_hunk")
    assert error(issue_agent(scopes=["notebooks:read"]).post(url)) == (403, "missing_scope")
    (workspace.folder / "report.ipynb").unlink()
    assert error(person.post(url)) == (404, "document_missing")
