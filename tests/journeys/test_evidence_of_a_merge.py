"""Evidence of some of the changes executes exactly the notebook that merging them now would write."""

from __future__ import annotations

import pytest

from hermes_lab.services.code_hashes import code_hash
from tests.clients import Client, Json, error
from tests.journeys.proposing import merge, propose, replace, review
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("EVID-7")

CELLS = [code("one", "print('one')"), code("two", "print('two')"), code("three", "print('three')")]


@pytest.fixture
def server(allowing_server: Server) -> Server:
    return allowing_server


def about_two_cells(agent: Client, workspace: Workspace) -> tuple[Json, str, str]:
    """The proposal, and the change_ids of its changes to `one` and `two`."""
    path = workspace.write("report.ipynb", *CELLS)
    proposal = propose(agent, path, replace("one", "print('ONE')"), replace("two", "print('TWO')"))
    one, two = (change["change_id"] for change in proposal["changes"])
    return proposal, one, two


def printed(client: Client, run: Json) -> dict[str, str]:
    """Cell id -> what the cell printed in a run."""
    cells = client.get(f"runs/{run['run_id']}/notebook").json()["notebook"]["cells"]
    return {cell["id"]: "".join(output["text"] for output in cell["outputs"]) for cell in cells}


def test_what_runs_is_the_merge_with_the_document_as_it_is_now(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    proposal, one, two = about_two_cells(agent, workspace)
    workspace.write("report.ipynb", *CELLS[:2], code("three", "print('mine')"))
    decisions = {one: {"decision": "accept", "text": "print('edited')"}, two: "reject"}
    before = workspace.tree()

    asked = agent.post("evidence", proposal_id=proposal["proposal_id"], decisions=decisions)
    evidence = agent.wait_until_ended(asked)

    assert (evidence["verdict"], evidence["stale_because"]) == ("green", [])
    assert printed(agent, evidence["base"]) == {"one": "one\n", "two": "two\n", "three": "mine\n"}
    assert printed(agent, evidence["proposal"]) == {"one": "edited\n", "two": "two\n", "three": "mine\n"}
    assert evidence["proposal_hash"] == proposal["proposal_hash"]
    assert evidence["base_hash"] == agent.get("notebooks", path=proposal["path"]).json()["hash"]
    assert workspace.tree() == before
    review(person, proposal, decisions)
    merge(person, proposal)
    assert code_hash(agent.get("notebooks", path=proposal["path"]).json()["notebook"]) == evidence["code_hash"]


def test_what_is_in_the_document_already_is_not_merged_again(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    proposal, one, two = about_two_cells(agent, workspace)
    review(person, proposal, {one: "accept"})
    merge(person, proposal)
    workspace.write("report.ipynb", code("one", "print('mine')"), *CELLS[1:])
    decisions = {one: "accept", two: "accept"}
    evidence = agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"], decisions=decisions))
    assert list(evidence["decisions"]) == [two]
    assert printed(agent, evidence["proposal"]) == {"one": "mine\n", "two": "TWO\n", "three": "three\n"}


def test_what_cannot_be_merged_is_not_executed(agent: Client, workspace: Workspace) -> None:
    proposal, one, two = about_two_cells(agent, workspace)
    workspace.write("report.ipynb", code("one", "print('mine')"), *CELLS[1:])
    asked = {"proposal_id": proposal["proposal_id"]}

    conflicted = agent.post("evidence", asked, decisions={one: "accept"})
    assert error(conflicted) == (409, "merge_conflict")
    (conflict,) = conflicted.json()["details"]["conflicts"]
    assert [conflict[side] for side in ("base", "local", "remote")] == ["print('one')", "print('mine')", "print('ONE')"]

    resolved = agent.post("evidence", asked, decisions={one: {"decision": "accept", "resolution": "remote"}})
    assert printed(agent, agent.wait_until_ended(resolved)["proposal"])["one"] == "ONE\n"
    assert error(agent.post("evidence", asked, decisions={one: "reject", two: "undecided"})) == (
        409,
        "nothing_accepted",
    )
    unknown = agent.post("evidence", asked, decisions={"none": "accept"})
    assert (error(unknown), unknown.json()["details"]["field"]) == ((400, "unknown_change"), "decisions.none")
    (workspace.folder / "report.ipynb").unlink()
    assert error(agent.post("evidence", asked, decisions={two: "accept"})) == (404, "document_missing")


def test_a_new_notebook_is_merged_with_nothing(agent: Client, workspace: Workspace) -> None:
    new = {"cells": CELLS, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    asked = {"path": workspace.path("new.ipynb"), "base_hash": None, "title": "New", "notebook": new}
    proposal = agent.post("proposals", asked).json()
    kept, *_ = (change["change_id"] for change in proposal["changes"])
    wanted = {"proposal_id": proposal["proposal_id"], "decisions": {kept: "accept"}, "repeat_base": True}
    evidence = agent.wait_until_ended(agent.post("evidence", wanted))
    assert (evidence["base"], evidence["base_again"], evidence["repeat_base"]) == (None, None, False)
    assert printed(agent, evidence["proposal"]) == {"one": "one\n"}


@pytest.mark.requirement("EVID-8")
def test_the_base_runs_twice_when_that_is_asked_for(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("one", "open('left', 'x'); import os; print(os.getpid())"))
    proposal = propose(agent, path, replace("one", "open('left', 'x'); print('proposed')"))
    asked = {"proposal_id": proposal["proposal_id"], "repeat_base": True}
    evidence = agent.wait_until_ended(agent.post("evidence", asked))
    assert [evidence[side]["state"] for side in ("base", "base_again", "proposal")] == ["completed"] * 3
    first, again = (printed(agent, evidence[side])["one"] for side in ("base", "base_again"))
    assert first != again
    assert evidence["base_again"]["progress"] == {"cells_total": 1, "cells_done": 1}
