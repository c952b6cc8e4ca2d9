"""Evidence whose proposal ends while it is made is given up, and says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients import Client, Json, error
from tests.conftest import StartServer
from tests.journeys.proposing import merge, propose, read, replace, review
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("EVID-13")

SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def server(allowing_server: Server) -> Server:
    return allowing_server


def begun(agent: Client, workspace: Workspace) -> tuple[Json, Json]:
    """A proposal, and evidence of it of which every side has begun to sleep."""
    path = workspace.write("report.ipynb", code("only", SLEEPS))
    proposal = propose(agent, path, replace("only", SLEEPS + "  # for long"))
    evidence = agent.post("evidence", proposal_id=proposal["proposal_id"]).json()
    return proposal, agent.wait_until(f"evidence/{evidence['evidence_id']}", _sleeps)


def _sleeps(evidence: Json) -> bool:
    return all(evidence[side] is not None and evidence[side]["state"] == "running" for side in ("base", "proposal"))


def ended(agent: Client, evidence: Json, state: str) -> None:
    """The evidence has ended, said why, and left no run going on."""
    found = agent.wait_until_ended(evidence)
    assert (found["state"], found["verdict"]) == ("failed", None)
    assert found["message"] == f"The proposal was {state} before the evidence was made."
    assert [found[side]["state"] for side in ("base", "proposal")] == ["cancelled", "cancelled"]


def test_withdrawn(agent: Client, workspace: Workspace) -> None:
    proposal, evidence = begun(agent, workspace)
    agent.post(f"proposals/{proposal['proposal_id']}/withdraw")
    ended(agent, evidence, "withdrawn")
    kept = agent.get(f"proposals/{proposal['proposal_id']}").json()["evidence"]
    assert [each["evidence_id"] for each in kept] == [evidence["evidence_id"]]


def test_superseded(agent: Client, workspace: Workspace) -> None:
    proposal, evidence = begun(agent, workspace)
    propose(agent, proposal["path"], replace("only", "print(2)"), supersedes=proposal["proposal_id"])
    ended(agent, evidence, "superseded")


def test_merged(agent: Client, person: Client, workspace: Workspace) -> None:
    proposal, evidence = begun(agent, workspace)
    review(person, proposal, verdict="accept")
    merge(person, proposal)
    ended(agent, evidence, "merged")


def test_a_person_is_not_asked_about_what_was_withdrawn(
    asking_server: Server, person: Client, clients: Callable[..., Client]
) -> None:
    owner = clients(asking_server.url, asking_server.token, "token")
    agent = clients(asking_server.url, owner.post("agents", name="gives up").json()["token"])
    workspace = Workspace(asking_server.root, asking_server.root / "given_up")
    path = workspace.write("report.ipynb", code("only", "print(1)"))
    proposal = propose(agent, path, replace("only", "print(2)"))
    evidence = agent.post("evidence", proposal_id=proposal["proposal_id"]).json()
    agent.post(f"proposals/{proposal['proposal_id']}/withdraw")
    found = agent.wait_until_ended(evidence)
    assert (found["state"], found["awaiting_approval"]) == ("failed", False)
    late = owner.post(f"evidence/{evidence['evidence_id']}/decision", decision="allow")
    assert error(late) == (409, "illegal_transition")


@pytest.mark.requirement("EVID-8")
def test_each_side_has_its_time_from_its_own_start_and_shows_its_progress(
    new_server: StartServer, clients: Callable[..., Client]
) -> None:
    """There is room for one run at a time, and all three together take longer than each may."""
    server = new_server(agent_execution="allow", max_concurrent_runs=1)
    person = clients(server.url, server.token, "token")
    workspace = Workspace(server.root, server.root / "work")
    path = workspace.write("report.ipynb", code("one", "import time; time.sleep(2)"), code("two", "print(1)"))
    proposal = propose(person, path, replace("two", "print(2)"))
    asked = {"proposal_id": proposal["proposal_id"], "repeat_base": True, "timeout_seconds": 5}
    evidence = person.wait_until_ended(person.post("evidence", asked))
    sides = [evidence[side] for side in ("base", "base_again", "proposal")]
    assert [side["state"] for side in sides] == ["completed"] * 3
    assert [side["progress"] for side in sides] == [{"cells_total": 2, "cells_done": 2}] * 3


@pytest.mark.requirement("RUN-10")
def test_after_the_server_died_neither_the_evidence_nor_a_side_of_it_goes_on(
    new_server: StartServer, clients: Callable[..., Client]
) -> None:
    server = new_server(agent_execution="allow")
    person = clients(server.url, server.token, "token")
    _, evidence = begun(person, Workspace(server.root, server.root / "work"))
    server.kill()
    server.start()
    person = clients(server.url, server.token, "token")
    found = person.get(f"evidence/{evidence['evidence_id']}").json()
    assert (found["state"], "server stopped" in found["message"]) == ("failed", True)
    assert [found[side]["state"] for side in ("base", "proposal")] == ["failed", "failed"]
    assert read(person, "work/report.ipynb")["hash"] == found["base_hash"]
