"""Evidence is shown as stale, and why, as soon as the document, the proposal or the environment is another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import Client, Json
from tests.journeys.proposing import merge, propose, read, replace, review
from tests.kernel_specs import describe_kernel
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code, notebook

pytestmark = pytest.mark.requirement("EVID-4")


@pytest.fixture
def server(allowing_server: Server) -> Server:
    return allowing_server


@pytest.fixture
def packages(server: Server, workspace: Workspace) -> Path:
    """A folder that the kernel `own`, which no other test uses, imports from."""
    folder = workspace.folder / "packages"
    install(folder, "1.0")
    describe_kernel(server, "own", PYTHONPATH=str(folder))
    return folder


def install(packages: Path, version: str) -> None:
    """As an installer leaves it."""
    described = packages / f"something_odd-{version}.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: something-odd\nVersion: {version}\n")


def proposed(agent: Client, workspace: Workspace, kernel: str = "python3") -> Json:
    """A proposal about two cells."""
    kernelspec = {"name": kernel, "display_name": kernel, "language": "python"}
    path = workspace.write("report.ipynb", code("one", "print(1)"), code("two", "print(2)"), kernelspec=kernelspec)
    return propose(agent, path, replace("one", "print(10)"), replace("two", "print(20)"))


def made(agent: Client, proposal: Json, **asked: object) -> Json:
    """Evidence that is green and fresh."""
    answer = agent.post("evidence", proposal_id=proposal["proposal_id"], **asked)
    evidence = agent.wait_until_ended(answer)
    assert (evidence["verdict"], evidence["stale"], evidence["stale_because"]) == ("green", False, []), evidence
    return evidence


def because(client: Client, evidence: Json) -> list[str]:
    """Why it is stale, as both places say that show it."""
    shown = client.get(f"evidence/{evidence['evidence_id']}").json()
    of_proposal = client.get(f"proposals/{evidence['proposal_id']}").json()["evidence"]
    listed = next(each for each in of_proposal if each["evidence_id"] == evidence["evidence_id"])
    assert shown == listed
    assert shown["stale"] is bool(shown["stale_because"])
    found: list[str] = shown["stale_because"]
    return found


def test_the_document_moved(agent: Client, workspace: Workspace) -> None:
    evidence = made(agent, proposed(agent, workspace))
    before = workspace.bytes("report.ipynb")
    workspace.write("report.ipynb", code("one", "print(1)"))
    assert because(agent, evidence) == ["base"]
    (workspace.folder / "report.ipynb").write_bytes(before)
    assert because(agent, evidence) == []
    (workspace.folder / "report.ipynb").unlink()
    assert because(agent, evidence) == ["base"]


def test_the_proposal_was_superseded_or_withdrawn(agent: Client, workspace: Workspace) -> None:
    first = proposed(agent, workspace)
    evidence = made(agent, first)
    second = propose(agent, first["path"], replace("one", "print(11)"), supersedes=first["proposal_id"])
    assert because(agent, evidence) == ["proposal"]
    evidence = made(agent, second)
    agent.post(f"proposals/{second['proposal_id']}/withdraw")
    assert because(agent, evidence) == ["proposal"]


def test_evidence_of_some_changes_is_stale_when_others_would_be_merged(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    proposal = proposed(agent, workspace)
    one, two = (change["change_id"] for change in proposal["changes"])
    evidence = made(agent, proposal, decisions={one: "accept", two: "reject"})
    review(person, proposal, {one: "accept"})
    assert because(agent, evidence) == []  # what is rejected and what is undecided is not merged
    review(person, proposal, {two: "accept"})
    assert because(agent, evidence) == ["proposal"]
    review(person, proposal, {two: "undecided"})
    assert because(agent, evidence) == []
    review(person, proposal, {one: {"decision": "accept", "text": "print(10)"}})
    assert because(agent, evidence) == []  # another decision, the same code
    review(person, proposal, {one: {"decision": "accept", "text": "print(11)"}})
    assert because(agent, evidence) == ["proposal"]


def test_evidence_of_the_whole_is_about_the_whole_whatever_is_decided(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    proposal = proposed(agent, workspace)
    evidence = made(agent, proposal)
    review(person, proposal, {proposal["changes"][0]["change_id"]: "reject"})
    assert because(agent, evidence) == []


def test_what_was_merged_does_not_make_its_own_evidence_stale(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    proposal = proposed(agent, workspace)
    evidence = made(agent, proposal)
    review(person, proposal, verdict="accept")
    assert merge(person, proposal)["state"] == "merged"
    assert because(agent, evidence) == []


@pytest.mark.requirement("EVID-11")
def test_a_package_that_the_kernel_finds_is_another(agent: Client, workspace: Workspace, packages: Path) -> None:
    evidence = made(agent, proposed(agent, workspace, "own"))
    environment = evidence["environment"]
    assert environment["packages"]["something-odd"] == "1.0"
    assert environment["interpreter_version"] == sys.version
    (packages / "something_odd-1.0.dist-info").rename(packages / "elsewhere")
    install(packages, "1.1")
    assert because(agent, evidence) == ["environment"]
    (packages / "something_odd-1.1.dist-info").rename(packages / "elsewhere too")
    (packages / "elsewhere").rename(packages / "something_odd-1.0.dist-info")
    assert because(agent, evidence) == []


@pytest.mark.requirement("EVID-11")
def test_the_kernel_would_be_started_in_another_way_or_not_at_all(
    server: Server, agent: Client, workspace: Workspace, packages: Path
) -> None:
    evidence = made(agent, proposed(agent, workspace, "own"))
    describe_kernel(server, "own", PYTHONPATH=str(packages), NEW="variable")
    assert because(agent, evidence) == ["environment"]
    describe_kernel(server, "own", PYTHONPATH=str(packages))
    assert because(agent, evidence) == []
    (server.home / "data" / "kernels" / "own" / "kernel.json").unlink()
    assert because(agent, evidence) == ["environment"]


@pytest.mark.requirement("EVID-11")
def test_where_base_and_proposal_ran_in_different_environments_it_is_said(
    agent: Client, workspace: Workspace, packages: Path
) -> None:
    path = workspace.write("report.ipynb", code("one", "print(1)"))
    other = {"kernelspec": {"name": "own", "display_name": "Own", "language": "python"}}
    asked = {
        "base_hash": read(agent, path)["hash"],
        "title": "Another kernel",
        "notebook": notebook(code("one"), **other),
    }
    proposal = agent.post("proposals", path=path, **asked).json()
    evidence = made(agent, proposal)
    assert [evidence[each]["kernel_name"] for each in ("base_environment", "environment")] == ["python3", "own"]
    assert "another environment" in evidence["notes"][0]


def test_nothing_of_it_is_known_to_a_server_that_starts_anew_and_yet_it_is_right(
    new_server: Callable[..., Server], clients: Callable[..., Client]
) -> None:
    server = new_server(agent_execution="allow")
    person = clients(server.url, server.token, "token")
    evidence = made(person, proposed(person, Workspace(server.root, server.root / "work")))
    server.stop()
    server.start()
    assert because(clients(server.url, server.token, "token"), evidence) == []
