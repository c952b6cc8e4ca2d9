"""A run's kernel is the one that the server would start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import Client
from tests.conftest import StartServer
from tests.workspaces import Workspace
from tests.written_notebooks import code

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
