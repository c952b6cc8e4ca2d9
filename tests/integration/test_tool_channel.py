"""The Unix socket through which sandboxed kernels call tools: those routes, for kernels, and nothing else."""

from __future__ import annotations

import json
import os
import stat
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from hermes_runtime.unix import UnixConnection
from tests.clients import SECONDS, Client, Json
from tests.conftest import StartServer
from tests.journeys.proposing import propose, replace
from tests.kernels import Kernel
from tests.sandboxes import needs_sandbox
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("BOX-3")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NOT_THERE = (
    *("/", "/login", "/lab", "/static/favicon.ico", "/favicon.ico", "/robots.txt", "/metrics", "/api", "/api/status"),
    *("/api/contents", "/api/sessions", "/api/kernels", "/api/terminals", "/files/check.ipynb", "/hermes/mcp"),
    *("/hermes/api/runs", "/hermes/api/proposals", "/hermes/api/agents", "/hermes/api/openapi.json"),
    *("/hermes/api/tool_calls/x/decision", "/hermes/api/tool_calls/../runs", "//hermes/api/runs"),
)


@pytest.fixture
def socket(server: Server) -> Path:
    """Where the server listens."""
    return socket_of(server)


def socket_of(server: Server) -> Path:
    """The socket on which a server answers kernels."""
    connections = psutil.Process(server.process_id).net_connections(kind="unix")
    (found,) = {connection.laddr for connection in connections if connection.laddr.endswith("tools.sock")}
    return Path(found)


@pytest.fixture
def kernel_token(kernel: Kernel) -> str:
    return kernel.run("import os; print(os.environ['HERMES_LAB_KERNEL_TOKEN'])")


def ask(socket: Path, method: str, path: str, authorization: str = "", body: Json | None = None) -> tuple[int, Json]:
    """What is answered on the socket, with its status."""
    with closing(UnixConnection(str(socket))) as connection:
        connection.timeout = SECONDS
        connection.request(method, path, json.dumps(body) if body else None, {"Authorization": authorization})
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content else {}


def test_a_kernel_calls_tools_on_the_socket(socket: Path, kernel_token: str, workspace: Workspace) -> None:
    (workspace.folder / "hosts.txt").write_text("alpha\n")
    call = {"tool": "read_file", "arguments": {"path": "hosts.txt"}, "wait": 30}
    status, answer = ask(socket, "POST", "/hermes/api/tool_calls", f"Bearer {kernel_token}", call)
    assert (status, answer["result"]["content"]) == (202, "1|alpha")
    again = ask(socket, "GET", f"/hermes/api/tool_calls/{answer['tool_call_id']}", f"Bearer {kernel_token}")
    assert again == (200, answer)
    status, listed = ask(socket, "GET", "/hermes/api/tool_calls", f"Bearer {kernel_token}")
    assert (status, [each["tool_call_id"] for each in listed["items"]]) == (200, [answer["tool_call_id"]])


def test_nobody_else_is_answered_there(socket: Path, server: Server, agent: Client) -> None:
    for authorization in ("", f"token {server.token}", f"Bearer {agent.token}", "Bearer hermes_kernel_guessed"):
        status, answer = ask(socket, "GET", "/hermes/api/tool_calls", authorization)
        assert (status, answer["code"]) in {(403, "only_kernels_call"), (403, "invalid_token")}, authorization


def test_nothing_else_of_the_server_is_there(socket: Path, server: Server, kernel_token: str) -> None:
    for authorization in (f"token {server.token}", f"Bearer {kernel_token}"):
        asked = {
            (method, path): ask(socket, method, path, authorization)[0] for path in NOT_THERE for method in METHODS
        }
        assert {request: status for request, status in asked.items() if status != 404} == {}


def test_only_the_servers_user_reaches_the_socket(socket: Path) -> None:
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_a_server_removes_the_socket_of_one_that_was_killed(new_server: StartServer) -> None:
    killed, living = new_server(), new_server()
    dead, alive = socket_of(killed), socket_of(living)
    killed.crash()
    for file in (dead, alive):
        os.utime(file, (0, 0))  # they are old
    new_server()
    assert (dead.parent.exists(), alive.exists()) == (False, True)


@needs_sandbox
class TestFromASandbox:
    @pytest.fixture
    def server(self, sandboxing_server: Server) -> Server:
        return sandboxing_server

    def test_a_cell_reads_its_scratch_copy_and_asks_a_person_for_a_command(
        self, agent: Client, person: Client, workspace: Workspace
    ) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        (workspace.folder / "input.txt").write_text("beside the notebook")
        source = [
            "import hermes_runtime as hermes",
            "print(hermes.read_file('input.txt')['content'])",
            f"print(hermes.read_file({str(workspace.folder / 'input.txt')!r})['error'])",
            "print(hermes.terminal('echo from outside')['output'])",
        ]
        proposal = propose(agent, path, replace("only", "\n".join(source)))
        evidence = agent.post("evidence", proposal_id=proposal["proposal_id"]).json()
        assert (evidence["awaiting_approval"], evidence["sandboxed"]) == (False, True)
        running = person.wait_until(f"evidence/{evidence['evidence_id']}", lambda now: now["proposal"] is not None)
        kernel_id = running["proposal"]["run_id"]
        call = person.wait_until_there(
            "tool_calls", lambda call: call["kernel_id"] == kernel_id, state="awaiting_approval"
        )
        assert call["arguments"]["command"] == "echo from outside"
        person.post(f"tool_calls/{call['tool_call_id']}/decision", decision="allow", digest=call["digest"])

        ended = agent.wait_until_ended(evidence)

        assert ended["verdict"] == "green", ended
        assert person.get(f"runs/{kernel_id}").json()["sandboxed"] is True
        notebook = person.get(f"runs/{kernel_id}/notebook").json()["notebook"]
        printed = "".join(output["text"] for output in notebook["cells"][0]["outputs"] if output["name"] == "stdout")
        assert printed.splitlines()[0] == "1|beside the notebook"
        assert "leads out of" in printed.splitlines()[1]
        assert printed.splitlines()[2] == "from outside"
