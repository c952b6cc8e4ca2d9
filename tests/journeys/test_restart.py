"""What is left when a server stops, is killed, and starts again on the same store."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.clients import Client, error
from tests.conftest import StartServer
from tests.journeys.proposing import merge, propose, replace, review
from tests.run_requests import runner_processes
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import Json, code, markdown

STARTS_AND_WAITS = """
import os, subprocess, time
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
open("started", "w").write(str(child.pid))
while not os.path.exists("go"):
    time.sleep(0.01)
"""


@pytest.fixture
def server(new_server: StartServer) -> Server:
    return new_server(agent_execution="ask")


@pytest.fixture
def running(agent: Client, workspace: Workspace) -> dict[str, str]:
    """A run in the middle of its second cell, whose first one is done."""
    cells = (code("first", "print('first')"), code("waits", STARTS_AND_WAITS), markdown("text", "# What it was"))
    path = workspace.write("long.ipynb", *cells)
    run = agent.post("runs", input_path=path).json()
    agent.wait_until(f"runs/{run['run_id']}", lambda now: now["progress"]["cells_done"] == 1)
    found: dict[str, str] = run
    return found


@pytest.mark.requirement("RUN-10", "PROP-8", "AUTH-4")
def test_a_killed_server_loses_nothing_that_it_acknowledged(
    server: Server,
    agent: Client,
    person: Client,
    clients: Callable[..., Client],
    workspace: Workspace,
    running: dict[str, str],
) -> None:
    path = workspace.write("report.ipynb", code("only", "print(1)"), code("other", "print(2)"))
    proposal = propose(agent, path, replace("only", "print('better')"), replace("other", "print('worse')"))
    review(person, proposal, {"only": "accept", "other": "reject"})

    server.crash()
    assert server.wait_until_alone() == []
    server.start()
    agent, person = clients(server.url, agent.token), clients(server.url, server.token, "token")

    run = agent.get(f"runs/{running['run_id']}").json()
    assert (run["state"], run["cause"]) == ("failed", "interrupted")
    assert run["ended_at"] is not None
    there = agent.get(f"proposals/{proposal['proposal_id']}").json()
    assert (there["state"], [change["state"] for change in there["changes"]]) == ("open", ["pending", "rejected"])
    assert merge(person, proposal)["state"] == "merged"
    assert workspace.sources("report.ipynb") == {"only": "print('better')", "other": "print(2)"}


@pytest.mark.requirement("RUN-10", "RUN-15")
def test_a_killed_server_knows_afterwards_what_became_of_each_cell(
    server: Server, agent: Client, clients: Callable[..., Client], workspace: Workspace
) -> None:
    quick = [code(f"c{number}", f"print({number})") for number in range(30)]
    path = workspace.write("long.ipynb", *quick, code("waits", STARTS_AND_WAITS), code("after", "1"))
    run = agent.post("runs", input_path=path).json()
    underway = agent.wait_until(f"runs/{run['run_id']}", lambda now: now["progress"]["cells_done"] == 30)
    underway = agent.wait_until(f"runs/{run['run_id']}", lambda now: now["cells"][30]["state"] == "running")

    server.crash()
    assert server.wait_until_alone() == []
    server.start()

    there = clients(server.url, agent.token).get(f"runs/{run['run_id']}").json()
    assert (there["state"], there["cause"]) == ("failed", "interrupted")
    assert there["version"] == underway["version"] + 1
    assert there["progress"] == underway["progress"] == {"cells_total": 32, "cells_done": 30}
    assert there["cells"][:30] == underway["cells"][:30]
    states = {cell["cell_id"]: cell["state"] for cell in there["cells"]}
    assert states == {**{f"c{number}": "completed" for number in range(30)}, "waits": "cancelled", "after": "not_run"}


@pytest.mark.requirement("RUN-10")
@pytest.mark.parametrize("cells", ["", ', "cells": [{"id": "waits", "metadata": {"hermes": {"status": "odd"}}}]'])
def test_an_output_that_was_tampered_with_does_not_keep_a_server_from_starting(
    server: Server,
    agent: Client,
    clients: Callable[..., Client],
    workspace: Workspace,
    running: dict[str, str],
    cells: str,
) -> None:
    server.crash()
    assert server.wait_until_alone() == []
    written = f'{{"metadata": {{"hermes": {{"run_id": "{running["run_id"]}"}}}}{cells}}}'
    (workspace.folder.parent / running["output_path"]).write_text(written)
    server.start()
    agent = clients(server.url, agent.token)
    there = agent.get(f"runs/{running['run_id']}").json()
    assert (there["cause"], [cell["state"] for cell in there["cells"]]) == ("interrupted", ["completed", "cancelled"])
    assert error(agent.get(f"runs/{running['run_id']}/notebook")) == (404, "no_output")
    assert error(agent.get(f"runs/{running['run_id']}/cells/first")) == (404, "no_output")


def the_power_fails(server: Server) -> None:
    """Server and runner are gone at once: neither hears of the other's end."""
    process = psutil.Process(server.process_id)
    process.suspend()
    for runner in runner_processes(process):
        runner.kill()
    server.crash()
    assert server.wait_until_alone() == []


@pytest.mark.requirement("RUN-23", "RUN-10")
def test_after_a_power_cut_the_output_says_what_the_store_says(
    server: Server, agent: Client, clients: Callable[..., Client], workspace: Workspace
) -> None:
    path = workspace.write("long.ipynb", code("first", "1"), code("waits", STARTS_AND_WAITS), code("after", "1"))
    run = agent.post("runs", input_path=path, output_path=workspace.path("out.ipynb")).json()
    agent.wait_until(
        f"runs/{run['run_id']}", lambda now: len(now["cells"]) == 3 and now["cells"][1]["state"] == "running"
    )
    while states_in(workspace.read("out.ipynb"))[1] != "running":  # a save may lag behind, half a second
        assert agent.get(f"runs/{run['run_id']}").json()["state"] == "running"
    the_power_fails(server)
    assert states_in(workspace.read("out.ipynb")) == ["completed", "running", "not_run"]

    server.start()

    agent = clients(server.url, agent.token)
    there = agent.get(f"runs/{run['run_id']}").json()
    assert [cell["state"] for cell in there["cells"]] == ["completed", "cancelled", "not_run"]
    written = workspace.read("out.ipynb")
    assert states_in(written) == ["completed", "cancelled", "not_run"]
    assert [cell["metadata"]["papermill"]["status"] for cell in written["cells"]] == ["completed", "failed", "pending"]
    of_run = written["metadata"]["hermes"]
    assert (of_run["run_id"], of_run["state"], of_run["cause"]) == (run["run_id"], "failed", "interrupted")
    assert there["output_hash"] == hashlib.sha256(workspace.bytes("out.ipynb")).hexdigest()
    assert states_in(agent.get(f"runs/{run['run_id']}/notebook").json()["notebook"]) == states_in(written)


def states_in(notebook: Json) -> list[str]:
    return [cell["metadata"]["hermes"]["status"] for cell in notebook["cells"]]


@pytest.mark.requirement("RUN-23")
@pytest.mark.parametrize(
    "change",
    [
        lambda notebook: notebook["cells"][1].update(source="'what somebody wrote'"),
        lambda notebook: notebook["cells"][2].update(source="what somebody wrote"),
        lambda notebook: notebook["cells"].append(code("new", "'what somebody wrote'")),
        lambda notebook: notebook["cells"].pop(0),
        lambda notebook: notebook["metadata"]["hermes"].update(run_id="another"),
    ],
)
def test_an_output_that_somebody_has_changed_since_is_left_as_it_is(
    server: Server,
    agent: Client,
    clients: Callable[..., Client],
    running: dict[str, str],
    change: Callable[[Json], object],
) -> None:
    the_power_fails(server)
    output = server.root / running["output_path"]
    notebook = json.loads(output.read_text())
    change(notebook)
    output.write_text(json.dumps(notebook))
    server.start()
    assert json.loads(output.read_text()) == notebook
    there = clients(server.url, agent.token).get(f"runs/{running['run_id']}").json()
    assert (there["cause"], there["output_hash"]) == ("interrupted", None)


@pytest.mark.requirement("RUN-23", "RUN-8")
def test_an_output_in_which_somebody_has_cleared_outputs_is_theirs(
    server: Server, agent: Client, clients: Callable[..., Client], running: dict[str, str]
) -> None:
    the_power_fails(server)
    output = server.root / running["output_path"]
    notebook = json.loads(output.read_text())
    notebook["cells"][0]["outputs"] = []
    output.write_text(json.dumps(notebook))
    server.start()
    agent = clients(server.url, agent.token)
    there = agent.get(f"runs/{running['run_id']}").json()
    assert (there["cause"], there["output_hash"]) == ("interrupted", None)
    assert json.loads(output.read_text())["cells"][0]["outputs"] == []


@pytest.mark.requirement("RUN-23")
@pytest.mark.parametrize(
    "odd", [os.mkfifo, Path.mkdir, lambda path: path.write_text("[" * 100_000), lambda path: path.write_bytes(b"\xff")]
)
def test_whatever_lies_at_the_output_path_a_server_starts(
    server: Server,
    agent: Client,
    clients: Callable[..., Client],
    running: dict[str, str],
    odd: Callable[[Path], object],
) -> None:
    the_power_fails(server)
    output = server.root / running["output_path"]
    output.unlink()
    odd(output)
    server.start()
    agent = clients(server.url, agent.token)
    there = agent.get(f"runs/{running['run_id']}").json()
    assert (there["cause"], [cell["state"] for cell in there["cells"]]) == ("interrupted", ["completed", "cancelled"])
    assert error(agent.get(f"runs/{running['run_id']}/notebook")) == (404, "no_output")
    assert error(agent.get(f"runs/{running['run_id']}/cells/first")) == (404, "no_output")


@pytest.mark.requirement("RUN-10")
@pytest.mark.parametrize("end", [Server.crash, Server.stop])
def test_evidence_that_was_running_is_failed_and_evidence_that_waits_still_waits(
    server: Server,
    agent: Client,
    person: Client,
    clients: Callable[..., Client],
    workspace: Workspace,
    end: Callable[[Server], object],
) -> None:
    path = workspace.write("report.ipynb", code("only", "print(1)"))
    go = str(workspace.folder / "never")
    waits = f"import os, time\nwhile not os.path.exists({go!r}):\n    time.sleep(0.01)"
    proposal = propose(agent, path, replace("only", waits))
    running = person.post("evidence", proposal_id=proposal["proposal_id"]).json()
    waiting = agent.post("evidence", proposal_id=proposal["proposal_id"]).json()
    person.wait_until(f"evidence/{running['evidence_id']}", lambda now: now["state"] == "running")

    end(server)
    server.start()
    agent = clients(server.url, agent.token)

    ended = agent.get(f"evidence/{running['evidence_id']}").json()
    assert (ended["state"], ended["verdict"]) == ("failed", None)
    there = agent.get(f"evidence/{waiting['evidence_id']}").json()
    assert (there["state"], there["awaiting_approval"]) == ("pending", True)


@pytest.mark.requirement("API-2")
def test_a_key_is_remembered_over_a_restart(
    server: Server, agent: Client, clients: Callable[..., Client], workspace: Workspace
) -> None:
    path = workspace.write("report.ipynb", code("only", "print(1)"))
    first = agent.wait_until_ended(agent.post("runs", input_path=path, key="once"))
    server.crash()
    server.start()
    agent = clients(server.url, agent.token)
    assert agent.post("runs", input_path=path, key="once").json()["run_id"] == first["run_id"]
    other = agent.post("runs", input_path=path, key="once", parameters={"n": 1})
    assert error(other) == (409, "idempotency_key_reused")


@pytest.mark.requirement("HOUSE-1")
def test_a_stopped_server_leaves_no_process_behind(server: Server, running: dict[str, str]) -> None:
    assert len(server.descendants()) > 1
    assert server.stop() == []


@pytest.mark.requirement("HOUSE-1")
def test_a_stopped_server_ends_its_runs_and_says_so_after_the_restart(
    server: Server, agent: Client, clients: Callable[..., Client], running: dict[str, str]
) -> None:
    server.stop()
    server.start()
    run = clients(server.url, agent.token).get(f"runs/{running['run_id']}").json()
    assert (run["state"], run["cause"]) == ("failed", "interrupted")
    output = Path(server.root, run["output_path"])
    assert "first" in output.read_text()


@pytest.mark.requirement("HOUSE-1")
def test_a_killed_runner_ends_its_runs_and_the_next_run_works(
    server: Server, agent: Client, workspace: Workspace, running: dict[str, str]
) -> None:
    (runner,) = runner_processes(psutil.Process(server.process_id))
    runner.kill()
    ended = agent.wait_until_ended(running)
    assert (ended["state"], ended["cause"]) == ("failed", "interrupted")
    again = agent.post("runs", input_path=workspace.write("next.ipynb", code("only", "print(1)")))
    assert agent.wait_until_ended(again)["state"] == "completed"


@pytest.mark.requirement("RUN-24")
def test_what_somebody_wrote_at_the_output_path_of_a_run_whose_runner_was_killed_is_not_answered_as_its_output(
    server: Server, agent: Client, workspace: Workspace, running: dict[str, str]
) -> None:
    theirs = workspace.write("theirs.ipynb", code("first", "print('precious')"), hermes={"run_id": "another"})
    (runner,) = runner_processes(psutil.Process(server.process_id))
    runner.suspend()  # so that it finds no time to write beside
    shutil.copy(server.root / theirs, server.root / running["output_path"])
    runner.kill()
    assert agent.wait_until_ended(running)["cause"] == "interrupted"
    assert error(agent.get(f"runs/{running['run_id']}/notebook")) == (404, "no_output")
    assert error(agent.get(f"runs/{running['run_id']}/cells/first")) == (404, "no_output")


@pytest.mark.requirement("KERNEL-6")
def test_a_runner_that_stays_silent_for_as_long_as_the_server_allows_ends_its_runs(
    new_server: StartServer, clients: Callable[..., Client]
) -> None:
    server = new_server(runner_unresponsive_seconds=10.0)
    person = clients(server.url, server.token, "token")
    path = Workspace(server.root, server.root / "work").write("long.ipynb", code("waits", STARTS_AND_WAITS))
    run = person.post("runs", input_path=path).json()
    person.wait_until(f"runs/{run['run_id']}", lambda now: [cell["state"] for cell in now["cells"]] == ["running"])
    (runner,) = runner_processes(psutil.Process(server.process_id))
    runner.suspend()
    ended = person.wait_until_ended(run)
    assert (ended["state"], ended["cause"]) == ("failed", "interrupted")
    assert "did not answer for 10 seconds" in ended["message"]
