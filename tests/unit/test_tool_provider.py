"""The built-in tools, called as the server calls them: real files, a real shell, a real HTTP server."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from hermes_lab.engines.built_in_tools import BuiltInTools
from hermes_lab.engines.paths import Root
from hermes_lab.engines.web import Web
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.kernels import KernelToken
from hermes_lab.model.payload import now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The root, with a notebook in a folder of its own."""
    (tmp_path / "root" / "fleet").mkdir(parents=True)
    return tmp_path / "root"


class Searx(BaseHTTPRequestHandler):
    """Speaks the JSON of SearXNG's ``/search?format=json``."""

    status = 200
    results = (
        {"title": "Second", "url": "https://b.example", "content": "less", "score": 1.0},
        {"title": "First", "url": "https://a.example", "content": "more", "score": 2.0},
        {"title": "No score", "url": "https://c.example", "content": None},
    )

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        broken = asked["q"] == ["broken"]
        body = b"<html>" if broken else json.dumps({"query": asked["q"][0], "results": self.results}).encode()
        self.send_response(429 if asked["q"] == ["too often"] else 200 if asked["format"] == ["json"] else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def searxng() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Searx) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def tools(folder: Path, searxng_url: str = "", **environment: str) -> BuiltInTools:
    root = Root(folder)
    return BuiltInTools(root, {**os.environ, **environment}, Web(searxng_url))


KERNEL = KernelToken(kernel_id="k", token_hash="0" * 64, origin="session", path="fleet/check.ipynb", created_at=now())


async def test_a_command_answers_with_its_output_and_exit_code(folder: Path) -> None:
    answer = await tools(folder).call("terminal", {"command": "echo out; echo err >&2; exit 3"}, KERNEL)
    assert answer == {"output": "out\nerr\n", "exit_code": 3, "error": None}


async def test_a_command_runs_in_the_folder_of_the_notebook(folder: Path) -> None:
    answer = await tools(folder).call("terminal", {"command": "pwd"}, KERNEL)
    assert answer["output"] == f"{folder}/fleet\n"


async def test_a_command_can_be_run_in_another_folder_of_the_root(folder: Path) -> None:
    (folder / "data").mkdir()
    answer = await tools(folder).call("terminal", {"command": "pwd", "workdir": "../data"}, KERNEL)
    assert answer["output"] == f"{folder}/data\n"


async def test_a_working_folder_outside_the_root_is_refused(folder: Path) -> None:
    (folder / "out").symlink_to(folder.parent)
    for workdir in ("..", "/", "../.."):
        with pytest.raises(InvalidRequest) as refusal:
            await tools(folder).call(
                "terminal", {"command": "pwd", "workdir": f"../{workdir}" if workdir == ".." else workdir}, KERNEL
            )
        assert refusal.value.details["field"] == "arguments.workdir"


async def test_a_command_does_not_see_the_secrets_of_the_server(folder: Path) -> None:
    secrets = {
        "JUPYTER_TOKEN": "canary",
        "HERMES_LAB_KERNEL_TOKEN": "canary",
        "GITEA_TOKEN": "canary",
        "AWS_PROFILE": "canary",
        "MY_API_KEY": "canary",
    }
    answer = await tools(folder, **secrets, PLAIN="visible").call("terminal", {"command": "env"}, KERNEL)
    assert "PLAIN=visible" in answer["output"]
    assert "canary" not in answer["output"]


async def test_a_command_has_no_input_to_wait_for(folder: Path) -> None:
    answer = await tools(folder).call("terminal", {"command": "cat; echo done", "timeout": 20}, KERNEL)
    assert answer["output"] == "done\n"


async def test_long_output_keeps_its_beginning_and_its_end(folder: Path) -> None:
    command = "echo first; head -c 300000 /dev/zero | tr '\\0' x; echo last"
    answer = await tools(folder).call("terminal", {"command": command}, KERNEL)
    assert answer["output"].startswith("first\n")
    assert answer["output"].endswith("last\n")
    assert "[OUTPUT TRUNCATED - 250011 chars omitted out of 300011 total]" in answer["output"]


class Lingering:
    """A command that leaves sleepers behind: in its session, in one of their own, and orphaned."""

    def __init__(self) -> None:
        self._seconds = f"1000.{secrets.randbelow(10**12):012}"
        sleep = f"sleep {self._seconds}"
        self.command = f"{sleep} & setsid {sleep} & (setsid sh -c '{sleep} & {sleep}' >/dev/null 2>&1 &); echo started"

    def left(self) -> list[psutil.Process]:
        """The sleepers that still run."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if self._seconds in (process.info["cmdline"] or []) and process.status() != psutil.STATUS_ZOMBIE
        ]


@pytest.mark.requirement("TOOL-6")
async def test_a_timeout_ends_the_command_and_everything_that_it_started(folder: Path) -> None:
    lingering = Lingering()
    command = f"{lingering.command}; sleep 1000"
    answer = await tools(folder).call("terminal", {"command": command, "timeout": 1}, KERNEL)
    assert answer == {
        "output": "started\n",
        "exit_code": 124,
        "error": "Command timed out after 1 seconds",
    }
    assert lingering.left() == []


@pytest.mark.requirement("TOOL-6")
async def test_nothing_goes_on_after_the_command_has_ended(folder: Path) -> None:
    lingering = Lingering()
    answer = await tools(folder).call("terminal", {"command": lingering.command, "timeout": 60}, KERNEL)
    assert answer["exit_code"] == 0
    assert "stopped" in answer["note"]
    assert lingering.left() == []


async def test_a_command_that_was_killed_reports_the_signal_as_a_shell_does(folder: Path) -> None:
    answer = await tools(folder).call("terminal", {"command": "kill -9 $$"}, KERNEL)
    assert answer["exit_code"] == 137


async def test_a_command_in_the_background_is_not_offered(folder: Path) -> None:
    answer = await tools(folder).call("terminal", {"command": "touch here", "background": True}, KERNEL)
    assert answer["exit_code"] == -1
    assert "not offered" in answer["error"]
    assert not (folder / "fleet" / "here").exists()


async def test_lines_come_with_their_numbers(folder: Path) -> None:
    (folder / "fleet" / "hosts.txt").write_text("alpha\nbeta\ngamma\n")
    answer = await tools(folder).call("read_file", {"path": "hosts.txt", "offset": 2, "limit": 1}, KERNEL)
    assert answer == {
        "content": "2|beta",
        "total_lines": 3,
        "file_size": 17,
        "truncated": True,
        "is_binary": False,
        "is_image": False,
        "hint": "Use offset=3 to continue reading (showing 2-2 of 3 lines)",
    }


async def test_the_last_line_counts_without_a_newline_too(folder: Path) -> None:
    (folder / "fleet" / "hosts.txt").write_text("alpha\nbeta")
    answer = await tools(folder).call("read_file", {"path": "hosts.txt"}, KERNEL)
    assert (answer["content"], answer["total_lines"], answer["truncated"]) == ("1|alpha\n2|beta", 2, False)


async def test_an_empty_file_has_no_lines(folder: Path) -> None:
    (folder / "empty.txt").touch()
    answer = await tools(folder).call("read_file", {"path": "../empty.txt"}, KERNEL)
    assert (answer["content"], answer["total_lines"]) == ("", 0)


async def test_a_very_long_line_is_shortened_and_the_next_one_is_still_found(folder: Path) -> None:
    (folder / "long.txt").write_text("x" * 3_000_000 + "\nnext\n")
    answer = await tools(folder).call("read_file", {"path": "../long.txt"}, KERNEL)
    assert answer["content"] == "1|" + "x" * 2000 + "... [truncated]\n2|next"


async def test_more_than_one_answer_can_hold_says_where_to_go_on(folder: Path) -> None:
    (folder / "wide.txt").write_text("\n".join("y" * 1500 for _ in range(100)))
    answer = await tools(folder).call("read_file", {"path": "../wide.txt"}, KERNEL)
    assert answer["truncated"]
    assert answer["truncated_by"] == "bytes"
    rest = await tools(folder).call("read_file", {"path": "../wide.txt", "offset": answer["next_offset"]}, KERNEL)
    read = len(answer["content"].splitlines()) + len(rest["content"].splitlines())
    assert read == answer["total_lines"] == 100


async def test_a_binary_file_is_recognised_and_not_shown(folder: Path) -> None:
    (folder / "core").write_bytes(b"\x7fELF\0\0\0")
    answer = await tools(folder).call("read_file", {"path": "../core"}, KERNEL)
    assert answer["is_binary"]
    assert answer["content"] == ""
    assert answer["error"].startswith("Binary file")


async def test_an_image_is_recognised_and_not_shown(folder: Path) -> None:
    (folder / "plot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    answer = await tools(folder).call("read_file", {"path": "../plot.png"}, KERNEL)
    assert (answer["is_image"], answer["is_binary"], answer["file_size"]) == (True, True, 8)


async def test_a_file_that_is_not_there_is_an_answer(folder: Path) -> None:
    answer = await tools(folder).call("read_file", {"path": "nowhere.txt"}, KERNEL)
    assert answer["error"] == "File not found: nowhere.txt"


async def test_a_folder_and_a_named_pipe_are_no_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for path in ("../fleet", "../pipe"):
        answer = await tools(folder).call("read_file", {"path": path}, KERNEL)
        assert path in answer["error"]


@pytest.mark.parametrize("path", ["../../secret.txt", "../link.txt", "../linked/secret.txt", "/etc/hostname"])
async def test_reading_never_leaves_the_root(folder: Path, path: str) -> None:
    (folder.parent / "secret.txt").write_text("canary")
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "linked").symlink_to(folder.parent)
    with pytest.raises(InvalidRequest) as refusal:
        await tools(folder).call("read_file", {"path": path}, KERNEL)
    assert refusal.value.code == "path_outside_root"
    assert refusal.value.details["field"] == "arguments.path"


async def test_hidden_files_are_not_read(folder: Path) -> None:
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "id").write_text("canary")
    (folder / "innocent.txt").symlink_to(folder / ".ssh" / "id")
    for path in ("../.ssh/id", "../innocent.txt"):
        answer = await tools(folder).call("read_file", {"path": path}, KERNEL)
        assert "hidden" in answer["error"]
        assert answer["content"] == ""


async def test_a_search_answers_with_the_best_results_first(folder: Path, searxng: str) -> None:
    answer = await tools(folder, searxng).call("web_search", {"query": "fleet", "limit": 2}, KERNEL)
    assert answer == {
        "success": True,
        "data": {
            "web": [
                {"title": "First", "url": "https://a.example", "description": "more", "position": 1},
                {"title": "Second", "url": "https://b.example", "description": "less", "position": 2},
            ]
        },
    }


async def test_a_search_without_a_configured_server_says_what_to_set(folder: Path) -> None:
    answer = await tools(folder).call("web_search", {"query": "fleet"}, KERNEL)
    assert answer["success"] is False
    assert "HermesLab.searxng_url" in answer["error"]


@pytest.mark.parametrize(("query", "problem"), [("broken", "no JSON"), ("too often", "HTTP 429")])
async def test_what_goes_wrong_at_the_search_server_is_an_answer(
    folder: Path, searxng: str, query: str, problem: str
) -> None:
    answer = await tools(folder, searxng).call("web_search", {"query": query}, KERNEL)
    assert problem in answer["error"]


async def test_a_search_server_that_is_down_is_an_answer(folder: Path) -> None:
    answer = await tools(folder, "http://127.0.0.1:9").call("web_search", {"query": "fleet"}, KERNEL)
    assert "cannot be reached" in answer["error"]


async def test_a_tool_that_does_not_exist_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await tools(folder).call("format_disk", {}, KERNEL)
    assert refusal.value.code == "unknown_tool"
