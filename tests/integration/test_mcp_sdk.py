"""The official MCP SDK as a client, in an environment of its own: the SDK cannot share one with JupyterLab's others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.clients import Client
from tests.mcp_calls import tool_names
from tests.servers import CHECKOUT
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("MCP-3")

SDK = "mcp>=2.3,<3"
ENVIRONMENT = CHECKOUT / ".cache" / f"mcp-client-{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="session")
def sdk_python() -> Path:
    """The interpreter of the SDK's environment, which is made once and kept."""
    python = Path("bin", "python")
    if not (ENVIRONMENT / python).exists():
        ENVIRONMENT.parent.mkdir(exist_ok=True)
        # Made beside its place and then renamed: another test session may make it too.
        made = Path(tempfile.mkdtemp(dir=ENVIRONMENT.parent))
        subprocess.run([sys.executable, "-m", "venv", made], check=True)
        subprocess.run([made / python, "-m", "pip", "install", "--quiet", SDK], check=True)
        try:
            made.rename(ENVIRONMENT)
        except OSError:
            shutil.rmtree(made)
    return ENVIRONMENT / python


@pytest.mark.parametrize(("mode", "revision"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_the_sdk_lists_and_calls_the_tools_in_either_era_of_the_protocol(
    sdk_python: Path, agent: Client, workspace: Workspace, mode: str, revision: str
) -> None:
    path = workspace.write("n.ipynb", code("only", "print(1)"))
    script = Path(__file__).parents[1] / "mcp_sdk_client.py"
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(
        [sdk_python, script, f"{agent.url}/hermes/mcp", str(agent.token), mode, path],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "server": "hermes_lab",
        "revision": revision,
        "tools": tool_names(agent),
        "cells": ["only"],
        "run": "completed",
        "refused": [True, "no_such_notebook"],
    }
