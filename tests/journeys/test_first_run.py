"""The first run after a server's start: what it needs for the first time was made ready before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import Client
from tests.conftest import StartServer
from tests.servers import NOT_NEEDED
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("RUN-30")

_MOST_SECONDS = 0.1
WATCHED_LOOP = f"""
import time
from pathlib import Path
from tornado.ioloop import IOLoop, PeriodicCallback

def tick():
    # Processor time: what others do on this machine is not the server's fault.
    now = time.thread_time()
    if now - tick.before > 0.02:
        with Path("held.txt").open("a") as file:
            print(now - tick.before, file=file)
    tick.before = now

def hold():
    # The first that is noticed; what was before the loop ran does not count.
    tick.before = time.thread_time()
    while time.thread_time() - tick.before <= {_MOST_SECONDS}:
        pass

def _jupyter_server_extension_points():
    return [dict(module="watched_loop")]

def _load_jupyter_server_extension(server):
    IOLoop.current().add_callback(hold)
    IOLoop.current().add_callback(PeriodicCallback(tick, 5).start)
"""


def held(root: Path) -> list[float]:
    """How much processor time whatever held up the server's event loop took, each time, in seconds."""
    file = root / "held.txt"
    return [float(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_the_first_run_after_a_start_holds_up_nobody(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    (tmp_path / "watched_loop.py").write_text(WATCHED_LOOP)  # the server imports from the folder that it starts in
    extensions = {**NOT_NEEDED, "hermes_lab": True, "watched_loop": True}
    server = new_server(tmp_path, settings={"ServerApp": {"jpserver_extensions": extensions}})
    person = clients(server.url, server.token, "token")
    path = Workspace(server.root, server.root / "work").write("first.ipynb", code("first", "1 + 1"))
    before = len(held(server.root))
    assert before > 0, "the loop was held up, and nobody noticed"
    assert held(server.root)[0] > _MOST_SECONDS
    created = person.post("runs", input_path=path)
    assert created.status_code == 202, created.text
    run = person.get(f"runs/{created.json()['run_id']}", wait=60, until="ended").json()
    assert run["state"] == "completed"
    assert [seconds for seconds in held(server.root)[before:] if seconds > _MOST_SECONDS] == []
