"""`examples/agent_client.py`, the agent that `scripts/demo` starts, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import SECONDS, Client, Json
from tests.servers import CHECKOUT
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("DEMO-2")

CLIENT = CHECKOUT / "examples" / "agent_client.py"
SCORE = code("score", "import scrapbook as sb\nsb.glue('score', 1)")
WANTED: Json = {
    "title": "Twice the score",
    "rationale": ["It was\n", "too low."],
    "operations": [
        {
            "op": "replace_source",
            "cell_id": "score",
            "source": ["import scrapbook as sb\n", "sb.glue('score', 2)"],
        }
    ],
}

StartAgent = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start_agent(agent: Client, tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    """Start the example agent with a token of its own, to propose WANTED to a notebook."""
    wanted = tmp_path / "wanted.json"
    wanted.write_text(json.dumps(WANTED))

    def start(path: str) -> subprocess.Popen[str]:
        assert agent.token is not None
        return run_client("--url", agent.url, "--token", agent.token, "--path", path, "--proposal", str(wanted))

    return start


def run_client(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CLIENT), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def proposal_with_evidence(person: Client, path: str, agent: subprocess.Popen[str]) -> Json:
    """The agent's proposal, as soon as the agent has asked for evidence of it."""
    assert agent.stdout is not None
    for line in agent.stdout:
        if "evidence waits for a person's go" in line:
            break
    [summary] = person.get("proposals", path=path).json()["items"]
    proposal: Json = person.get(f"proposals/{summary['proposal_id']}").json()
    return proposal


def test_the_example_agent_waits_for_the_go_and_sees_its_change_merged(
    person: Client, workspace: Workspace, start_agent: StartAgent
) -> None:
    path = workspace.write("report.ipynb", SCORE)
    agent = start_agent(path)
    proposal = proposal_with_evidence(person, path, agent)
    [evidence] = proposal["evidence"]

    person.post(f"evidence/{evidence['evidence_id']}/decision", decision="allow")
    person.wait_until_ended(evidence)
    person.post(f"proposals/{proposal['proposal_id']}/reviews", verdict="accept", comment="Fine.")
    person.post(f"proposals/{proposal['proposal_id']}/merge")
    printed, _ = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 0, printed
    assert "score: 1 -> 2" in printed
    assert "score accept Fine." in printed
    assert workspace.sources("report.ipynb") == {"score": "import scrapbook as sb\nsb.glue('score', 2)"}


def test_the_example_agent_tells_a_rejection_by_its_exit_code(
    person: Client, workspace: Workspace, start_agent: StartAgent
) -> None:
    path = workspace.write("report.ipynb", SCORE)
    agent = start_agent(path)
    proposal = proposal_with_evidence(person, path, agent)

    person.post(f"evidence/{proposal['evidence'][0]['evidence_id']}/decision", decision="deny")
    person.post(f"proposals/{proposal['proposal_id']}/reviews", verdict="reject", comment="Leave it.")
    printed, _ = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 1, printed
    assert "the proposal is rejected" in printed
    assert "Leave it." in printed


def test_the_example_agent_says_why_the_server_refused(person: Client) -> None:
    agent = run_client("--url", person.url, "--token", "hermes-agent-unknown", "--path", "report.ipynb")
    printed, _ = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 2
    assert "the server refused: 403" in printed


def test_the_example_agent_says_that_no_server_answers() -> None:
    agent = run_client("--url", "http://127.0.0.1:9/", "--token", "any")
    printed, _ = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 2
    assert "http://127.0.0.1:9/ does not answer" in printed
