"""HermesLab.merge_requires: what has no evidence of its own is not written, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.clients import Client, Json, error
from tests.conftest import StartServer
from tests.journeys.proposing import merge, propose, replace, review
from tests.kernel_specs import describe_kernel
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("EVID-14")


@pytest.fixture(scope="module")
def green_server(start_server: StartServer) -> Server:
    return start_server(agent_execution="allow", merge_requires="green_evidence")


@pytest.fixture
def server(green_server: Server) -> Server:
    return green_server


def proposed(agent: Client, workspace: Workspace, one: str = "print('ONE')", *, kernel: str | None = None) -> Json:
    """A proposal about two cells of three."""
    cells = [code("one", "print('one')"), code("two", "print('two')"), code("three")]
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}} if kernel else {}
    path = workspace.write("report.ipynb", *cells, **metadata)
    return propose(agent, path, replace("one", one), replace("two", "print('TWO')"))


def made(agent: Client, proposal: Json, **asked: object) -> Json:
    return agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"], **asked))


def refusal(answer: requests.Response, workspace: Workspace, before: bytes) -> Json:
    """The details of a merge that was refused for want of evidence, and wrote nothing."""
    assert error(answer) == (409, "evidence_required")
    assert workspace.bytes("report.ipynb") == before
    details: Json = answer.json()["details"]
    return details


def asked_for(person: Client, proposal: Json) -> requests.Response:
    return person.post(f"proposals/{proposal['proposal_id']}/merge")


def why_not(details: Json) -> list[str]:
    return [each["why_not"] for each in details["evidence"]]


def test_the_whole_proposal_is_merged_with_evidence_of_the_whole(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    proposal = proposed(agent, workspace)
    before = workspace.bytes("report.ipynb")
    review(person, proposal, verdict="accept")
    details = refusal(asked_for(person, proposal), workspace, before)
    assert (details["requires"], details["evidence"]) == ("green_evidence", [])
    evidence = made(agent, proposal)
    assert evidence["code_hash"] == details["code_hash"]
    assert merge(person, proposal)["state"] == "merged"
    assert workspace.sources("report.ipynb")["one"] == "print('ONE')"


def test_what_a_person_chose_needs_evidence_of_exactly_that(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    proposal = proposed(agent, workspace)
    before = workspace.bytes("report.ipynb")
    one, two = (change["change_id"] for change in proposal["changes"])
    made(agent, proposal)
    made(agent, proposal, decisions={two: "accept"})
    review(person, proposal, {one: "accept", two: "reject"})
    details = refusal(asked_for(person, proposal), workspace, before)
    assert why_not(details) == ["is of other code than would be written"] * 2
    made(agent, proposal, decisions={one: "accept"})
    merge(person, proposal)
    assert workspace.sources("report.ipynb") == {"one": "print('ONE')", "two": "print('two')", "three": ""}


def test_red_evidence_is_none(agent: Client, person: Client, workspace: Workspace) -> None:
    proposal = proposed(agent, workspace, "1 / 0")
    before = workspace.bytes("report.ipynb")
    review(person, proposal, verdict="accept")
    evidence = made(agent, proposal)
    details = refusal(asked_for(person, proposal), workspace, before)
    (told,) = details["evidence"]
    assert (told["evidence_id"], told["verdict"], told["why_not"]) == (evidence["evidence_id"], "red", "is red")


def test_stale_evidence_is_none(agent: Client, person: Client, workspace: Workspace) -> None:
    proposal = proposed(agent, workspace)
    review(person, proposal, verdict="accept")
    made(agent, proposal)
    printed = code("two", "print('two')", prints="two\n", count=1)
    workspace.write("report.ipynb", code("one", "print('one')"), printed, code("three"))  # the same code, other bytes
    details = refusal(asked_for(person, proposal), workspace, workspace.bytes("report.ipynb"))
    assert why_not(details) == ["is stale: the document is another now"]
    made(agent, proposal, decisions={change["change_id"]: "accept" for change in proposal["changes"]})
    assert merge(person, proposal)["state"] == "merged"


def test_evidence_that_has_not_ended_is_none(agent: Client, person: Client, workspace: Workspace) -> None:
    proposal = proposed(agent, workspace, "import time; time.sleep(600)")
    before = workspace.bytes("report.ipynb")
    review(person, proposal, verdict="accept")
    agent.post("evidence", proposal_id=proposal["proposal_id"])
    assert why_not(refusal(asked_for(person, proposal), workspace, before)) == ["is still being made"]
    agent.post(f"proposals/{proposal['proposal_id']}/withdraw")


def test_a_new_notebook_and_the_rest_of_a_proposal_need_it_too(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    proposal = proposed(agent, workspace)
    one, two = (change["change_id"] for change in proposal["changes"])
    review(person, proposal, {one: "accept"})
    made(agent, proposal, decisions={one: "accept"})
    merge(person, proposal)
    between = workspace.bytes("report.ipynb")
    review(person, proposal, {two: "accept"})
    refusal(asked_for(person, proposal), workspace, between)
    made(agent, proposal, decisions={one: "accept", two: "accept"})
    assert merge(person, proposal)["state"] == "merged"


class TestWhereItNeedNotBeGreen:
    @pytest.fixture
    def server(self, start_server: StartServer) -> Server:
        return start_server(agent_execution="allow", merge_requires="evidence")

    def test_red_evidence_will_do(self, agent: Client, person: Client, workspace: Workspace) -> None:
        proposal = proposed(agent, workspace, "1 / 0")
        before = workspace.bytes("report.ipynb")
        review(person, proposal, verdict="accept")
        refusal(asked_for(person, proposal), workspace, before)
        assert made(agent, proposal)["verdict"] == "red"
        assert merge(person, proposal)["state"] == "merged"


def test_a_merge_that_was_cut_off_was_checked_before(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    """Evidence that went stale between a merge and its completion at the next start is no reason to leave it half."""
    (tmp_path / "hangs.py").write_text(HANGS)  # the server imports from the folder that it starts in
    settings = {"ServerApp": {"contents_manager_class": "hangs.HangsOnce"}}
    server = new_server(tmp_path, settings=settings, agent_execution="allow", merge_requires="green_evidence")
    person = clients(server.url, server.token, "token")
    workspace = Workspace(server.root, server.root / "work")
    describe_kernel(server, "own")
    proposal = proposed(person, workspace, kernel="own")
    review(person, proposal, verdict="accept")
    made(person, proposal)
    with pytest.raises(requests.ConnectionError):
        asked_for(person, proposal)
    server.crash()
    describe_kernel(server, "own", NEW="variable")
    server.start()
    person = clients(server.url, server.token, "token")
    there = person.get(f"proposals/{proposal['proposal_id']}").json()
    assert (there["state"], there["evidence"][0]["stale_because"]) == ("merged", ["environment"])
    assert workspace.sources("report.ipynb")["one"] == "print('ONE')"


HANGS = """
import os
from pathlib import Path
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager

class HangsOnce(AsyncFileContentsManager):
    async def save(self, model, path=""):
        if not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), 9)
        return await super().save(model, path)
"""
