"""A real Jupyter server with hermes_lab, as a process of its own, apart from the settings of whoever runs the tests."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import psutil
import requests

CHECKOUT = Path(__file__).parents[1]
BUILT_LABEXTENSION = CHECKOUT / "hermes_lab" / "labextension"
SECONDS_TO_START = 90
SECONDS_TO_STOP = 30
_MARK = "HERMES_LAB_TEST_SERVER"
_FOREIGN = ("JUPYTER", "PYTHON", "IPYTHON", "VIRTUAL_ENV", "XDG_", "HERMES")


# They are installed beside us, and take seconds to import.
NOT_NEEDED = dict.fromkeys(("jupyter_lsp", "jupyterlab", "nbdime", "notebook", "notebook_shim"), False)


class Server:
    """A server and everything that it starts.

    ``root`` is its root folder; ``home`` holds its settings, its store and its log, and outlives a restart.
    ``traits`` are those of HermesLab, ``settings`` those of other classes. With ``lab``, it serves JupyterLab with our
    front end too.
    """

    started: ClassVar[list[Server]] = []
    """Every server that runs now, for the report of a failed test."""

    def __init__(
        self, root: Path, home: Path, *, lab: bool = False, settings: dict[str, Any] | None = None, **traits: Any
    ) -> None:
        self.root = root
        self.home = home
        self.log = home / "server.log"
        self.token = secrets.token_hex(24)
        self.url = ""
        self._lab = lab
        self._mark = secrets.token_hex(16)
        self._child: subprocess.Popen[bytes] | None = None
        root.mkdir(parents=True, exist_ok=True)
        self._write_settings(traits, settings or {})

    @property
    def process_id(self) -> int:
        """Of the server itself, not of what it started."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> Server:
        """Start it, and return when hermes_lab answers."""
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command(),
                cwd=self.root,
                env=isolated_environment(self.home) | {_MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        Server.started.append(self)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> list[str]:
        """End it as an administrator would; returns what it left behind, which is then killed."""
        if self._child is None:
            return []
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            return self.kill()
        self.wait_until_alone()
        return self.kill()

    def wait_until_alone(self, seconds: float = 15) -> list[str]:
        """What a server that is gone left behind: the command lines of what still runs after these seconds."""
        deadline = time.monotonic() + seconds
        while (left := self.descendants()) and time.monotonic() < deadline:
            _pause()
        return list(filter(None, map(_command_line, left)))

    def kill(self) -> list[str]:
        """End it as a power cut would, with everything it started; returns the command lines of what still ran."""
        left = self._kill(self.descendants())
        if self._child is not None:
            self._gone()
        return left

    def crash(self) -> None:
        """Kill the server alone; what it started is left to find out for itself."""
        assert self._child is not None
        self._child.kill()
        self._gone()

    def descendants(self) -> list[psutil.Process]:
        """The server and what it started, wherever it went."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def end_of_log(self, lines: int = 60) -> str:
        """What it said last."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _gone(self) -> None:
        assert self._child is not None
        self._child.wait()
        self._child = None
        Server.started.remove(self)

    def _command(self) -> list[str]:
        module = "jupyterlab" if self._lab else "jupyter_server"
        return [sys.executable, "-m", module, f"--ServerApp.port={_free_port()}"]

    def _write_settings(self, traits: dict[str, Any], more: dict[str, Any]) -> None:
        settings: dict[str, Any] = {
            "ServerApp": {
                "ip": "127.0.0.1",
                "open_browser": False,
                "root_dir": str(self.root),
                "allow_root": True,
                "jpserver_extensions": {"hermes_lab": True, **({} if self._lab else NOT_NEEDED)},
            },
            "IdentityProvider": {"token": self.token},
            "HermesLab": traits,
        }
        for name, values in more.items():
            settings[name] = {**settings.get(name, {}), **values}
        if self._lab:
            settings["LabApp"] = {"extra_labextensions_path": [str(self._labextensions())]}
            news = self.home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
            news.parent.mkdir(parents=True, exist_ok=True)
            news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
        config = self.home / "config" / "jupyter_server_config.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps(settings))

    def _labextensions(self) -> Path:
        """A folder with our front end as it was built last, whether it is installed or not."""
        folder = self.home / "labextensions"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hermes-lab").symlink_to(BUILT_LABEXTENSION)
        return folder

    def _wait_until_it_answers(self) -> None:
        child = self._child
        assert child is not None
        described = self.home / "runtime" / f"jpserver-{child.pid}.json"
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise RuntimeError(f"The server ended while it started:\n{self.end_of_log()}")
            if described.exists() and self._answers(described):
                return
            _pause()
        raise RuntimeError(f"The server did not answer in {SECONDS_TO_START} s:\n{self.end_of_log()}")

    def _answers(self, described: Path) -> bool:
        try:
            self.url = json.loads(described.read_text())["url"].rstrip("/")
            with requests.Session() as session:
                session.trust_env = False
                answer = session.get(
                    f"{self.url}/hermes/api/runs", headers={"Authorization": f"token {self.token}"}, timeout=30
                )
        except (json.JSONDecodeError, requests.ConnectionError):
            return False  # not written to the end, or not listening yet
        if answer.status_code != 200:
            raise RuntimeError(f"hermes_lab answers {answer.status_code}: {answer.text}\n{self.end_of_log()}")
        return True

    def _kill(self, processes: list[psutil.Process]) -> list[str]:
        left = []
        for process in processes:
            try:
                left.append(" ".join(process.cmdline()))
                process.kill()
            except psutil.NoSuchProcess:
                continue
        return left

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False  # it ended meanwhile, or is somebody else's


def isolated_environment(home: Path) -> dict[str, str]:
    """Environment variables for a Jupyter that knows no settings but those below ``home``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return inherited | {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(home / "ipython"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
    }


def _command_line(process: psutil.Process) -> str:
    """Empty for one that has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _pause() -> None:
    """Between two looks at a process that tells nobody when it is ready."""
    time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
