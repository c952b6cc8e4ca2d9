"""JupyterLab with hermes_lab on loopback, apart from the Jupyter settings of whoever runs the demo."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from demo_steps.console import Failed, tail

Json = dict[str, Any]
SECONDS_TO_START = 90
SECONDS_TO_STOP = 30
SECONDS_FOR_CHILDREN_TO_STOP = 10
MARK = "HERMES_LAB_DEMO"
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """The server answered a request with an error."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status} {body[:300]}")
        self.status = status


class JupyterLab:
    """A JupyterLab server; a context manager that leaves no process behind."""

    def __init__(self, python: Path, workspace: Path, folder: Path, agent_execution: str) -> None:
        self.log = folder / "jupyterlab.log"
        self._mark = secrets.token_hex(16)
        self._runtime = folder / "runtime"
        _write_settings(folder / "settings")
        self._child = subprocess.Popen(
            [
                str(python),
                "-m",
                "jupyterlab",
                "--no-browser",
                "--ServerApp.ip=127.0.0.1",
                f"--ServerApp.port={_free_port()}",
                f"--ServerApp.root_dir={workspace}",
                f"--HermesLab.agent_execution={agent_execution}",
                f"--ServerApp.allow_root={os.geteuid() == 0}",  # as in a container
            ],
            cwd=workspace,
            env=_environment(python, folder) | {MARK: self._mark},
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.url = ""
        self.token = ""

    def __enter__(self) -> JupyterLab:
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End the server and everything it started; returns how many processes had to be killed."""
        try:
            self._child.terminate()
            self._child.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            pass  # it is among those that are killed now
        finally:
            killed = self._kill_what_is_left()
            self._child.wait()
        return killed

    def request(self, method: str, route: str, body: Json | None = None, token: str | None = None) -> Json:
        """Ask the API as the person, or as an agent with its token.

        Raises:
            Refused: it answered with an error.
        """
        authorization = f"token {self.token}" if token is None else f"Bearer {token}"
        found: Json = json.loads(self._read(method, "hermes/api/" + route, authorization, body))
        return found

    def lab_page(self) -> str:
        """The page that a browser loads first."""
        return self._read("GET", "lab", f"token {self.token}").decode()

    def _read(self, method: str, route: str, authorization: str, body: Json | None = None) -> bytes:
        request = urllib.request.Request(
            self.url + route,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": authorization, "Content-Type": "application/json"},
        )
        try:
            with NO_PROXY.open(request, timeout=90) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as refused:
            raise Refused(refused.code, refused.read().decode(errors="replace")) from refused

    @property
    def running(self) -> bool:
        """Whether the server is still there."""
        return self._child.poll() is None

    def _wait_until_it_answers(self) -> None:
        described = self._runtime / f"jpserver-{self._child.pid}.json"
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            if not self.running:
                raise Failed(f"JupyterLab ended while it started. The end of {self.log}:\n{tail(self.log)}")
            if described.exists() and self._answers(described):
                return
            time.sleep(0.1)
        raise Failed(f"JupyterLab did not answer in {SECONDS_TO_START} s. The end of {self.log}:\n{tail(self.log)}")

    def _answers(self, described: Path) -> bool:
        try:
            server = json.loads(described.read_text())
            self.url, self.token = server["url"], server["token"]
            self.request("GET", "proposals")
        except (json.JSONDecodeError, urllib.error.URLError):
            return False  # not written to the end, not listening yet
        except Refused as refused:
            raise Failed(f"JupyterLab runs, but hermes_lab does not answer: {refused}\n{tail(self.log)}") from refused
        return True

    def _kill_what_is_left(self) -> int:
        mark = f"{MARK}={self._mark}"
        deadline = time.monotonic() + SECONDS_FOR_CHILDREN_TO_STOP
        while (left := _processes_with(mark)) and time.monotonic() < deadline and not self.running:
            time.sleep(0.1)
        for process_id in left:
            try:
                os.kill(process_id, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended by itself meanwhile
        return len(left)


def _environment(python: Path, folder: Path) -> dict[str, str]:
    foreign = ("JUPYTER", "PYTHON", "IPYTHON", "VIRTUAL_ENV")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return inherited | {
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "MPLCONFIGDIR": str(folder.parent / "matplotlib"),
    }


def _write_settings(settings: Path) -> None:
    """No question about news, no look for updates: the demo talks to nobody but this machine."""
    file = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _processes_with(mark: str) -> list[int]:
    """The processes whose environment holds the mark: what the server started, wherever it went."""
    if Path("/proc/self/environ").exists():
        return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _has(folder / "environ", mark)]
    listed = subprocess.run(["ps", "-axEww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if mark in line]


def _has(environ: Path, mark: str) -> bool:
    try:
        return mark.encode() in environ.read_bytes().split(b"\0")
    except OSError:
        return False  # ended meanwhile, or somebody else's
