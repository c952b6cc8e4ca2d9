"""A person takes a part of a proposal, and is told which cell would miss what they left out."""

from __future__ import annotations

import pytest

from tests.clients import Client
from tests.journeys.proposing import merge, propose, replace, review
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("REVIEW-4")

CELLS = (code("load", "df = [1, 2]"), code("show", "print(df)"))
CLEAN = {"id": "clean", "source": "df2 = df[1:]"}


def test_what_was_left_out_is_told_until_it_is_decided_otherwise(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    path = workspace.write("partial.ipynb", *CELLS)
    insert = {"op": "insert", "after_cell_id": "load", "cell": CLEAN}
    proposal = propose(agent, path, insert, replace("show", "print(df2)"))
    assert proposal["dependencies"] == []

    partial = review(person, proposal, {"show": "accept"})
    assert [note["problem"] for note in partial["dependencies"]] == ["undecided"]
    rejected = review(person, proposal, {"clean": "reject"})["dependencies"]
    assert rejected == [
        {
            "name": "df2",
            "problem": "rejected",
            "used_in": "show",
            "defined_in": "clean",
            "change_id": "clean",
            "words": "Cell 2 uses `df2`, which you rejected with the new cell that defines it.",
        }
    ]
    assert review(person, proposal, {"clean": "accept"})["dependencies"] == []


def test_an_edit_of_the_document_changes_what_is_told(agent: Client, person: Client, workspace: Workspace) -> None:
    path = workspace.write("edited.ipynb", *CELLS)
    insert = {"op": "insert", "after_cell_id": "load", "cell": CLEAN}
    proposal = propose(agent, path, insert, replace("show", "print(df2)"))
    review(person, proposal, {"show": "accept", "clean": "reject"})
    workspace.write("edited.ipynb", code("mine", "df2 = 3"), *CELLS)
    assert agent.get(f"proposals/{proposal['proposal_id']}").json()["dependencies"] == []
    assert merge(person, proposal)["dependencies"] == []
