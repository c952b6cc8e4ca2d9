"""A bounded number of runs at a time: the others wait, know their place, and move up."""

from __future__ import annotations

import pytest

from tests.clients import Client, error
from tests.conftest import StartServer
from tests.servers import Server
from tests.streams import followed
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("RUN-20")


@pytest.fixture(scope="module")
def one_at_a_time(start_server: StartServer) -> Server:
    return start_server(max_concurrent_runs=1)


@pytest.fixture
def server(one_at_a_time: Server) -> Server:
    return one_at_a_time


@pytest.fixture
def runs(agent: Client, workspace: Workspace) -> list[str]:
    """Three runs, each of which waits for a file of its own name: one goes on, two wait."""
    made = []
    for name in ("one", "two", "three"):
        waits = f"import os, time\nwhile not os.path.exists('go {name}'):\n    time.sleep(0.01)"
        run = agent.post("runs", input_path=workspace.write(f"{name}.ipynb", code("waits", waits))).json()
        assert run["queue_position"] == (len(made) or None)
        made.append(run["run_id"])
    agent.wait_until(f"runs/{made[0]}", lambda now: now["state"] == "running")
    return made


def test_whoever_waits_knows_their_place_and_moves_up(agent: Client, workspace: Workspace, runs: list[str]) -> None:
    first, second, third = runs
    (workspace.folder / "go one").touch()
    agent.wait_until(f"runs/{second}", lambda now: now["state"] == "running")
    assert agent.wait_until(f"runs/{third}", lambda now: now["queue_position"] == 1)["state"] == "pending"
    (workspace.folder / "go two").touch()
    (workspace.folder / "go three").touch()
    ended = [agent.wait_until_ended({"run_id": run_id}) for run_id in runs]
    assert [(run["state"], run["queue_position"]) for run in ended] == [("completed", None)] * 3
    assert ended[0]["ended_at"] <= ended[1]["started_at"] <= ended[1]["ended_at"] <= ended[2]["started_at"]
    told = [event.data["queue_position"] for event in followed(agent, third) if event.event == "queued"]
    assert told == [2, 1]
    assert followed(agent, first)[0].event == "started"
    record = agent.get(f"runs/{third}/record").json()
    assert record["created_at"] <= record["queued_at"] <= record["started_at"]


def test_a_run_that_is_cancelled_while_it_waits_gives_its_place_to_the_next(
    agent: Client, workspace: Workspace, runs: list[str]
) -> None:
    first, second, third = runs
    agent.post(f"runs/{second}/cancel")
    assert agent.wait_until_ended({"run_id": second})["state"] == "cancelled"
    assert agent.wait_until(f"runs/{third}", lambda now: now["queue_position"] == 1)["state"] == "pending"
    for name in ("one", "three"):
        (workspace.folder / f"go {name}").touch()
    for run_id in (first, third):
        assert agent.wait_until_ended({"run_id": run_id})["state"] == "completed"


def test_the_first_answer_says_at_which_position_a_run_waits(
    agent: Client, workspace: Workspace, runs: list[str]
) -> None:
    path = workspace.write("four.ipynb", code("only", "1"))
    created, again = agent.post("runs", input_path=path).json(), agent.post(f"runs/{runs[0]}/rerun").json()
    assert [(run["state"], run["queue_position"]) for run in (created, again)] == [("pending", 3), ("pending", 4)]
    for run in (created, again, *({"run_id": run_id} for run_id in runs)):
        agent.post(f"runs/{run['run_id']}/cancel")
        agent.wait_until_ended(run)


@pytest.mark.requirement("RUN-7", "RUN-8")
def test_a_run_that_waits_to_replace_an_earlier_output_has_none_yet(
    person: Client, workspace: Workspace, runs: list[str]
) -> None:
    earlier = workspace.write("out.ipynb", code("only", "'earlier'"), hermes={"run_id": "earlier"})
    path = workspace.write("four.ipynb", code("only", "1"))
    run = person.post("runs", input_path=path, output_path=earlier, overwrite=True).json()
    assert run["queue_position"] == 3
    assert error(person.get(f"runs/{run['run_id']}/notebook")) == (404, "no_output")
    assert error(person.get(f"runs/{run['run_id']}/cells/only")) == (404, "no_output")
    for run_id in (run["run_id"], *runs):
        person.post(f"runs/{run_id}/cancel")
        person.wait_until_ended({"run_id": run_id})
    assert person.get(f"runs/{run['run_id']}/cells/only").json()["cell"]["source"] == "1"


@pytest.mark.requirement("RUN-20", "RUN-6")
def test_a_notebook_that_was_to_be_prepared_and_is_cancelled_while_it_waits_is_cancelled(
    agent: Client, workspace: Workspace, runs: list[str]
) -> None:
    path = workspace.write("four.ipynb", code("only", "1"))
    run = agent.post("runs", input_path=path, prepare_only=True).json()
    assert run["queue_position"] == 3
    agent.post(f"runs/{run['run_id']}/cancel")
    ended = agent.wait_until_ended(run)
    assert (ended["state"], ended["started_at"], ended["result"]["duration_seconds"]) == ("cancelled", None, None)
    assert (ended["result"]["status"], ended["message"]) == ("error", "The run was cancelled.")
    written = agent.get(f"runs/{run['run_id']}/notebook").json()["notebook"]["metadata"]
    assert (written["hermes"]["run_id"], written["hermes"]["state"]) == (run["run_id"], "cancelled")
    for run_id in runs:
        agent.post(f"runs/{run_id}/cancel")
        agent.wait_until_ended({"run_id": run_id})


@pytest.mark.requirement("RUN-20", "RUN-2", "RUN-7")
def test_a_run_that_is_cancelled_while_it_waits_has_taken_no_time(
    agent: Client, workspace: Workspace, runs: list[str]
) -> None:
    first, second, third = runs
    agent.post(f"runs/{second}/cancel")
    ended = agent.wait_until_ended({"run_id": second})
    assert (ended["state"], ended["started_at"], ended["result"]["duration_seconds"]) == ("cancelled", None, None)
    assert (ended["result"]["status"], ended["result"]["cells_executed"]) == ("error", 0)
    assert [cell["state"] for cell in ended["cells"]] == ["not_run"]
    assert [event.event for event in followed(agent, second)] == ["queued", "ended"]
    written = agent.get(f"runs/{second}/notebook").json()["notebook"]["metadata"]
    assert (written["hermes"]["state"], written["papermill"]["duration"]) == ("cancelled", None)
    for run_id in (first, third):
        agent.post(f"runs/{run_id}/cancel")
        agent.wait_until_ended({"run_id": run_id})
