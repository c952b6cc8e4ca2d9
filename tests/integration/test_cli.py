"""`jupyter hermes`, as a person or a script uses it: a process, its output and its exit code."""

from __future__ import annotations

import json
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hermes_lab import __version__
from tests.clients import Client, error
from tests.command_line import CommandLine
from tests.servers import CHECKOUT, Server
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("CLI-1", "CLI-2")


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """Where no server runs."""
    folder = tmp_path / "root"
    folder.mkdir()
    return CommandLine(folder, tmp_path)


@pytest.fixture
def beside(server: Server) -> CommandLine:
    """In the root folder of the running server."""
    return CommandLine(server.root, server.home)


def test_help_names_the_commands_and_loads_nothing_heavy(alone: CommandLine) -> None:
    shown = alone.run("--help").stdout
    assert all(command in shown for command in ("agent", "run", "audit"))
    loaded = "import sys; import hermes_lab.cli.parser as it; it.parser(); print('pydantic' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", loaded], cwd=CHECKOUT, text=True) == "False\n"


def test_the_version_is_the_one_of_the_package(alone: CommandLine) -> None:
    assert alone.run("--version").stdout == f"hermes_lab {__version__}\n"


def test_without_a_command_it_says_what_there_is(alone: CommandLine) -> None:
    assert "commands:" in alone.run(exit_code=2).stderr


def test_a_token_is_issued_by_the_running_server_and_works_at_once(
    beside: CommandLine, server: Server, clients: Callable[..., Client]
) -> None:
    added = beside.run("agent", "add", "from the terminal", "--scopes", "runs:read", "--expires", "2h")
    token = added.stdout.strip()
    assert server.url in added.stderr
    assert clients(server.url, token).get("runs").status_code == 200
    assert error(clients(server.url, token).get("proposals")) == (403, "missing_scope")
    beside.run("agent", "revoke", "from the terminal")
    assert error(clients(server.url, token).get("runs")) == (403, "invalid_token")


def test_without_a_server_the_store_that_a_server_will_use_is_written(
    alone: CommandLine, new_server: Callable[..., Server], clients: Callable[..., Client]
) -> None:
    issued = alone.json("agent", "add", "early bird")
    server = new_server(alone.folder)
    assert error(clients(server.url, issued["token"]).get("runs")) == (403, "invalid_token")  # another data folder
    same_store = CommandLine(server.root, server.home)
    server.stop()
    token = same_store.json("agent", "add", "early bird")["token"]
    server.start()
    assert clients(server.url, token).get("runs").status_code == 200


def test_agents_are_listed_and_revoked_by_name_or_id(alone: CommandLine) -> None:
    first = alone.json("agent", "add", "first")
    second = alone.json("agent", "add", "second", "--scopes", "notebooks:read, runs:read")
    assert [agent["name"] for agent in alone.json("agent", "list")] == ["second", "first"]
    assert "token" not in json.dumps(alone.json("agent", "list"))
    assert second["scopes"] == ["notebooks:read", "runs:read"]
    assert alone.json("agent", "revoke", "first")["agent_id"] == first["agent_id"]
    assert alone.json("agent", "revoke", second["agent_id"])["revoked_at"]
    assert alone.run("agent", "list").stdout.count("revoked") == 2
    assert "first" in alone.refusal("agent", "revoke", "first")
    again = alone.json("agent", "add", "first")
    assert again["agent_id"] != first["agent_id"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["agent", "add", "../x"], "name"),
        (["agent", "add", "a", "--scopes", "proposals:merge"], "proposals:merge"),
        (["agent", "add", "a", "--scopes", ""], "scopes"),
        (["agent", "add", "a", "--expires", "soon"], "soon"),
        (["agent", "add", "a", "--expires", "2001-01-01"], "past"),
        (["agent", "add", "a", "--expires", "99999999999d"], "99999999999d"),
        (["agent", "list", "--root-dir", "nowhere"], "nowhere"),
        (["agent", "list", "--db-url", "what"], "URL"),
        (["audit", "verify"], "no store"),
        (["run", "none.ipynb"], "none.ipynb"),
    ],
)
def test_what_cannot_be_done_is_one_line_on_stderr(alone: CommandLine, arguments: list[str], word: str) -> None:
    assert word in alone.refusal(*arguments)
    assert list(alone.folder.iterdir()) == []


def test_a_name_that_is_taken_is_refused_by_server_and_store_alike(alone: CommandLine, beside: CommandLine) -> None:
    for command_line in (alone, beside):
        command_line.run("agent", "add", "twin")
        assert "twin" in command_line.refusal("agent", "add", "twin")


def test_the_audit_log_is_verified_and_tampering_is_found(alone: CommandLine) -> None:
    for name in ("one", "two", "three"):
        alone.run("agent", "add", name)
    assert "3 entries" in alone.run("audit", "verify").stdout
    (store,) = alone.home.glob("data/hermes_lab/*/hermes.sqlite3")
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE audit SET payload = replace(payload, 'create_agent', 'nothing') WHERE sequence = 2")
    connection.close()
    assert "entry 2" in alone.run("audit", "verify", "--db-url", f"sqlite:///{store}", exit_code=1).stdout


def test_a_notebook_runs_with_parameters_of_every_type(alone: CommandLine) -> None:
    alone.write(
        "n.ipynb", code("p", "n = a = b = c = d = None", tags=["parameters"]), code("s", "print([n, a, b, c, d])")
    )
    values = {"n": "3", "a": '"3"', "b": "true", "c": "[1, null]", "d": "plain text"}
    parameters = [word for name, text in values.items() for word in ("-p", name, text)]
    answer = alone.json("run", "n.ipynb", "-o", "out/n.ipynb", *parameters)
    assert (answer["status"], answer["output_path"]) == ("success", "out/n.ipynb")
    written = json.loads((alone.folder / "out" / "n.ipynb").read_text())
    assert "".join(written["cells"][-1]["outputs"][0]["text"]) == "[3, '3', True, [1, None], 'plain text']\n"


def test_the_output_goes_below_runs_and_replaces_nothing(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("s", "print(1)"))
    said = alone.run("run", "n.ipynb").stdout
    (output,) = (alone.folder / "runs" / "n").iterdir()
    assert output.name in said
    assert "completed" in said
    before = output.read_bytes()
    assert "--overwrite" in alone.refusal("run", "n.ipynb", "-o", str(output))
    assert output.read_bytes() == before
    alone.run("run", "n.ipynb", "-o", str(output), "--overwrite")


def test_the_exit_code_says_what_went_wrong(alone: CommandLine) -> None:
    alone.write("bad.ipynb", code("good", "1"), code("bad", "1 / 0"))
    failed = alone.run("run", "bad.ipynb", exit_code=1)
    *traceback, last = failed.stderr.splitlines()
    assert last == "jupyter hermes: cell 2 (bad): ZeroDivisionError: division by zero"
    assert [line for line in traceback if line.startswith("----> 1") and "1 / 0" in line], failed.stderr
    assert "\x1b" not in failed.stderr
    alone.write("dead.ipynb", code("dead", "import os\nos._exit(7)"))
    assert alone.json("run", "dead.ipynb", exit_code=3)["failed_cell"]["ename"] == "KernelDied"
    alone.write("slow.ipynb", code("slow", "import time\ntime.sleep(60)"))
    assert alone.json("run", "slow.ipynb", "--timeout", "8", exit_code=4)["failed_cell"]["ename"] == "CellTimeout"
    refused = alone.refusal("run", "bad.ipynb", "-k", "cobol", exit_code=3)
    assert "no kernel 'cobol'; installed:" in refused
    assert "python3" in refused
    (alone.folder / "not.ipynb").write_text("{}")
    alone.refusal("run", "not.ipynb")
    alone.refusal("run", "bad.ipynb", "--timeout", "0")
    alone.refusal("run", "bad.ipynb", "-p", "not a name", "1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_no_kernel_and_a_whole_output(
    alone: CommandLine, number: signal.Signals
) -> None:
    started = alone.folder / "started"
    alone.write("slow.ipynb", code("slow", "open('started', 'w').close()\nimport time\ntime.sleep(60)"), code("after"))
    with alone.start("run", "slow.ipynb", "-o", "out.ipynb") as command:
        deadline = time.monotonic() + 60
        while not started.exists():
            assert command.poll() is None
            assert time.monotonic() < deadline
            select.select([], [], [], 0.05)
        kernels = psutil.Process(command.pid).children(recursive=True)
        command.send_signal(number)
        said, _ = command.communicate(timeout=60)
    assert command.returncode == 130, said
    assert said.startswith("interrupted in "), said
    assert kernels
    assert not [kernel for kernel in kernels if kernel.is_running()]
    cells = json.loads((alone.folder / "out.ipynb").read_text())["cells"]
    assert "completed" not in {cell["metadata"]["hermes"]["status"] for cell in cells if cell["cell_type"] == "code"}
