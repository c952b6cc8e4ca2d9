"""Code of an agent that wants out: every attempt, as evidence of a real server, in the sandbox and outside of it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

import psutil
import pytest

from tests.clients import Client, Json
from tests.conftest import StartServer
from tests.escape_attempts import ATTEMPTS, Attempt
from tests.journeys.proposing import propose, replace
from tests.processes import process_with
from tests.sandboxes import needs_sandbox
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = [pytest.mark.requirement("BOX-2"), needs_sandbox]

NEIGHBOUR = """
import hermes_runtime as hermes
open('neighbour.txt', 'w').write('what another run keeps')
hermes.terminal('true')
"""
attempts = pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    """A server that has room for all the runs at once, and lets the neighbour wait for long."""
    return start_server(agent_execution="sandbox", max_concurrent_runs=4, approval_timeout_seconds=600)


@pytest.fixture(scope="module")
def person(server: Server) -> Iterator[Client]:
    client = Client(server.url, server.token, "token")
    yield client
    client.close()


@pytest.fixture(scope="module")
def agent(person: Client) -> Iterator[Client]:
    client = Client(person.url, person.post("agents", name="prisoner").json()["token"])
    yield client
    client.close()


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    workspace = Workspace(server.root, server.root / "work")
    (workspace.folder / "original.txt").write_text("beside the notebook")
    return workspace


@pytest.fixture(scope="module")
def targets(server: Server, workspace: Workspace) -> Iterator[Json]:
    """Everything that is worth getting at, in its place while the attempts are made."""
    marker = secrets.token_hex(8)
    home_canary = server.home / ".ssh" / "id_canary"
    home_canary.parent.mkdir()
    home_canary.write_text("a key of the person")
    with ExitStack() as places:
        victim = places.enter_context(running_process(marker))
        yield {
            "marker": f"hermes_escape_{marker}",
            "canary": f"canary-{marker}",
            "argument": f"argument-{marker}",
            "outliving": f"1000.{int(marker[:7], 16)}",
            "runtime": str(server.home / "runtime"),
            "config": str(server.home / "config" / "jupyter_server_config.json"),
            "data": str(server.home / "data"),
            "home_canary": str(home_canary),
            "original": str(workspace.folder / "original.txt"),
            "url": server.url,
            "server": server.process_id,
            "victim": victim,
            "port": places.enter_context(greeting(socket.AF_INET, ("0.0.0.0", 0)))[1],
            "addresses": own_addresses(),
            "datagram_port": places.enter_context(answering_datagrams()),
            "abstract": places.enter_context(greeting(socket.AF_UNIX, f"\0hermes-{marker}"))[1:].decode(),
            "unix_socket": places.enter_context(greeting(socket.AF_UNIX, f"/tmp/hermes_escape_{marker}.sock")),
        }
        Path(f"/tmp/hermes_escape_{marker}.sock").unlink()


@pytest.fixture(scope="module")
def neighbour(agent: Client, person: Client, workspace: Workspace) -> Iterator[None]:
    """Another sandboxed run that goes on meanwhile: it waits for a person."""
    path = workspace.write("neighbour.ipynb", code("only", "print(1)"))
    proposal = propose(agent, path, replace("only", NEIGHBOUR))
    evidence = agent.post("evidence", proposal_id=proposal["proposal_id"]).json()
    waiting = person.wait_until_there("tool_calls", lambda call: True, state="awaiting_approval")
    yield
    person.post(f"tool_calls/{waiting['tool_call_id']}/decision", decision="deny")
    agent.wait_until_ended(evidence)


@dataclass(frozen=True)
class Tried:
    """What each attempt came to, and what was seen of them from outside when the run had ended."""

    outcomes: dict[str, Json]
    written: list[str]
    outlived: bool
    is_original_as_it_was: bool
    is_victim_alive: bool


@pytest.fixture(scope="module")
def inside(workspace: Workspace, agent: Client, targets: Json, neighbour: None) -> Tried:
    """The attempts in the sandbox, where an agent's code runs by itself."""
    return tried(agent, workspace, {**targets, "is_sandboxed": True})


@pytest.fixture(scope="module")
def outside(workspace: Workspace, person: Client, targets: Json, neighbour: None, inside: Tried) -> Tried:
    """The attempts where a person had them run outside of the sandbox. They are made later: they may break things."""
    return tried(person, workspace, {**targets, "is_sandboxed": False}, sandbox=False)


@attempts
def test_nothing_is_got_in_the_sandbox(attempt: Attempt, inside: Tried) -> None:
    assert not inside.outcomes[attempt.name]["got"], inside.outcomes[attempt.name]


@attempts
def test_it_is_got_where_there_is_no_sandbox(attempt: Attempt, outside: Tried) -> None:
    if attempt.outside is not None:
        assert bool(outside.outcomes[attempt.name]["got"]) == attempt.outside, outside.outcomes[attempt.name]


def test_what_it_wrote_elsewhere_is_seen_by_nobody(inside: Tried, outside: Tried) -> None:
    assert inside.outcomes["write: into shared memory and /tmp, for others to find"]["why"] is None
    assert inside.written == []
    assert outside.written == ["/tmp", "/dev/shm"]


def test_nothing_outlives_the_run(inside: Tried) -> None:
    attempt = "processes: outlive the run, in a session of its own and under no variable of ours"
    assert inside.outcomes[attempt]["why"] is None
    assert not inside.outlived


def test_the_person_finds_everything_as_it_was(inside: Tried) -> None:
    assert inside.is_original_as_it_was
    assert inside.is_victim_alive


def tried(client: Client, workspace: Workspace, targets: Json, **fields: Any) -> Tried:
    """Have the attempts made, then look at what there is, and clean up."""
    made = outcomes(client, workspace, targets, **fields)
    left = [folder for folder in ("/tmp", "/dev/shm") if Path(folder, targets["marker"]).exists()]
    for folder in left:
        Path(folder, targets["marker"]).unlink()
    survivor = process_with(targets["outliving"])
    if survivor is not None:
        os.kill(survivor, signal.SIGKILL)
    original = Path(targets["original"])
    return Tried(
        outcomes=made,
        written=left,
        outlived=survivor is not None,
        is_original_as_it_was=original.read_text() == "beside the notebook"
        and not original.with_name(original.name + ".written").exists(),
        is_victim_alive=psutil.Process(targets["victim"]).status() != psutil.STATUS_ZOMBIE,
    )


def outcomes(client: Client, workspace: Workspace, targets: Json, **fields: Any) -> dict[str, Json]:
    """Have the attempts made, each in a cell of a proposal: what it got, and why it got nothing."""
    cells = [code("targets", "print('none yet')"), *(code(f"c{index}") for index in range(len(ATTEMPTS)))]
    path = workspace.write(f"escape-{len(fields)}.ipynb", *cells)
    operations = [replace("targets", f"import json\nT = {targets!r}")]
    operations += [replace(f"c{index}", source_of(attempt)) for index, attempt in enumerate(ATTEMPTS)]
    proposal = propose(client, path, *operations)
    asked = client.post("evidence", proposal_id=proposal["proposal_id"], **{"sandbox": True, **fields})
    evidence = client.wait_until_ended(asked)
    assert evidence["verdict"] == "green", evidence
    run_id = evidence["proposal"]["run_id"]
    written = client.get(f"proposals/{proposal['proposal_id']}").json()["evidence"][0]
    assert written["sandboxed"] == targets["is_sandboxed"]
    answer = client.get(f"runs/{run_id}/notebook")
    assert answer.ok, answer.text
    printed = {cell["id"]: last_line(cell) for cell in answer.json()["notebook"]["cells"]}
    return {attempt.name: json.loads(printed[f"c{index}"]) for index, attempt in enumerate(ATTEMPTS)}


def source_of(attempt: Attempt) -> str:
    """The cell: what fails got nothing, and says why."""
    return "\n".join(
        [
            "got, why = None, None",
            "try:",
            indent(attempt.source.strip(), "    "),
            "except BaseException as error:",
            "    got, why = None, repr(error)",
            "print()",
            "print(json.dumps({'got': got, 'why': why}))",
        ]
    )


def last_line(cell: Json) -> str:
    outputs = [output for output in cell["outputs"] if output.get("name") == "stdout"]
    text = "".join("".join(output["text"]) for output in outputs)
    return text.strip().splitlines()[-1] if text.strip() else "null"


@contextmanager
def running_process(marker: str) -> Iterator[int]:
    """A process of the same user, with secrets in its environment and among its arguments."""
    waits = [sys.executable, "-c", "import sys; sys.stdin.read()", f"argument-{marker}"]
    environment = {**os.environ, "SECRET": f"canary-{marker}"}
    process = subprocess.Popen(waits, env=environment, stdin=subprocess.PIPE, start_new_session=True)
    with process:
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def greeting(family: socket.AddressFamily, address: Any) -> Iterator[Any]:
    """Somebody who says hello to whoever connects; the address that is listened at."""
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()
        thread = threading.Thread(target=answer_all, args=(listener.accept, lambda met: met[0].sendall(b"hello")))
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def answering_datagrams() -> Iterator[int]:
    """Somebody who answers datagrams; the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.2)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    _, sender = listener.recvfrom(10)
                    listener.sendto(b"hello", sender)
                except TimeoutError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        thread.join()


def answer_all(
    accept: Callable[[], tuple[socket.socket, Any]], greet: Callable[[tuple[socket.socket, Any]], Any]
) -> None:
    """Until nobody can come any more."""
    while True:
        try:
            met = accept()
        except OSError:
            return
        with met[0]:
            greet(met)


def own_addresses() -> list[str]:
    """Those by which other machines know this one."""
    every = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    return [each.address for each in every if each.family == socket.AF_INET and not each.address.startswith("127.")]
