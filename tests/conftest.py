"""Real servers, and the people and agents who ask them."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import Client
from tests.kernels import Kernel
from tests.servers import Server
from tests.workspaces import Workspace

_numbers = itertools.count()
StartServer = Callable[..., Server]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole-papermill-suite", action="store_true", help="all of papermill's own tests, both ways")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(id, ...): what this test shows, from tests/requirements.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser last: its driver keeps an event loop going to the end, beside which no other test can have one."""
    items.sort(key=lambda item: Path(__file__).parent / "ui" in item.path.parents)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failed test shows what its servers said last; with CI=true, a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which it may not be with CI=true: {report.longrepr}"
    if report.failed:
        for server in Server.started:
            report.sections.append((f"log of the server at {server.url}", server.end_of_log()))
    return report


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start servers that live until the session ends: ``start_server(**traits)``, or ``start_server(root, …)``."""
    servers: list[Server] = []

    def start(root: Path | None = None, *, lab: bool = False, **traits: Any) -> Server:
        home = tmp_path_factory.mktemp("server")
        servers.append(Server(root or home / "root", home, lab=lab, **traits))
        return servers[-1].start()

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start servers that end with the test: for tests that stop, kill or fill them."""
    servers: list[Server] = []

    def start(root: Path | None = None, *, lab: bool = False, **traits: Any) -> Server:
        home = tmp_path_factory.mktemp("server")
        servers.append(Server(root or home / "root", home, lab=lab, **traits))
        return servers[-1].start()

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def asking_server(start_server: StartServer) -> Server:
    """One server for all tests where what an agent wrote waits for a person."""
    return start_server(agent_execution="ask")


@pytest.fixture(scope="session")
def allowing_server(start_server: StartServer) -> Server:
    """One server for all tests where what an agent wrote runs at once."""
    return start_server(agent_execution="allow")


@pytest.fixture(scope="session")
def sandboxing_server(start_server: StartServer) -> Server:
    """One server for all tests where what an agent wrote runs in the sandbox."""
    return start_server(agent_execution="sandbox")


@pytest.fixture
def server(asking_server: Server) -> Server:
    """The server of this test. A module that wants another one overrides this fixture."""
    return asking_server


@pytest.fixture
def clients() -> Iterator[Callable[..., Client]]:
    """Make clients that are closed when the test ends: ``clients(url, token)``."""
    made: list[Client] = []

    def make(url: str, token: str | None = None, scheme: str = "Bearer") -> Client:
        made.append(Client(url, token, scheme))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def person(server: Server, clients: Callable[..., Client]) -> Client:
    """Whoever holds the token that Jupyter printed."""
    return clients(server.url, server.token, "token")


@pytest.fixture
def nobody(server: Server, clients: Callable[..., Client]) -> Client:
    """Without any token."""
    return clients(server.url)


@pytest.fixture
def issue_agent(person: Client, clients: Callable[..., Client]) -> Callable[..., Client]:
    """Issue a token to an agent of a name nobody had: ``issue_agent(scopes=[…])``."""

    def issue(**fields: Any) -> Client:
        issued = person.post("agents", **{"name": f"agent {next(_numbers)}", **fields})
        assert issued.status_code == 201, issued.text
        return clients(person.url, issued.json()["token"])

    return issue


@pytest.fixture
def agent(issue_agent: Callable[..., Client]) -> Client:
    """An agent with the scopes that agents get by default."""
    return issue_agent()


@pytest.fixture
def workspace(server: Server, request: pytest.FixtureRequest) -> Workspace:
    """A folder below the server's root that no other test uses."""
    name = re.sub(r"\W+", "_", request.node.name)[:60]
    return Workspace(server.root, server.root / f"{next(_numbers)}_{name}")


@pytest.fixture
def start_kernel(server: Server, person: Client, workspace: Workspace) -> Iterator[Callable[..., Kernel]]:
    """Start kernels of notebooks in the workspace, which end with the test."""
    kernels: list[Kernel] = []

    def start(name: str = "check.ipynb") -> Kernel:
        kernels.append(Kernel(server, person, workspace.write(name)))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.shut_down()


@pytest.fixture
def kernel(start_kernel: Callable[..., Kernel]) -> Kernel:
    """The kernel of a notebook in the workspace."""
    return start_kernel()
