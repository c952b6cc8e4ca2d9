"""Following a run: every change of it as a server-sent event, from any place on, in any server's lifetime."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.clients import Client, error
from tests.conftest import StartServer
from tests.servers import Server
from tests.streams import events, followed, lines, stream
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("RUN-16")

WAIT_FOR_GO = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)"
SIX = [code(f"c{number}", f"x = {number}") for number in range(6)]


def test_a_run_is_followed_from_its_first_change_to_its_end(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("first", "1"), code("waits", WAIT_FOR_GO), code("last", "2"))
    run = agent.post("runs", input_path=path).json()
    told = []
    with stream(agent, run["run_id"]) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Accel-Buffering"] == "no"
        for event in events(answer):
            told.append(event)
            if event.data["cells"] and event.data["cells"][0] | {"state": "running"} == event.data["cells"][0]:
                (workspace.folder / "go").touch()  # it is told while the run goes on, or this would never end
    ended = agent.get(f"runs/{run['run_id']}").json()

    kinds = [event.event for event in told if event.event != "queued"]
    assert (kinds[0], set(kinds[1:-1]), kinds[-1]) == ("started", {"progressed"}, "ended")
    assert [int(event.id) for event in told] == list(range(1, ended["version"] + 1))
    assert all(event.data["sequence"] == int(event.id) for event in told)
    cells: dict[str, str] = {}
    for event in told:
        cells.update({cell["cell_id"]: cell["state"] for cell in event.data["cells"]})
    assert cells == {"first": "completed", "waits": "completed", "last": "completed"}
    assert (told[-1].data["state"], told[-1].data["progress"]) == (ended["state"], ended["progress"])


def test_a_run_that_ended_long_ago_is_told_from_its_beginning(agent: Client, workspace: Workspace) -> None:
    run = agent.wait_until_ended(agent.post("runs", input_path=workspace.write("report.ipynb", *SIX)))
    told = followed(agent, run["run_id"])
    assert [int(event.id) for event in told] == list(range(1, run["version"] + 1))
    assert told[-1].event == "ended"


@pytest.mark.parametrize("place", ["query", "header", "both"])
def test_whoever_lost_the_connection_goes_on_where_it_was(agent: Client, workspace: Workspace, place: str) -> None:
    run = agent.wait_until_ended(agent.post("runs", input_path=workspace.write("report.ipynb", *SIX)))
    all_of_it = followed(agent, run["run_id"])
    seen = 4
    query = {"query": {"after": seen}, "header": {}, "both": {"after": 1}}[place]
    headers = {} if place == "query" else {"Last-Event-ID": str(seen)}
    with stream(agent, run["run_id"], headers, **query) as answer:
        assert list(events(answer)) == all_of_it[seen:]


def test_where_nothing_is_left_to_tell_a_browser_is_told_not_to_ask_again(agent: Client, workspace: Workspace) -> None:
    run = agent.wait_until_ended(agent.post("runs", input_path=workspace.write("report.ipynb", *SIX)))
    with stream(agent, run["run_id"], after=run["version"]) as answer:
        assert (answer.status_code, answer.content) == (204, b"")


def test_a_quiet_run_is_told_to_be_alive(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("waits", WAIT_FOR_GO))
    run = agent.post("runs", input_path=path).json()
    place = f"runs/{run['run_id']}"
    running = agent.wait_until(place, lambda now: bool(now["cells"]) and now["cells"][0]["state"] == "running")
    with stream(agent, run["run_id"], after=running["version"]) as answer:
        heard = [line for line, _ in zip(lines(answer), range(3), strict=False)]  # the second one after 15 s
    (workspace.folder / "go").touch()
    assert heard == [": nothing new", "", ": nothing new"]
    agent.wait_until_ended(run)


def test_a_reader_that_reads_nothing_for_long_gets_all_of_it(
    agent: Client, server: Server, workspace: Workspace
) -> None:
    path = workspace.write("report.ipynb", *[code(f"c{number}", "pass") for number in range(300)])
    run = agent.post("runs", input_path=path).json()
    address = urlsplit(server.url)
    request = f"GET /hermes/api/runs/{run['run_id']}/events HTTP/1.0\r\nAuthorization: Bearer {agent.token}\r\n\r\n"
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with slow:
        slow.connect((str(address.hostname), int(address.port or 0)))
        slow.sendall(request.encode())
        ended = agent.wait_until_ended(run)
        slow.settimeout(30)
        received = b""
        while piece := slow.recv(65536):
            received += piece
    numbers = [int(line.split()[1]) for line in received.splitlines() if line.startswith(b"id: ")]
    assert numbers == list(range(1, ended["version"] + 1))


def test_a_reader_that_goes_away_is_forgotten_and_the_run_goes_on(agent: Client, workspace: Workspace) -> None:
    run = agent.post("runs", input_path=workspace.write("report.ipynb", code("waits", WAIT_FOR_GO))).json()
    for _ in range(3):
        with stream(agent, run["run_id"]) as answer:
            next(events(answer))
    (workspace.folder / "go").touch()
    assert agent.wait_until_ended(run)["state"] == "completed"


@pytest.mark.requirement("AUTH-4")
def test_a_stream_does_not_outlive_its_readers_token(
    person: Client, issue_agent: Callable[..., Client], workspace: Workspace
) -> None:
    agent = issue_agent()
    run = agent.post("runs", input_path=workspace.write("report.ipynb", code("waits", WAIT_FOR_GO))).json()
    with stream(agent, run["run_id"]) as answer:
        told = events(answer)
        assert next(told).data["run_id"] == run["run_id"]
        (issued,) = [
            each for each in person.get("agents", limit=200).json()["items"] if each["name"] == agent_name(run)
        ]
        person.delete(f"agents/{issued['agent_id']}")
        assert [event.event for event in told if event.event == "ended"] == []
    assert person.get(f"runs/{run['run_id']}").json()["state"] == "running"
    (workspace.folder / "go").touch()
    person.wait_until_ended(run)


class TestAfterACrash:
    @pytest.fixture
    def server(self, new_server: StartServer) -> Server:
        return new_server()

    def test_the_events_of_a_run_that_the_server_did_not_survive_end_too(
        self, server: Server, agent: Client, clients: Callable[..., Client], workspace: Workspace
    ) -> None:
        path = workspace.write("report.ipynb", code("first", "1"), code("waits", WAIT_FOR_GO))
        run = agent.post("runs", input_path=path).json()
        agent.wait_until(f"runs/{run['run_id']}", lambda now: now["progress"]["cells_done"] == 1)
        server.crash()
        assert server.wait_until_alone() == []
        server.start()
        told = followed(clients(server.url, agent.token), run["run_id"])
        assert (told[-1].event, told[-1].data["cause"]) == ("ended", "interrupted")
        assert [int(event.id) for event in told] == list(range(1, len(told) + 1))


def test_a_wait_for_the_end_is_not_over_before(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", *SIX)
    run = agent.post("runs", input_path=path).json()
    ended = agent.get(f"runs/{run['run_id']}", wait=60, until="ended").json()
    assert ended["state"] == "completed"
    assert error(agent.get("runs/nothing", wait=60, until="ended")) == (404, "no_such_run")


def agent_name(run: dict[str, dict[str, str]]) -> str:
    """Of the agent that made the run."""
    return run["author"]["name"]
