"""A run's kernel is the one that the server would start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients import Client
from tests.conftest import StartServer
from tests.journeys.proposing import propose, replace
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import Json, code, notebook

pytestmark = pytest.mark.requirement("RUN-21")


KERNELS_OF_THE_HOUSE = """
import sys
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

class KernelsOfTheHouse(KernelSpecManager):
    def get_kernel_spec(self, kernel_name):
        if kernel_name != "of_the_house":
            return super().get_kernel_spec(kernel_name)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="House", language="python", env={"IN_THE": "house"})

    def find_kernel_specs(self):
        return {**super().find_kernel_specs(), "of_the_house": ""}
"""


def test_a_kernel_that_only_the_servers_settings_know_runs_notebooks(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    (tmp_path / "house.py").write_text(KERNELS_OF_THE_HOUSE)  # the server imports from the folder that it starts in
    server = new_server(tmp_path, settings={"ServerApp": {"kernel_spec_manager_class": "house.KernelsOfTheHouse"}})
    person = clients(server.url, server.token, "token")
    workspace = Workspace(server.root, server.root / "work")
    path = workspace.write("asks.ipynb", code("asks", "import os\nprint(os.environ['IN_THE'])"))
    created = person.post("runs", input_path=path, kernel_name="of_the_house")
    assert created.status_code == 202, created.text
    run = person.get(f"runs/{created.json()['run_id']}", wait=60, until="ended").json()
    assert (run["state"], run["message"]) == ("completed", None)
    output = json.loads((server.root / run["output_path"]).read_text())
    assert output["cells"][0]["outputs"][0]["text"] == ["house\n"]


def test_a_notebook_that_names_no_kernel_runs_in_the_servers_default(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    (tmp_path / "house.py").write_text(KERNELS_OF_THE_HOUSE)
    settings = {
        "ServerApp": {"kernel_spec_manager_class": "house.KernelsOfTheHouse"},
        "MultiKernelManager": {"default_kernel_name": "of_the_house"},
    }
    server = new_server(tmp_path, settings=settings)
    person = clients(server.url, server.token, "token")
    run = ended(person, nameless(server))
    assert (run["kernel_name"], run["state"]) == ("of_the_house", "completed")


def test_a_kernel_that_the_servers_settings_do_not_allow_runs_nothing(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    server = new_server(tmp_path, settings={"KernelSpecManager": {"allowed_kernelspecs": ["another"]}})
    person = clients(server.url, server.token, "token")
    refused = person.post("runs", input_path=nameless(server))
    assert (refused.status_code, refused.json()["code"]) == (400, "kernel_not_found")
    assert kernels_of(server) == []


def test_a_kernel_is_started_by_the_servers_default_provisioner_or_not_at_all(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    metadata = tmp_path / "house-1.dist-info"  # found by the server, which starts in this folder, and not by its runner
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: house\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[jupyter_client.kernel_provisioners]\nelsewhere = house:Elsewhere\n")
    settings = {"KernelProvisionerFactory": {"default_provisioner_name": "elsewhere"}}
    server = new_server(tmp_path, settings=settings)
    run = ended(clients(server.url, server.token, "token"), nameless(server))
    assert (run["state"], run["cause"]) == ("failed", "kernel_failed_to_start")
    assert "'elsewhere'" in run["message"]


def test_nothing_is_run_here_when_the_servers_kernels_are_on_a_gateway(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    server = on_a_gateway(new_server, tmp_path)
    person = clients(server.url, server.token, "token")
    path = nameless(server)
    refused = person.post("runs", input_path=path)
    assert (refused.status_code, refused.json()["code"]) == (503, "kernels_on_gateway")
    assert person.get("runs").json()["items"] == []
    proposal = propose(person, path, replace("one", "2 + 2"))
    refused = person.post("evidence", proposal_id=proposal["proposal_id"])
    assert (refused.status_code, refused.json()["code"]) == (503, "kernels_on_gateway")
    assert person.get(f"proposals/{proposal['proposal_id']}").json()["evidence"] == []
    assert kernels_of(server) == []


def test_what_starts_no_kernel_works_when_the_servers_kernels_are_on_a_gateway(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    server = on_a_gateway(new_server, tmp_path)
    person = clients(server.url, server.token, "token")
    path = Workspace(server.root, server.root / "work").write(
        "given.ipynb", code("given", "a = 1", tags=["parameters"])
    )
    declared = person.get("parameters", path=path)
    assert declared.status_code == 200, declared.text
    run = ended(person, path, prepare_only=True, parameters={"a": 2})
    assert (run["state"], run["cause"]) == ("completed", None)
    cells = json.loads((server.root / run["output_path"]).read_text())["cells"]
    assert "".join(cells[1]["source"]).splitlines()[-1] == "a = 2"
    assert kernels_of(server) == []


def on_a_gateway(new_server: StartServer, root: Path) -> Server:
    """A server whose kernels are those of another one."""
    gateway = new_server()
    settings = {"GatewayClient": {"url": gateway.url, "auth_token": gateway.token}}
    return new_server(root, settings=settings, agent_execution="allow")


def nameless(server: Server) -> str:
    """A notebook that names no kernel, below the server's root."""
    (server.root / "nameless.ipynb").write_text(json.dumps(notebook(code("one", "1 + 1"))))
    return "nameless.ipynb"


def ended(person: Client, path: str, **asked: Any) -> Json:
    """A run of the notebook, at its end."""
    created = person.post("runs", input_path=path, **asked)
    assert created.status_code == 202, created.text
    run: Json = person.get(f"runs/{created.json()['run_id']}", wait=60, until="ended").json()
    return run


def kernels_of(server: Server) -> list[str]:
    """The command lines of the kernels that the server and its runner have started."""
    lines = [" ".join(process.cmdline()) for process in server.descendants()]
    return [line for line in lines if "ipykernel" in line]
