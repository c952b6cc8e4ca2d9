"""A server that starts where something is slow or broken answers requests."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.clients import Client
from tests.conftest import StartServer
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("RUN-31")

KERNELS_THAT_NEVER_COME = """
import asyncio
from jupyter_client.kernelspec import KernelSpecManager

class KernelsThatNeverCome(KernelSpecManager):
    async def get_all_specs(self):
        print("asked for kernels", flush=True)
        await asyncio.Event().wait()
"""


def test_a_kernel_spec_manager_that_never_answers_keeps_no_other_request_waiting_and_no_server_from_ending(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(KERNELS_THAT_NEVER_COME)  # the server imports from the folder that it starts in
    server = new_server(tmp_path, settings={"ServerApp": {"kernel_spec_manager_class": "slow.KernelsThatNeverCome"}})
    assert clients(server.url, server.token, "token").get("runs").status_code == 200
    assert "asked for kernels" in server.end_of_log()
    assert server.stop() == []


def test_an_import_that_fails_ahead_of_its_use_is_logged_and_the_server_runs_notebooks(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    package = tmp_path / "IPython"
    package.mkdir()
    (package / "__init__.py").write_text("raise AttributeError('half upgraded')")
    server = new_server(tmp_path)
    assert "half upgraded" in server.end_of_log()
    shutil.rmtree(package)
    person = clients(server.url, server.token, "token")
    path = Workspace(server.root, server.root / "work").write("one.ipynb", code("one", "1 + 1"))
    created = person.post("runs", input_path=path)
    assert created.status_code == 202, created.text
    assert person.get(f"runs/{created.json()['run_id']}", wait=60, until="ended").json()["state"] == "completed"


def test_a_start_that_fails_is_told_to_whoever_asks(new_server: StartServer, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    server = new_server(db_url=f"sqlite:///{store}")
    server.crash()
    server.wait_until_alone()
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("drop table writes")
        connection.commit()
    with pytest.raises(RuntimeError, match=r"hermes_lab answers 503: .*no such table.*not_started"):
        server.start()
