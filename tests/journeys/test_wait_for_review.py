"""An agent waits for the person, and gets what it needs to go on as data."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.clients import Client, Json, error
from tests.journeys.proposing import merge, propose, replace, review
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("REVIEW-5")
LONG = "\n".join(f"line_{number} = {number}" for number in range(12))
WANTED = LONG.replace("line_1 = 1\n", "line_1 = 'first'\n").replace("line_9 = 9", "line_9 = 'second'")


@pytest.fixture
def server(allowing_server: Server) -> Server:
    """Evidence of agents runs at once."""
    return allowing_server


@pytest.fixture
def path(workspace: Workspace) -> str:
    return workspace.write("waited.ipynb", code("a", "a = 1"), code("b", "b = 1"), code("long", LONG))


@pytest.fixture
def proposal(agent: Client, path: str) -> Json:
    return propose(agent, path, replace("a", "a = 2\nprint(a)"), replace("b", "b = 2"), replace("long", WANTED))


class Waiting:
    """A long poll that goes on in a thread."""

    def __init__(self, agent: Client, proposal: Json, **query: float) -> None:
        self._heard: list[Json] = []
        route = f"proposals/{proposal['proposal_id']}/review"
        self._thread = threading.Thread(target=lambda: self._heard.append(agent.get(route, **query).json()))
        self._thread.start()

    @property
    def goes_on(self) -> bool:
        return self._thread.is_alive()

    def answer(self) -> Json:
        self._thread.join(60)
        return self._heard[0]


def outcome(client: Client, proposal: Json, **query: float) -> Json:
    answer = client.get(f"proposals/{proposal['proposal_id']}/review", **query)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def test_decisions_reasons_comments_and_edits_come_as_data(agent: Client, person: Client, proposal: Json) -> None:
    waiting = Waiting(agent, proposal, wait=60)
    review(
        person,
        proposal,
        {
            "a": {"decision": "accept", "text": "a = 3\nprint(a)"},
            "b": {"decision": "reject", "comment": "b is used elsewhere"},
            "long": {"decision": "accept", "hunks": {"h2": "reject"}},
        },
        comment="Nearly.",
    )
    heard = waiting.answer()
    a, b, long = heard["changes"]
    assert (heard["state"], heard["decided"]) == ("open", True)
    assert [(hunk["before"], hunk["after"]) for hunk in a["edited"]] == [("a = 2\n", "a = 3\n")]
    assert (b["state"], b["decision"]["decision"], b["reason"]) == ("rejected", "reject", "b is used elsewhere")
    assert (long["accepted_hunks"], long["rejected_hunks"], long["edited"]) == (["h1"], ["h2"], [])
    said = [(remark["change_id"], remark["text"], remark["author"]["kind"]) for remark in heard["comments"]]
    assert said == [(None, "Nearly.", "human"), ("b", "b is used elsewhere", "human")]


def test_a_version_that_was_seen_is_waited_past_and_a_merge_wakes(
    agent: Client, person: Client, proposal: Json
) -> None:
    review(person, proposal, verdict="accept")
    seen = outcome(agent, proposal, wait=60)
    assert seen["decided"]
    waiting = Waiting(agent, proposal, wait=60, since=seen["version"])
    merge(person, proposal)
    heard = waiting.answer()
    assert (heard["state"], heard["merges"][0]["applied"]) == ("merged", ["a", "b", "long"])
    assert outcome(agent, proposal, wait=60, since=heard["version"]) == heard


def test_evidence_wakes_nobody_who_waits_for_a_review(agent: Client, person: Client, proposal: Json) -> None:
    waiting = Waiting(agent, proposal, wait=60, since=proposal["version"])
    made = agent.post("evidence", proposal_id=proposal["proposal_id"])
    assert agent.wait_until_ended(made)["state"] == "completed"
    assert waiting.goes_on
    review(person, proposal, comment="Thank you.")
    assert [remark["text"] for remark in waiting.answer()["comments"]] == ["Thank you."]


@pytest.mark.requirement("PROP-6")
def test_whoever_waits_hears_that_a_newer_version_took_the_place(agent: Client, path: str, proposal: Json) -> None:
    waiting = Waiting(agent, proposal, wait=60)
    newer = propose(agent, path, replace("a", "a = 4"), supersedes=proposal["proposal_id"])
    heard = waiting.answer()
    assert (heard["state"], heard["decided"], heard["superseded_by"]) == ("superseded", True, newer["proposal_id"])


def test_whoever_waits_hears_of_a_withdrawal(agent: Client, proposal: Json) -> None:
    waiting = Waiting(agent, proposal, wait=60)
    assert agent.post(f"proposals/{proposal['proposal_id']}/withdraw").status_code == 200
    assert waiting.answer()["state"] == "withdrawn"


def test_when_time_is_up_the_answer_is_the_present(agent: Client, proposal: Json) -> None:
    now = outcome(agent, proposal, wait=0.2)
    assert (now["state"], now["decided"], now["version"]) == ("open", False, proposal["version"])
    assert all(change["decision"] is None for change in now["changes"])


def test_one_needs_the_scope_and_a_proposal(agent: Client, issue_agent: Callable[..., Client], proposal: Json) -> None:
    assert error(agent.get("proposals/none/review")) == (404, "no_such_proposal")
    stranger = issue_agent(scopes=["notebooks:read"])
    assert error(stranger.get(f"proposals/{proposal['proposal_id']}/review")) == (403, "missing_scope")
