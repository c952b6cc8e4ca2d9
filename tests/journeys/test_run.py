"""Journey 1: a notebook is run with parameters, and its output is on disk whatever happened."""

from __future__ import annotations

import pytest

from tests.clients import Client
from tests.workspaces import Workspace
from tests.written_notebooks import code


@pytest.mark.requirement("RUN-1")
def test_an_agent_runs_a_notebook_with_parameters(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("params", "n = 1", tags=["parameters"]), code("show", "print(n * 2)"))
    run = agent.wait_until_ended(agent.post("runs", input_path=path, parameters={"n": 21}))
    assert run["state"] == "completed", run
