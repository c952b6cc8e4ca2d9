"""hermes_runtime in a real kernel of a real server: from the cell to the person and back."""

from __future__ import annotations

import ast
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients import Client, error
from tests.kernels import IMPORT, WAITING, Cell, Kernel
from tests.workspaces import Workspace
from tests.written_notebooks import code


@pytest.fixture
def token_of(clients: Callable[..., Client]) -> Callable[[Kernel], Client]:
    """Whoever holds the token of a kernel: its own code, or what it gave the token to."""

    def client(kernel: Kernel) -> Client:
        url, token = kernel.run(
            "import os; print(os.environ['HERMES_LAB_URL'], os.environ['HERMES_LAB_KERNEL_TOKEN'])"
        ).split()
        return clients(url.rstrip("/"), token)

    return client


def asked(person: Client, kernel: Kernel) -> dict[str, Any]:
    """The tool call of the kernel that waits for the person."""
    waiting = person.get("tool_calls", state="awaiting_approval").json()["items"]
    (call,) = [call for call in waiting if call["kernel_id"] == kernel.kernel_id]
    found: dict[str, Any] = call
    return found


def begin_waiting(kernel: Kernel, command: str, **request: Any) -> Cell:
    """A cell that calls the terminal and waits for the person."""
    cell = kernel.begin(IMPORT + f"print(hermes.terminal({command!r}))", **request)
    return kernel.until(cell, WAITING)


@pytest.mark.requirement("TOOL-1")
def test_a_cell_reads_a_file_beside_its_notebook_without_asking(kernel: Kernel, workspace: Workspace) -> None:
    (workspace.folder / "hosts.txt").write_text("alpha\nbeta\n")
    answer = ast.literal_eval(kernel.run(IMPORT + "print(hermes.read_file('hosts.txt', limit=1))"))
    assert answer["content"] == "1|alpha"
    assert answer["total_lines"] == 2


def test_the_kernel_imports_the_module_from_a_folder_that_holds_only_it(kernel: Kernel) -> None:
    folder = kernel.run(IMPORT + "print(os.path.dirname(os.path.dirname(hermes.__file__)))")
    assert kernel.run(f"import os; print(os.listdir({folder!r}))") == "['hermes_runtime']"


def test_a_path_out_of_the_root_is_an_answer_with_an_error(kernel: Kernel) -> None:
    answer = kernel.run(IMPORT + "print(hermes.read_file('/etc/passwd')['error'])")
    assert answer == "'/etc/passwd' leads out of the root folder."


@pytest.mark.requirement("TOOL-2")
def test_a_command_waits_in_the_cell_until_the_person_allows_it(
    kernel: Kernel, person: Client, workspace: Workspace
) -> None:
    cell = begin_waiting(kernel, "echo done; pwd", cell_id="cell-7")
    assert (
        cell.stderr
        == f"{WAITING}terminal('echo done; pwd', timeout=180, background=False) (for 120 s at most, in JupyterLab)\n"
    )
    call = asked(person, kernel)
    assert (call["reported_cell_id"], call["path"]) == ("cell-7", workspace.path("check.ipynb"))
    decided = person.post(f"tool_calls/{call['tool_call_id']}/decision", decision="allow", digest=call["digest"])
    assert (decided.status_code, decided.json()["decided_by"]["kind"]) == (200, "human")
    kernel.end(cell)
    assert ast.literal_eval(cell.stdout) == {
        "output": f"done\n{workspace.folder}\n",
        "exit_code": 0,
        "error": None,
    }


@pytest.mark.requirement("TOOL-3")
def test_the_reason_of_a_denial_reaches_the_cell(kernel: Kernel, person: Client, workspace: Workspace) -> None:
    cell = begin_waiting(kernel, "touch here")
    call = asked(person, kernel)
    person.post(f"tool_calls/{call['tool_call_id']}/decision", decision="deny", reason="not on a Friday")
    assert kernel.end(cell).error == ("ToolDenied", "not on a Friday")
    assert not (workspace.folder / "here").exists()


def test_a_shut_down_kernel_takes_its_waiting_call_along(kernel: Kernel, person: Client) -> None:
    begin_waiting(kernel, "ls")
    call = asked(person, kernel)
    kernel.shut_down()
    ended = person.get(f"tool_calls/{call['tool_call_id']}").json()
    assert ended["state"] == "expired"


def test_another_kernels_token_does_not_reach_the_call(
    kernel: Kernel, start_kernel: Callable[..., Kernel], token_of: Callable[[Kernel], Client], person: Client
) -> None:
    other = token_of(start_kernel("other.ipynb"))
    begin_waiting(kernel, "ls")
    call = asked(person, kernel)
    assert error(other.get(f"tool_calls/{call['tool_call_id']}")) == (404, "no_such_tool_call")
    assert other.get("tool_calls").json()["items"] == []
    decision = other.post(f"tool_calls/{call['tool_call_id']}/decision", decision="allow")
    assert decision.status_code == 403


def test_a_kernel_cannot_allow_its_own_call(kernel: Kernel, token_of: Callable[[Kernel], Client]) -> None:
    client = token_of(kernel)
    call = client.post("tool_calls", tool="terminal", arguments={"command": "ls"}).json()
    assert call["state"] == "awaiting_approval"
    answer = client.post(f"tool_calls/{call['tool_call_id']}/decision", decision="allow")
    assert error(answer) == (403, "missing_scope")


@pytest.mark.parametrize("path", ["/hermes/api/runs", "/hermes/api/notebooks?path=check.ipynb", "/api/contents"])
@pytest.mark.requirement("AUTH-6")
def test_a_kernels_token_is_good_for_tool_calls_alone(
    kernel: Kernel, token_of: Callable[[Kernel], Client], path: str
) -> None:
    assert token_of(kernel).request("GET", path).status_code == 403


@pytest.mark.requirement("AUTH-6")
def test_the_token_outlives_a_restart_and_dies_with_the_kernel(
    kernel: Kernel, token_of: Callable[[Kernel], Client]
) -> None:
    client = token_of(kernel)
    kernel.restart()
    assert token_of(kernel).token == client.token
    assert client.get("tool_calls").status_code == 200
    kernel.shut_down()
    assert error(client.get("tool_calls")) == (403, "invalid_token")


def test_arguments_that_the_tool_does_not_take_are_an_answer_with_an_error(kernel: Kernel) -> None:
    assert "timeout" in kernel.run(IMPORT + "print(hermes.terminal('ls', timeout=601)['error'])")
    assert "path" in kernel.run(IMPORT + "print(hermes.read_file('')['error'])")


def test_a_token_that_is_not_accepted_says_what_to_do(kernel: Kernel) -> None:
    cell = kernel.end(
        kernel.begin(
            IMPORT + "os.environ['HERMES_LAB_KERNEL_TOKEN'] = 'hermes_kernel_wrong'\nhermes.read_file('check.ipynb')"
        )
    )
    assert cell.error is not None
    assert cell.error[0] == "NoServer"
    assert "restart the kernel" in cell.error[1]


def test_a_server_that_is_gone_says_what_to_do(kernel: Kernel) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        cell = kernel.end(
            kernel.begin(
                IMPORT + f"os.environ['HERMES_LAB_URL'] = 'http://127.0.0.1:{port}/'\nhermes.web_search('fleet')"
            )
        )
    assert cell.error is not None
    assert cell.error[0] == "NoServer"
    assert "does not answer" in cell.error[1]


def test_threads_and_forked_children_call_at_the_same_time(kernel: Kernel, workspace: Workspace) -> None:
    for number in range(12):
        (workspace.folder / f"{number}.txt").write_text(f"content {number}")
    program = IMPORT + (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def read(number): return hermes.read_file(f'{number}.txt')['content']\n"
        "print(read(0))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if read(1) == '1|content 1' else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "with ThreadPoolExecutor(6) as pool:\n"
        "    print(list(pool.map(read, range(12))) == [f'1|content {n}' for n in range(12)])\n"
    )
    assert kernel.run("import warnings; warnings.simplefilter('ignore')\n" + program) == "1|content 0\nTrue"


class LosingProxy:
    """Stands before the server and loses the first answer: the request arrived, its answer never does."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{parts.path}/"
        self.lost = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(self._server)
            threading.Thread(target=self._pump, args=(client, upstream), daemon=True).start()
            threading.Thread(target=self._answer, args=(upstream, client), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with target:
            while content := source.recv(65536):
                target.sendall(content)

    def _answer(self, source: socket.socket, target: socket.socket) -> None:
        with target:
            if not self.lost:
                source.recv(1)
                self.lost += 1
                target.shutdown(socket.SHUT_RDWR)
                return
            while content := source.recv(65536):
                target.sendall(content)

    def close(self) -> None:
        self._listener.close()


def test_a_call_whose_answer_was_lost_is_asked_again_and_runs_once(
    kernel: Kernel, person: Client, workspace: Workspace
) -> None:
    with closing(LosingProxy(person.url)) as proxy:
        kernel.run(IMPORT + f"os.environ['HERMES_LAB_URL'] = {proxy.url!r}")
        cell = begin_waiting(kernel, "echo once >> log")
        call = asked(person, kernel)
        person.post(f"tool_calls/{call['tool_call_id']}/decision", decision="allow")
        assert kernel.end(cell).error is None
        assert proxy.lost == 1
    assert (workspace.folder / "log").read_text() == "once\n"


def test_the_kernel_of_a_run_calls_tools_with_a_token_of_its_own(person: Client, workspace: Workspace) -> None:
    (workspace.folder / "hosts.txt").write_text("alpha\n")
    source = IMPORT + "print(os.environ['HERMES_LAB_KERNEL_ID'], hermes.read_file('hosts.txt')['content'])"
    path = workspace.write("check.ipynb", code("read", source))
    run = person.wait_until_ended(person.post("runs", input_path=path))
    assert run["state"] == "completed", run
    notebook = person.get(f"runs/{run['run_id']}/notebook").json()["notebook"]
    (output,) = notebook["cells"][-1]["outputs"]
    kernel_id, content = output["text"].split()
    assert content == "1|alpha"
    calls = person.get("tool_calls").json()["items"]
    assert [call["path"] for call in calls if call["kernel_id"] == kernel_id] == [path]
