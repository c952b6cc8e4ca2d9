"""Faults that show through a door alone: of the notebook, the disk, the server, and of two who want the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import Client
from tests.conftest import StartServer
from tests.faults.doors import through_a_server, through_the_command
from tests.faults.fault import Fault
from tests.faults.outcome import differences
from tests.faults.scene import Scene
from tests.faults.table import FAULTS, kills_the_server
from tests.servers import Server

pytestmark = pytest.mark.requirement("FAULT-1", "FAULT-5")


@pytest.mark.parametrize("fault", [row for row in FAULTS if row.door == "command"], ids=str)
def test_the_command_ends_as_the_table_says(fault: Fault, scene: Scene) -> None:
    asked_at = time.time()
    outcome = through_the_command(fault, scene)
    assert "\n".join(differences(fault.expected, outcome, scene, asked_at=asked_at)) == ""
    assert scene.input.read_text() == fault.file


@pytest.mark.parametrize(
    "fault", [row for row in FAULTS if row.door == "server" and row.strikes is not kills_the_server], ids=str
)
def test_the_server_answers_as_the_table_says(fault: Fault, server: Server, person: Client, tmp_path: Path) -> None:
    scene = Scene(server.root / tmp_path.name, fault.output)
    asked_at = time.time()
    outcome = through_a_server(fault, scene, person, server.root)
    assert "\n".join(differences(fault.expected, outcome, scene, asked_at=asked_at)) == ""


@pytest.mark.parametrize("fault", [row for row in FAULTS if row.strikes is kills_the_server], ids=str)
def test_a_server_that_was_killed_knows_after_its_restart(
    fault: Fault, new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    server = new_server()
    scene = Scene(server.root / tmp_path.name, fault.output)
    client = clients(server.url, server.token, "token")

    def restart() -> None:
        server.crash()
        scene.until(lambda: not scene.alive())
        server.start()
        client.url = server.url

    scene.restart = restart
    asked_at = time.time()
    outcome = through_a_server(fault, scene, client, server.root)
    assert "\n".join(differences(fault.expected, outcome, scene, asked_at=asked_at)) == ""
