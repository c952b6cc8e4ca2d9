"""Secret parameters: they reach the kernel, and their values are nowhere else."""

from __future__ import annotations

import pytest

from tests.clients import Client, error
from tests.conftest import StartServer
from tests.files import files_with
from tests.mcp_calls import call
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("RUN-17")

SECRET = "correct-horse-battery-staple-7261"
LENGTH = code("reads", "import os\nassert len(os.environ['API_KEY']) == 33\nprint(os.environ['API_KEY'])")


@pytest.fixture
def server(new_server: StartServer) -> Server:
    return new_server()


def test_a_secret_reaches_the_kernel_and_is_written_nowhere(
    server: Server, agent: Client, workspace: Workspace
) -> None:
    path = workspace.write("report.ipynb", LENGTH)
    created = agent.post("runs", input_path=path, secret_parameters={"API_KEY": SECRET}, key="once")
    assert created.json()["secret_parameters"] == ["API_KEY"]
    again = agent.post("runs", input_path=path, secret_parameters={"API_KEY": SECRET}, key="once")
    assert again.json()["run_id"] == created.json()["run_id"]
    run = agent.wait_until_ended(created)
    assert run["state"] == "completed", run["message"]
    told = [agent.get(f"runs/{run['run_id']}/{part}").text for part in ("events", "record", "notebook")]
    assert [text for text in [created.text, str(run), *told] if SECRET in text] == []
    assert "API_KEY" in told[1]
    assert "stdout" in told[2]  # what the cell printed is there, and masked
    assert files_with(server.home, SECRET) == []
    assert files_with(server.root, SECRET) == []


def test_a_refused_request_does_not_write_a_secret_either(server: Server, agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", LENGTH)
    refused = [
        agent.post("runs", input_path=path, secret_parameters={"API_KEY": {"value": SECRET}}),
        agent.post("runs", input_path=path, secret_parameters={"PATH": SECRET}),
        agent.post("runs", input_path=path, secret_parameters=SECRET),
        agent.post("runs", input_path=path, secret_parameters={"API_KEY": SECRET}, unknown=1),
    ]
    assert [answer.status_code for answer in refused] == [400] * 4
    assert [answer.text for answer in refused if SECRET in answer.text] == []
    assert files_with(server.home, SECRET) == []


def test_a_run_with_secrets_is_repeated_only_with_its_secrets(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", LENGTH)
    run = agent.wait_until_ended(agent.post("runs", input_path=path, secret_parameters={"API_KEY": SECRET}))
    refused = agent.post(f"runs/{run['run_id']}/rerun")
    assert error(refused) == (400, "secrets_missing")
    assert refused.json()["details"] == {"field": "secret_parameters", "names": ["API_KEY"]}
    again = agent.post(f"runs/{run['run_id']}/rerun", secret_parameters={"API_KEY": SECRET})
    assert agent.wait_until_ended(again)["state"] == "completed"


def test_a_secret_that_comes_through_mcp_arrives_as_it_is(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", LENGTH)
    answer = call(agent, "run_notebook", input_path=path, secret_parameters={"API_KEY": SECRET}, wait=60)
    assert answer["state"] == "completed", answer
