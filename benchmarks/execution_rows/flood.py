"""A cell that prints 500 MB: what that costs in memory, what is lost, and whom it disturbs."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from statistics import quantiles

import psutil

from benchmarks.figures import Figure, Goal, itself_at_least, itself_at_most
from benchmarks.notebooks import flood
from benchmarks.place import Place
from tests.clients import ENDED, Client
from tests.run_requests import runner_processes
from tests.servers import Server

_MEGABYTES = 500
_SECONDS_BETWEEN_SAMPLES = 0.05
_PATIENCE_SECONDS = 600.0
_REPETITIONS_OF_PAPERMILL = 1
"""It takes a minute and gigabytes each time, and is shown for scale: no goal is a ratio of it."""


def measure(place: Place, repetitions: int) -> list[Figure]:
    """Memory of everything but the kernel, requests to the server meanwhile, and the bytes accounted for."""
    notebook = flood(place.folder / "flood.ipynb", _MEGABYTES)
    server, client = place.server()
    calm = [1000 * _request(client) for _ in range(200)]
    growth, latency, accounted = [], [], []
    for _ in range(repetitions):
        with Sampled(_without_kernels(server)) as memory, Requests(server) as requests:
            run_id = client.post("runs", input_path=notebook.name).json()["run_id"]
            ended = client.wait_until(f"runs/{run_id}", lambda run: run["state"] in ENDED, _PATIENCE_SECONDS)
        assert ended["state"] == "completed", ended
        growth.append(memory.growth / 1e6)
        latency.append(1000 * _p99(requests.seconds))
        accounted.append((ended["cells"][0]["output_bytes"] or _kept(place.folder / ended["output_path"])) / 1e6)
    theirs = [_papermill(place, notebook) for _ in range(min(repetitions, _REPETITIONS_OF_PAPERMILL))]
    printed = f"{_MEGABYTES} MB printed by one cell"
    return [
        Figure("flood", f"{printed}: memory growth", "MB", itself_at_most(150), growth, [t[0] for t in theirs]),
        Figure(
            "flood", f"{printed}: kept or counted", "MB", itself_at_least(_MEGABYTES), accounted, [t[1] for t in theirs]
        ),
        Figure("flood", f"{printed}: other requests meanwhile, p99", "ms", itself_at_most(100), latency),
        Figure("flood", "the same requests while nothing runs, p99", "ms", Goal(), [_p99(calm)]),
    ]


class Sampled:
    """The most memory that some processes hold at once while this is entered, in bytes."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        self._before = self._most = _resident(processes)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Sampled:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        """Over what they held before."""
        return self._most - self._before

    def _sample(self) -> None:
        while not self._over.wait(_SECONDS_BETWEEN_SAMPLES):
            self._most = max(self._most, _resident(self._processes))


class Requests:
    """Somebody else who asks the server, twenty times a second, on a connection of their own."""

    def __init__(self, server: Server) -> None:
        self.seconds: list[float] = []
        self._client = Client(server.url, server.token, "token")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Requests:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._client.close()

    def _ask(self) -> None:
        while not self._over.wait(_SECONDS_BETWEEN_SAMPLES):
            self.seconds.append(_request(self._client))


def _request(client: Client) -> float:
    began = time.perf_counter()
    client.get("proposals").raise_for_status()
    return time.perf_counter() - began


def _p99(values: list[float]) -> float:
    # Of what was measured: the other method goes beyond the slowest where there are fewer than a hundred.
    return quantiles(values, n=100, method="inclusive")[-1]


def _without_kernels(server: Server) -> list[psutil.Process]:
    """The server and its runner; a kernel may hold what it likes."""
    own = psutil.Process(server.process_id)
    runners = runner_processes(own)
    assert runners, "the server has started no runner"
    return [own, *runners]


def _resident(processes: list[psutil.Process]) -> int:
    held = 0
    for process in processes:
        try:
            held += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return held


def _papermill(place: Place, notebook: Path) -> tuple[float, float]:
    """Its memory and what it kept, in MB."""
    output = place.new_output()
    papermill = place.python("bare").with_name("papermill")
    command = [str(papermill), "--no-progress-bar", str(notebook), str(output)]
    process = subprocess.Popen(
        command, env=place.variables("bare"), cwd=place.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    most = 0
    while process.poll() is None:
        most = max(most, _resident([psutil.Process(process.pid)]))
        time.sleep(_SECONDS_BETWEEN_SAMPLES)
    return most / 1e6, _kept(output) / 1e6


def _kept(output: Path) -> int:
    """The bytes of text in an output notebook."""
    cells = json.loads(output.read_bytes())["cells"]
    texts = [item["text"] for cell in cells for item in cell.get("outputs", []) if item["output_type"] == "stream"]
    return sum(len("".join(text)) for text in texts)
