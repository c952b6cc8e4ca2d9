"""A run is repeated from what it executed, and its record says how it was made."""

from __future__ import annotations

import platform
import socket
import subprocess
from collections.abc import Callable

import pytest

from tests.clients import Client, error
from tests.journeys.proposing import propose, replace
from tests.workspaces import Workspace
from tests.written_notebooks import code

NUMBER = code("number", "n = 1", tags=["parameters"])
PRINTS = code("prints", "print(n)")


@pytest.mark.requirement("RUN-18")
def test_a_run_is_repeated_with_the_bytes_it_executed(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", NUMBER, PRINTS)
    first = agent.wait_until_ended(agent.post("runs", input_path=path, parameters={"n": 5}, timeout_seconds=50))
    workspace.write("report.ipynb", NUMBER, code("prints", "print('changed since')"))

    created = agent.post(f"runs/{first['run_id']}/rerun")
    assert created.status_code == 202
    again = agent.wait_until_ended(created)

    same = ("input_path", "input_hash", "parameters", "kernel_name", "timeout_seconds", "state")
    assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert (again["rerun_of"], first["rerun_of"]) == (first["run_id"], None)
    assert again["output_path"] != first["output_path"]
    assert printed(agent, again) == "5\n"


@pytest.mark.requirement("RUN-18")
def test_a_run_is_repeated_with_other_parameters_and_the_notebook_as_it_is_now(
    agent: Client, workspace: Workspace
) -> None:
    path = workspace.write("report.ipynb", NUMBER, PRINTS)
    first = agent.wait_until_ended(agent.post("runs", input_path=path, parameters={"n": 5}))
    workspace.write("report.ipynb", NUMBER, code("prints", "print(n, 'now')"))
    other = agent.post(f"runs/{first['run_id']}/rerun", parameters={"n": 6}, input="current")
    again = agent.wait_until_ended(other)
    assert again["input_hash"] != first["input_hash"]
    assert printed(agent, again) == "6 now\n"


@pytest.mark.requirement("RUN-18")
def test_a_notebook_that_is_gone_is_repeated_from_its_bytes_alone(agent: Client, workspace: Workspace) -> None:
    first = agent.wait_until_ended(agent.post("runs", input_path=workspace.write("report.ipynb", PRINTS_ONE)))
    (workspace.folder / "report.ipynb").unlink()
    gone = agent.post(f"runs/{first['run_id']}/rerun", input="current")
    assert error(gone) == (404, "no_such_notebook")
    assert printed(agent, agent.wait_until_ended(agent.post(f"runs/{first['run_id']}/rerun"))) == "1\n"


@pytest.mark.requirement("RUN-18", "API-2")
def test_a_repeated_request_to_repeat_makes_one_run(agent: Client, workspace: Workspace) -> None:
    first = agent.wait_until_ended(agent.post("runs", input_path=workspace.write("report.ipynb", PRINTS_ONE)))
    made = [agent.post(f"runs/{first['run_id']}/rerun", key="once").json()["run_id"] for _ in range(2)]
    assert made[0] == made[1]
    agent.wait_until_ended({"run_id": made[0]})


@pytest.mark.requirement("RUN-18", "EVID-2")
def test_evidence_is_not_repeated_as_a_run(agent: Client, person: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", PRINTS_ONE)
    proposal = propose(agent, path, replace("prints", "print(2)"))
    evidence = person.wait_until_ended(person.post("evidence", proposal_id=proposal["proposal_id"]))
    refused = agent.post(f"runs/{evidence['proposal']['run_id']}/rerun")
    assert error(refused) == (409, "run_is_evidence")


@pytest.mark.requirement("RUN-19")
def test_the_record_says_how_a_run_was_made(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", NUMBER, PRINTS)
    git(workspace, "init", "--quiet", "--initial-branch", "trunk")
    git(workspace, "add", "report.ipynb")
    git(workspace, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "first")
    run = agent.wait_until_ended(agent.post("runs", input_path=path, parameters={"n": 3}))
    record = agent.get(f"runs/{run['run_id']}/record").json()

    in_the_run_too = run.keys() & record.keys()
    assert {name: record[name] for name in in_the_run_too} == {name: run[name] for name in in_the_run_too}
    assert {"input_hash", "output_hash", "parameters", "author", "started_at", "cells"} <= in_the_run_too
    assert record["git"] == {"revision": git(workspace, "rev-parse", "HEAD"), "branch": "trunk", "dirty": False}
    kernel = record["kernel"]
    assert (kernel["name"], kernel["language"]) == ("python3", "python")
    assert "ipykernel_launcher" in kernel["argv"]
    assert record["environment"]["packages"]["ipykernel"]
    assert record["environment"]["interpreter"].endswith(("python", "python3"))
    assert (record["host"], record["platform"]) == (socket.gethostname(), platform.platform())
    assert record["hermes_lab_version"]
    assert record["papermill_version"]


@pytest.mark.requirement("RUN-19")
@pytest.mark.parametrize("change", ["edited", "untracked"])
def test_the_record_says_that_the_notebook_is_not_as_committed(
    agent: Client, workspace: Workspace, change: str
) -> None:
    workspace.write("other.ipynb", PRINTS_ONE)
    path = workspace.write("report.ipynb", PRINTS_ONE)
    git(workspace, "init", "--quiet")
    git(workspace, "add", "report.ipynb" if change == "edited" else "other.ipynb")
    git(workspace, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "first")
    if change == "edited":
        workspace.write("report.ipynb", code("prints", "print(2)"))
    run = agent.wait_until_ended(agent.post("runs", input_path=path))
    assert agent.get(f"runs/{run['run_id']}/record").json()["git"]["dirty"] is True


@pytest.mark.requirement("RUN-19")
def test_a_failed_run_has_a_record_with_its_environment(agent: Client, workspace: Workspace) -> None:
    run = agent.wait_until_ended(agent.post("runs", input_path=workspace.write("report.ipynb", code("fails", "1 / 0"))))
    record = agent.get(f"runs/{run['run_id']}/record").json()
    assert (record["state"], record["cause"], record["git"]) == ("failed", "cell_error", None)
    assert record["environment"]["packages"]["ipykernel"]


@pytest.mark.requirement("RUN-19")
def test_a_run_that_goes_on_has_a_record_of_what_is_known(
    agent: Client, workspace: Workspace, clients: Callable[..., Client]
) -> None:
    waits = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)"
    run = agent.post("runs", input_path=workspace.write("report.ipynb", code("waits", waits))).json()
    record = agent.get(f"runs/{run['run_id']}/record").json()
    assert (record["ended_at"], record["environment"], record["host"]) == (None, None, None)
    assert record["input_hash"] == run["input_hash"]
    (workspace.folder / "go").touch()
    agent.wait_until_ended(run)


PRINTS_ONE = code("prints", "print(1)")


def git(workspace: Workspace, *arguments: str) -> str:
    """What git says in the folder of the workspace."""
    return subprocess.run(
        ["git", *arguments], cwd=workspace.folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def printed(client: Client, run: dict[str, str]) -> str:
    """What the last cell of the run's output notebook printed."""
    notebook = client.get(f"runs/{run['run_id']}/notebook").json()["notebook"]
    text: str = notebook["cells"][-1]["outputs"][0]["text"]
    return text
