"""Where a row is measured: a folder, the environments, and the processes that live as long as the row."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.environments import Environments
from tests.clients import Client
from tests.servers import CHECKOUT, Server, isolated_environment

Json = dict[str, Any]


class Driver:
    """A program of `benchmarks.drivers` that runs, in some Python."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def call(self, function: str, **arguments: Any) -> Json:
        """Have it do something, and wait for the answer.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"function": function, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            log = self._log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"The driver ended with {self._process.wait()} while it did {function}:\n{log}")
        answer: Json = json.loads(line)
        return answer


class Place:
    """One row's folder and processes; they end with it."""

    def __init__(self, folder: Path, environments: Environments, processes: ExitStack) -> None:
        self.folder = folder
        self._environments = environments
        self._processes = processes
        self._numbers = itertools.count()
        self._home = folder / "home"
        self._home.mkdir()

    def new_output(self) -> Path:
        """A path where no notebook is yet."""
        return self.folder / f"output-{next(self._numbers)}.ipynb"

    def python(self, environment: str) -> Path:
        """Of "ours", or of an incumbent's environment."""
        return Path(sys.executable) if environment == "ours" else self._environments.python(environment)

    def hermes(self) -> Driver:
        """The driver of hermes_lab, started."""
        driver = self._driver("ours", "benchmarks.drivers.hermes")
        self._processes.callback(driver.call, "close")
        return driver

    def incumbent(self) -> Driver:
        """The driver of papermill and scrapbook, started in the bare environment."""
        return self._driver("bare", "benchmarks.drivers.incumbent")

    def profile(self, function: str, **arguments: str) -> None:
        """Call a function of hermes_lab's driver twice: to warm up, and under a profiler that prints."""
        hermes = self.hermes()
        hermes.call(function, **arguments)
        if "output_path" in arguments:
            arguments["output_path"] = str(self.new_output())
        print(hermes.call("profile", of=function, arguments=arguments)["profile"])

    def server(self, **traits: Any) -> tuple[Server, Client]:
        """A Jupyter server with hermes_lab whose root is the folder, and a person who asks it."""
        server = Server(self.folder, self.folder / "server", **traits)
        server.start()
        self._processes.callback(server.kill)
        client = Client(server.url, server.token, "token")
        self._processes.callback(client.close)
        return server, client

    def command(self, environment: str, program: str, *arguments: str | Path) -> float:
        """Run a program of an environment as somebody at a terminal does; the seconds that it took.

        Raises:
            CalledProcessError: it failed.
        """
        command = [self.python(environment).with_name(program), *arguments]
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables(environment), capture_output=True, check=False
        )
        seconds = time.perf_counter() - began
        if done.returncode != 0:
            sys.stderr.buffer.write(done.stderr)
            done.check_returncode()
        return seconds

    def variables(self, environment: str) -> dict[str, str]:
        """Variables for a process in an environment, without anybody's settings, and with byte-code caching."""
        programs = self.python(environment).parent
        path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**isolated_environment(self._home), "PATH": path}

    def _driver(self, environment: str, module: str) -> Driver:
        log = self.folder / f"{environment}.log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [self.python(environment), "-m", module],
                cwd=CHECKOUT,
                env=self.variables(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
            )
        self._processes.callback(_end, process)
        return Driver(process, log)


@contextmanager
def place(folder: Path, environments: Environments) -> Iterator[Place]:
    """A place that is cleared when the row is done."""
    with ExitStack() as processes:
        yield Place(folder, environments, processes)


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate()
