"""hermes_runtime where policy decides: nobody is there to ask, the terminal is allowed, the web is denied."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients import Client
from tests.kernels import IMPORT, WAITING, Kernel
from tests.servers import Server
from tests.workspaces import Workspace


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Server]) -> Server:
    return start_server(
        approval_timeout_seconds=0.3,
        tool_policy={"read_file": "ask", "terminal": "allow", "web_search": "deny"},
    )


@pytest.mark.requirement("TOOL-4")
def test_a_call_that_nobody_answers_expires_in_the_cell(kernel: Kernel) -> None:
    cell = kernel.end(kernel.begin(IMPORT + "hermes.read_file('check.ipynb')"))
    assert WAITING in cell.stderr
    assert cell.error is not None
    assert cell.error[0] == "ToolExpired"


def test_an_expired_call_is_a_denied_one(kernel: Kernel) -> None:
    program = "try: hermes.read_file('check.ipynb')\nexcept hermes.ToolDenied as error: print(type(error).__name__)"
    assert kernel.run(IMPORT + program) == "ToolExpired"


def test_a_tool_that_policy_denies_is_denied_at_once(kernel: Kernel) -> None:
    cell = kernel.end(kernel.begin(IMPORT + "hermes.web_search('fleet')"))
    assert cell.error is not None
    assert cell.error[0] == "ToolDenied"
    assert WAITING not in cell.stderr


@pytest.mark.requirement("TOOL-6")
def test_an_allowed_command_sees_no_secret_of_the_server_or_the_kernel(kernel: Kernel) -> None:
    answer = kernel.run(IMPORT + "print(hermes.terminal('env')['output'])")
    names = {line.partition("=")[0] for line in answer.splitlines()}
    assert "PATH" in names
    assert not {name for name in names if "TOKEN" in name or name.startswith("HERMES_LAB_K")}


def test_a_person_reads_what_was_called_and_what_came_of_it(kernel: Kernel, person: Client) -> None:
    kernel.run(IMPORT + "hermes.terminal('echo seen')")
    newest = person.get("tool_calls", limit=1).json()["items"][0]
    assert newest["arguments"]["command"] == "echo seen"
    assert (newest["state"], newest["policy"], newest["result"]["output"]) == ("succeeded", "allow", "seen\n")


def test_an_interrupted_cell_can_call_again(kernel: Kernel, person: Client, workspace: Workspace) -> None:
    cell = kernel.begin(IMPORT + "hermes.terminal('touch started; sleep 30')")
    while not (workspace.folder / "started").exists():
        assert not cell.ended
    assert person.request("POST", f"/api/kernels/{kernel.kernel_id}/interrupt").status_code == 204
    assert (kernel.end(cell).error or ("",))[0] == "KeyboardInterrupt"
    assert kernel.run(IMPORT + "print(hermes.terminal('echo again')['output'])") == "again"
