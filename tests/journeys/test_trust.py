"""Trust in a notebook's outputs is the person's: a merge neither takes it away nor gives it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import requests

from tests.clients import Client
from tests.journeys.proposing import merge, propose, replace, review
from tests.servers import Server, isolated_environment
from tests.workspaces import Workspace
from tests.written_notebooks import code


def trust(server: Server, workspace: Workspace, name: str) -> None:
    """What a person does with `jupyter trust`."""
    command = [sys.executable, "-m", "jupyter", "trust", name]
    subprocess.run(command, cwd=workspace.folder, env=isolated_environment(server.home), check=True)


def trusted(server: Server, path: str) -> list[bool]:
    """For each cell, whether JupyterLab may show its outputs unsanitised."""
    answer = requests.get(
        f"{server.url}/api/contents/{path}", headers={"Authorization": f"token {server.token}"}, timeout=30
    )
    return [cell["metadata"].get("trusted", False) for cell in answer.json()["content"]["cells"]]


@pytest.mark.requirement("MERGE-8")
@pytest.mark.parametrize("was_trusted", [True, False])
def test_a_merge_keeps_the_trust_that_there_was(
    server: Server, agent: Client, person: Client, workspace: Workspace, was_trusted: bool
) -> None:
    # Jupyter knows what it trusts by the content: the two cases must not have the same.
    html = {"output_type": "display_data", "metadata": {}, "data": {"text/html": f"<b>{was_trusted}</b>"}}
    path = workspace.write("report.ipynb", code("kept", "1") | {"outputs": [html]}, code("changed", "2"))
    if was_trusted:
        trust(server, workspace, "report.ipynb")
    assert trusted(server, path)[0] is was_trusted

    proposal = propose(agent, path, replace("changed", "3"))
    review(person, proposal, verdict="accept")
    merge(person, proposal)

    assert trusted(server, path)[0] is was_trusted
