"""Notebooks that are renamed or deleted while their proposals are open."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients import Client, Json, error
from tests.journeys.proposing import merge, propose, replace, review
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("PROP-9")

CELLS = code("first", "print(1)"), code("second", "print(2)")


@pytest.fixture
def path(workspace: Workspace) -> str:
    return workspace.write("work/report.ipynb", *CELLS)


@pytest.fixture
def proposal(agent: Client, path: str) -> Json:
    return propose(agent, path, replace("first", "print('better')"))


def rename(person: Client, old: str, new: str) -> None:
    """As JupyterLab renames a file or a folder."""
    answer = person.request("PATCH", f"/api/contents/{old}", json={"path": new})
    assert answer.status_code == 200, answer.text


def at(client: Client, proposal: Json, path: str) -> Json:
    """The proposal, as soon as it is for this path."""
    return client.wait_until(f"proposals/{proposal['proposal_id']}", lambda now: bool(now["path"] == path))


def relocate(client: Client, proposal: Json, path: str) -> Json:
    answer = client.post(f"proposals/{proposal['proposal_id']}/path", path=path)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def test_a_rename_in_jupyter_is_followed(person: Client, workspace: Workspace, path: str, proposal: Json) -> None:
    new = workspace.path("work/renamed.ipynb")
    rename(person, path, new)
    there = at(person, proposal, new)
    assert (there["document_missing"], there["stale"]) == (False, False)
    listed = person.get("proposals", path=new).json()["items"]
    assert [item["proposal_id"] for item in listed] == [proposal["proposal_id"]]
    review(person, proposal, verdict="accept")
    assert merge(person, proposal)["state"] == "merged"
    assert workspace.sources("work/renamed.ipynb")["first"] == "print('better')"
    assert not (workspace.folder / "work" / "report.ipynb").exists()


def test_so_is_that_of_a_folder_above_it_and_of_no_other(
    agent: Client, person: Client, workspace: Workspace, path: str, proposal: Json
) -> None:
    others = [
        propose(agent, workspace.write(name, *CELLS), replace("first", "1"))
        for name in ("work2/report.ipynb", "Work/report.ipynb", "report.ipynb")
    ]
    rename(person, workspace.path("work"), workspace.path("moved"))
    at(person, proposal, workspace.path("moved/report.ipynb"))
    for other in others:
        assert person.get(f"proposals/{other['proposal_id']}").json()["path"] == other["path"]


def test_what_was_merged_before_a_rename_can_be_undone_after_it(
    person: Client, workspace: Workspace, path: str, proposal: Json
) -> None:
    review(person, proposal, verdict="accept")
    merge(person, proposal)
    new = workspace.path("work/renamed.ipynb")
    rename(person, path, new)
    at(person, proposal, new)
    undoing = person.post(f"proposals/{proposal['proposal_id']}/revert").json()
    review(person, undoing, verdict="accept")
    merge(person, undoing)
    assert workspace.sources("work/renamed.ipynb") == {"first": "print(1)", "second": "print(2)"}


def test_a_deleted_document_is_told_and_its_proposal_pointed_elsewhere(
    agent: Client, person: Client, workspace: Workspace, path: str, proposal: Json
) -> None:
    review(person, proposal, verdict="accept")
    elsewhere = workspace.write("other/copy.ipynb", *CELLS, code("mine", "x"))
    assert person.request("DELETE", f"/api/contents/{path}").status_code == 204
    there = person.get(f"proposals/{proposal['proposal_id']}").json()
    assert (there["document_missing"], there["current_hash"]) == (True, None)
    assert error(person.post(f"proposals/{proposal['proposal_id']}/merge")) == (404, "document_missing")
    assert error(person.post(f"proposals/{proposal['proposal_id']}/preview")) == (404, "document_missing")

    moved = relocate(agent, proposal, elsewhere)
    assert (moved["path"], moved["document_missing"], moved["stale"]) == (elsewhere, False, True)
    assert merge(person, proposal)["state"] == "merged"
    assert workspace.sources("other/copy.ipynb") == {"first": "print('better')", "second": "print(2)", "mine": "x"}


def test_a_proposal_is_pointed_elsewhere_by_its_author_or_a_person_alone(
    issue_agent: Callable[..., Client], person: Client, workspace: Workspace, proposal: Json
) -> None:
    elsewhere = workspace.write("other.ipynb", *CELLS)
    url = f"proposals/{proposal['proposal_id']}/path"
    assert error(issue_agent().post(url, path=elsewhere)) == (403, "not_the_author")
    assert error(issue_agent(scopes=["proposals:read"]).post(url, path=elsewhere)) == (403, "missing_scope")
    assert relocate(person, proposal, elsewhere)["path"] == elsewhere


def test_a_place_that_is_none_is_refused(agent: Client, person: Client, workspace: Workspace, proposal: Json) -> None:
    url = f"proposals/{proposal['proposal_id']}/path"
    (workspace.folder / "broken.ipynb").write_text("{")
    for path, refused in (
        (workspace.path("nowhere.ipynb"), (404, "no_such_notebook")),
        (workspace.path("broken.ipynb"), (400, "invalid_notebook")),
        (workspace.path("text.txt"), (400, "not_a_notebook")),
        ("../../outside.ipynb", (400, "path_outside_root")),
    ):
        answer = person.post(url, path=path)
        assert error(answer) == refused
        assert answer.json()["details"]["field"] == "path"
    notebook = {"cells": list(CELLS), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    asked = {"path": workspace.path("new.ipynb"), "base_hash": None, "title": "New", "notebook": notebook}
    new = agent.post("proposals", asked).json()
    taken = person.post(f"proposals/{new['proposal_id']}/path", path=proposal["path"])
    assert error(taken) == (409, "document_exists")
    assert relocate(agent, new, workspace.path("newer.ipynb"))["document_missing"] is False
    agent.post(f"proposals/{new['proposal_id']}/withdraw")
    late = agent.post(f"proposals/{new['proposal_id']}/path", path=workspace.path("newest.ipynb"))
    assert error(late) == (409, "illegal_transition")
