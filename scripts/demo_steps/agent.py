"""The example agent, which knows nothing of the demo: it gets an address and a token."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo_steps.console import note, step
from demo_steps.server import JupyterLab


@contextmanager
def started_agent(python: Path, client: Path, server: JupyterLab, token: str) -> Iterator[subprocess.Popen[str]]:
    """The example agent, for as long as the block lasts."""
    step("starting the agent")
    child = subprocess.Popen(
        [str(python), "-I", str(client)],
        env=os.environ | {"HERMES_URL": server.url, "HERMES_AGENT_TOKEN": token, "NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def issue_token(server: JupyterLab) -> str:
    """A token for the agent, issued in the person's name."""
    issued = server.request("POST", "agents", {"name": "fleet-agent"})
    return str(issued["token"])


def lines_of(child: subprocess.Popen[str]) -> Iterator[str]:
    """What the agent prints, shown and given line by line until it ends."""
    assert child.stdout is not None
    for line in child.stdout:
        note(line.rstrip())
        yield line
