"""Undoing a merge: what it wrote is taken back, and what the person wrote since stays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from tests.clients import Client, Json, error
from tests.journeys.proposing import merge, propose, read, replace, review, states
from tests.workspaces import Workspace
from tests.written_notebooks import code, markdown

pytestmark = pytest.mark.requirement("MERGE-10")

LONG = "\n".join(f"line_{number} = {number}" for number in range(12))
CELLS = (
    markdown("title", "# Report"),
    code("load", LONG, prints="loaded\n", count=1),
    code("score", "print(2)", prints="2\n", count=2),
    code("plot", "print('plot')"),
)


@pytest.fixture
def path(workspace: Workspace) -> str:
    return workspace.write("report.ipynb", *CELLS)


@pytest.fixture
def merged(agent: Client, person: Client, path: str) -> Json:
    """A merge of four kinds of changes."""
    proposal = propose(
        agent,
        path,
        replace("load", LONG.replace("line_1 = 1\n", "line_1 = 'agent'\n")),
        {"op": "insert", "after_cell_id": "title", "cell": {"id": "note", "cell_type": "markdown", "source": "Mind."}},
        {"op": "delete", "cell_id": "plot"},
        {"op": "move", "cell_id": "score", "after_cell_id": None},
    )
    review(person, proposal, verdict="accept")
    return merge(person, proposal)


def undo(client: Client, proposal: Json, **fields: object) -> Json:
    """A proposal that undoes a merge."""
    answer = client.post(f"proposals/{proposal['proposal_id']}/revert", dict(fields))
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


def test_a_merge_is_undone_and_what_the_person_wrote_since_stays(
    agent: Client, person: Client, workspace: Workspace, path: str, merged: Json
) -> None:
    there = workspace.read("report.ipynb")["cells"]
    assert [cell["id"] for cell in there] == ["score", "title", "note", "load"]
    (load,) = (cell for cell in there if cell["id"] == "load")
    workspace.write(
        "report.ipynb",
        *there[:3],
        code("load", "".join(load["source"]).replace("line_9 = 9", "line_9 = 'person'")),
        code("mine", "x"),
    )
    before = workspace.bytes("report.ipynb")

    undoing = undo(agent, merged)
    assert (undoing["state"], undoing["reverts"]) == ("open", merged["merge"]["merge_id"])
    assert undoing["base_hash"] == hashlib.sha256(before).hexdigest()
    assert workspace.bytes("report.ipynb") == before, "it is a proposal, to be reviewed as any other"

    review(person, undoing, verdict="accept")
    merge(person, undoing)
    assert workspace.sources("report.ipynb") == {
        "title": "# Report",
        "load": LONG.replace("line_9 = 9", "line_9 = 'person'"),
        "score": "print(2)",
        "plot": "print('plot')",
        "mine": "x",
    }
    cells = [cell["id"] for cell in workspace.read("report.ipynb")["cells"]]
    assert cells == ["title", "load", "score", "plot", "mine"]


def test_undoing_what_was_undone_gives_what_the_merge_wrote(person: Client, workspace: Workspace, merged: Json) -> None:
    after = workspace.sources("report.ipynb")
    undoing = undo(person, merged)
    review(person, undoing, verdict="accept")
    again = undo(person, merge(person, undoing))
    review(person, again, verdict="accept")
    merge(person, again)
    assert workspace.sources("report.ipynb") == after


def test_one_of_several_merges_is_undone(agent: Client, person: Client, workspace: Workspace, path: str) -> None:
    proposal = propose(agent, path, replace("score", "print(3)"), replace("plot", "print('agent')"))
    review(person, proposal, {"score": "accept"})
    first = merge(person, proposal)
    review(person, proposal, {"plot": "accept"})
    merge(person, proposal)
    undoing = undo(person, proposal, merge_id=first["merge"]["merge_id"])
    assert states(undoing) == {"score": "pending"}
    review(person, undoing, verdict="accept")
    merge(person, undoing)
    sources = workspace.sources("report.ipynb")
    assert (sources["score"], sources["plot"]) == ("print(2)", "print('agent')")


def test_what_was_changed_again_since_and_is_taken_back_with_it_is_said(
    person: Client, workspace: Workspace, merged: Json
) -> None:
    there = workspace.read("report.ipynb")["cells"]
    workspace.write("report.ipynb", *there[:2], markdown("note", "Mind the gap."), *there[3:])
    undoing = undo(person, merged)
    (change,) = (each for each in undoing["changes"] if each["cell_id"] == "note")
    assert change["kind"] == "delete"
    assert "Changed again since, and taken back with it: `note`." in undoing["rationale"]


def test_a_merge_that_made_a_notebook_is_undone_cell_by_cell_and_the_notebook_stays(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    notebook = {"cells": list(CELLS), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    asked = {"path": workspace.path("new.ipynb"), "base_hash": None, "title": "New", "notebook": notebook}
    made = agent.post("proposals", asked).json()
    review(person, made, verdict="accept")
    merge(person, made)
    workspace.write("new.ipynb", *workspace.read("new.ipynb")["cells"], code("mine", "x"))
    undoing = undo(agent, made)
    assert "stays, without its cells" in undoing["rationale"]
    review(person, undoing, verdict="accept")
    merge(person, undoing)
    assert workspace.sources("new.ipynb") == {"mine": "x"}


def test_what_cannot_be_undone_is_told(
    agent: Client, person: Client, workspace: Workspace, path: str, merged: Json
) -> None:
    revert = f"proposals/{merged['proposal_id']}/revert"
    assert error(person.post(revert, merge_id="nothing")) == (404, "no_such_merge")
    unmerged = propose(agent, path, replace("title", "# Another"))
    assert error(person.post(f"proposals/{unmerged['proposal_id']}/revert")) == (409, "not_merged")

    workspace.write("report.ipynb", *CELLS)
    assert error(person.post(revert)) == (409, "nothing_to_undo")
    (workspace.folder / "report.ipynb").unlink()
    assert error(person.post(revert)) == (404, "document_missing")


def test_an_agent_without_the_scope_undoes_nothing(issue_agent: Callable[..., Client], merged: Json) -> None:
    reader = issue_agent(scopes=["proposals:read"])
    assert error(reader.post(f"proposals/{merged['proposal_id']}/revert")) == (403, "missing_scope")


@pytest.mark.requirement("API-2")
def test_asking_twice_with_one_key_makes_one_proposal(agent: Client, path: str, merged: Json) -> None:
    revert, key = f"proposals/{merged['proposal_id']}/revert", merged["proposal_id"]
    first, second = agent.post(revert, key=key), agent.post(revert, key=key)
    assert first.status_code == 201, first.text
    assert first.json() == second.json()
    assert len(agent.get("proposals", path=path, state="open").json()["items"]) == 1
    assert read(agent, path)["hash"] == first.json()["base_hash"]
