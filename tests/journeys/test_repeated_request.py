"""A server that dies when it has made what was asked for and has not said so yet: asking again makes nothing new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.clients import Client, Json
from tests.conftest import StartServer
from tests.journeys.proposing import propose, replace, review
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("API-2")

# Jupyter hands every event to its handlers at once: after what it tells of is stored, and before anybody is answered.
DIES_AT_AN_EVENT = """
import logging, os, signal

class PowerCut(logging.Handler):
    def emit(self, record):
        if "hermes" in record.msg["__schema__"] and os.path.exists("dies"):
            os.kill(os.getpid(), signal.SIGKILL)

c.EventLogger.handlers = [PowerCut()]
"""


@pytest.fixture
def server(new_server: StartServer) -> Server:
    server = new_server(agent_execution="ask")
    server.crash()
    (server.home / "config" / "jupyter_server_config.py").write_text(DIES_AT_AN_EVENT)
    return server.start()


class Story:
    """One notebook, what was proposed for it, and who asks; a restart gives the server another address."""

    def __init__(self, server: Server, clients: Callable[..., Client], agent: Client, workspace: Workspace) -> None:
        self._server = server
        self._clients = clients
        self._agent = agent
        self.path = workspace.write("report.ipynb", code("only", "print(1)"), code("other", "print(2)"))
        self.workspace = workspace

    @property
    def agent(self) -> Client:
        return self._clients(self._server.url, self._agent.token)

    @property
    def person(self) -> Client:
        return self._clients(self._server.url, self._server.token, "token")

    def proposed(self) -> Json:
        return propose(self.agent, self.path, replace("only", "print('better')"), replace("other", "print('worse')"))

    def asked_twice(self, who: str, operation: str, /, **fields: Any) -> Json:
        """Ask, have the server die, and ask again with the same key after its restart."""
        dies = self._server.root / "dies"
        dies.touch()
        with pytest.raises(requests.ConnectionError):
            getattr(self, who).post(operation, key="once", **fields)
        self._server.crash()
        dies.unlink()
        self._server.start()
        answer = getattr(self, who).post(operation, key="once", **fields)
        assert answer.ok, answer.text
        found: Json = answer.json()
        return found


@pytest.fixture
def story(server: Server, clients: Callable[..., Client], agent: Client, workspace: Workspace) -> Story:
    return Story(server, clients, agent, workspace)


def test_one_run_is_made(story: Story) -> None:
    run = story.asked_twice("agent", "runs", input_path=story.path)
    (made,) = story.agent.get("runs", path=story.path).json()["items"]
    assert (made["run_id"], made["state"], made["cause"]) == (run["run_id"], "failed", "interrupted")
    again = story.asked_twice("agent", f"runs/{made['run_id']}/rerun")
    assert again["rerun_of"] == made["run_id"]
    found = story.agent.get("runs", path=story.path).json()["items"]
    assert [each["run_id"] for each in found] == [again["run_id"], made["run_id"]]


def test_one_proposal_is_made(story: Story) -> None:
    base_hash = story.agent.get("notebooks", path=story.path).json()["hash"]
    wanted = {"path": story.path, "base_hash": base_hash, "title": "Better", "operations": [replace("only", "1")]}
    proposal = story.asked_twice("agent", "proposals", **wanted)
    (made,) = story.agent.get("proposals", path=story.path).json()["items"]
    assert made["proposal_id"] == proposal["proposal_id"]


def test_evidence_is_asked_for_once(story: Story) -> None:
    proposal_id = story.proposed()["proposal_id"]
    evidence = story.asked_twice("agent", "evidence", proposal_id=proposal_id)
    (made,) = story.agent.get(f"proposals/{proposal_id}").json()["evidence"]
    assert made["evidence_id"] == evidence["evidence_id"]


def test_a_review_is_kept_once(story: Story) -> None:
    proposal_id = story.proposed()["proposal_id"]
    reviewed = story.asked_twice("person", f"proposals/{proposal_id}/reviews", decisions={"only": "accept"})
    assert reviewed["reviews"] == story.person.get(f"proposals/{proposal_id}").json()["reviews"]
    assert len(reviewed["reviews"]) == 1


def test_what_was_merged_is_merged_once(story: Story) -> None:
    proposal = story.proposed()
    review(story.person, proposal, {"only": "accept"})
    merged = story.asked_twice("person", f"proposals/{proposal['proposal_id']}/merge")
    assert [each["applied"] for each in merged["merges"]] == [["only"]]
    assert story.person.get(f"proposals/{proposal['proposal_id']}").json()["merges"] == merged["merges"]
    assert story.workspace.sources("report.ipynb") == {"only": "print('better')", "other": "print(2)"}
