"""A server that dies in the middle of a merge: after the next start the document holds all of it, or none."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import requests

from tests.clients import Client
from tests.conftest import StartServer
from tests.journeys.proposing import merge, propose, replace, review
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

# Jupyter calls the hook when the merge is journalled and the save begins.
DIES_IN_SAVE = """
import os, signal

def die(path, contents_manager, **_):
    if os.path.exists("tear"):
        file = os.path.join(contents_manager.root_dir, path)
        whole = open(file, "rb").read()
        open(file, "wb").write(whole[: whole.index(b"\\xc3") + 1])
    os.kill(os.getpid(), signal.SIGKILL)
"""
ACCEPTED = {"only": "print('better')", "other": "print('ä')"}


class DyingServer:
    """A server that is killed by its next save, and lives again after `revive`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._settings = server.home / "config" / "jupyter_server_config.json"
        self._healthy = self._settings.read_text()
        (server.root / "dies_in_save.py").write_text(DIES_IN_SAVE)
        server.stop()
        hook = {"FileContentsManager": {"pre_save_hook": "dies_in_save.die"}}
        self._settings.write_text(json.dumps(json.loads(self._healthy) | hook))
        server.start()

    def revive(self) -> None:
        self._server.crash()
        self._settings.write_text(self._healthy)
        self._server.start()


@pytest.fixture
def server(new_server: StartServer) -> Server:
    return new_server()


@pytest.fixture
def dying(server: Server) -> DyingServer:
    return DyingServer(server)


@pytest.fixture
def people(dying: DyingServer, server: Server, agent: Client, clients: Callable[..., Client]) -> Callable[[], Client]:
    """The person at the server as it runs now: a restart gives it another address."""
    return lambda: clients(server.url, server.token, "token")


@pytest.fixture
def accepted(dying: DyingServer, agent: Client, people: Callable[[], Client], workspace: Workspace) -> dict[str, str]:
    """A proposal of which one change is accepted."""
    cells = code("only", "print(1)"), code("other", "print(2)")
    path = workspace.write("report.ipynb", *cells)
    # As Jupyter writes it: not ASCII alone.
    (workspace.folder / "report.ipynb").write_text(workspace.bytes("report.ipynb").decode().replace("(2)", "('ä')"))
    proposal = propose(agent, path, replace("only", "print('better')"), replace("other", "print('worse')"))
    review(people(), proposal, {"only": "accept", "other": "reject"})
    return proposal


def die_in_the_merge(person: Client, proposal: dict[str, str], key: str | None = None) -> None:
    with pytest.raises(requests.ConnectionError):
        person.post(f"proposals/{proposal['proposal_id']}/merge", key=key)


@pytest.mark.requirement("MERGE-7")
@pytest.mark.parametrize("tear", [False, True], ids=["before the file was touched", "with half of the file written"])
def test_a_merge_that_was_cut_off_is_completed_at_the_next_start(
    dying: DyingServer,
    server: Server,
    people: Callable[[], Client],
    workspace: Workspace,
    accepted: dict[str, str],
    tear: bool,
) -> None:
    if tear:
        (server.root / "tear").touch()
    die_in_the_merge(people(), accepted)
    dying.revive()

    there = people().get(f"proposals/{accepted['proposal_id']}").json()
    assert (there["state"], there["merge"]["applied"]) == ("merged", ["only"])
    assert workspace.sources("report.ipynb") == ACCEPTED


@pytest.mark.requirement("MERGE-7", "API-2")
def test_whoever_asks_again_for_a_merge_that_was_completed_gets_that_one(
    dying: DyingServer, people: Callable[[], Client], accepted: dict[str, str]
) -> None:
    die_in_the_merge(people(), accepted, key="once")
    dying.revive()
    merged = people().post(f"proposals/{accepted['proposal_id']}/merge", key="once")
    assert (merged.status_code, merged.json()["state"]) == (200, "merged"), merged.text
    assert [each["applied"] for each in merged.json()["merges"]] == [["only"]]


@pytest.mark.requirement("MERGE-7")
def test_a_document_that_somebody_wrote_meanwhile_is_left_alone(
    dying: DyingServer, people: Callable[[], Client], workspace: Workspace, accepted: dict[str, str]
) -> None:
    die_in_the_merge(people(), accepted)
    workspace.write("report.ipynb", code("only", "print(1)"), code("other", "print(2)"), code("mine", "print(3)"))
    dying.revive()

    there = people().get(f"proposals/{accepted['proposal_id']}").json()
    assert (there["state"], there["merge"]) == ("open", None)
    assert workspace.sources("report.ipynb") == {"only": "print(1)", "other": "print(2)", "mine": "print(3)"}
    merge(people(), accepted)
    assert workspace.sources("report.ipynb") == ACCEPTED | {"other": "print(2)", "mine": "print(3)"}
