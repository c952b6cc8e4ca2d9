"""hermes_runtime on the path of kernels: of this environment, of others, over restarts, and not a moment longer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from hermes_lab.engines.injection import compose, inject
from hermes_lab.engines.runtime_folder import runtime_folder


@dataclass
class Server:
    """A real kernel manager with its kernels, and what the injection was asked and told."""

    kernel_manager: AsyncMappingKernelManager
    asked: dict[str, str | None] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)

    async def start(self, **options: object) -> str:
        """A kernel; its id."""
        kernel_id: str = await self.kernel_manager.start_kernel(**options)
        return kernel_id

    async def evaluate(self, kernel_id: str, expression: str) -> str:
        """What the expression comes to in the kernel."""
        client = self.kernel_manager.get_kernel(kernel_id).client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            reply = await client.execute_interactive(
                "import os", user_expressions={"answer": expression}, timeout=60, output_hook=lambda _: None
            )
        finally:
            client.stop_channels()
        text: str = reply["content"]["user_expressions"]["answer"]["data"]["text/plain"]
        return text.strip("'")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "root" / "fleet").mkdir(parents=True)
    server = Server(AsyncMappingKernelManager(root_dir=str(tmp_path / "root")))
    folder = str(runtime_folder(tmp_path / "runtime"))

    def environment_for(kernel_id: str, path: str | None) -> dict[str, str]:
        server.asked[kernel_id] = path
        return {"HERMES_LAB_KERNEL_ID": kernel_id, "PYTHONPATH": folder}

    inject(server.kernel_manager, environment_for, server.ended.append)
    yield server
    for kernel_id in server.kernel_manager.list_kernel_ids():
        await server.kernel_manager.shutdown_kernel(kernel_id, now=True)


async def test_every_kernel_has_values_of_its_own_and_can_import_the_module(server: Server) -> None:
    first, second = await server.start(), await server.start()
    for kernel_id in (first, second):
        assert await server.evaluate(kernel_id, "os.environ['HERMES_LAB_KERNEL_ID']") == kernel_id
        assert (await server.evaluate(kernel_id, "__import__('hermes_runtime').__name__")) == "hermes_runtime"


async def test_a_restart_keeps_the_environment_and_the_token_alive(server: Server) -> None:
    kernel_id = await server.start()
    await server.kernel_manager.restart_kernel(kernel_id)
    assert await server.evaluate(kernel_id, "os.environ['HERMES_LAB_KERNEL_ID']") == kernel_id
    assert server.ended == []


async def test_the_end_of_a_kernel_is_told_once_it_is_shut_down(server: Server) -> None:
    kernel_id = await server.start()
    await server.kernel_manager.shutdown_kernel(kernel_id, now=True)
    assert server.ended == [kernel_id]


async def test_a_kernel_that_cannot_be_started_is_told_as_ended(server: Server) -> None:
    with pytest.raises(NoSuchKernel):
        await server.start(kernel_name="no-such-kernel")
    assert server.ended == list(server.asked)
    assert len(server.ended) == 1


async def test_the_kernel_of_a_session_is_known_with_its_notebook(server: Server, tmp_path: Path) -> None:
    session = {**os.environ, "JPY_SESSION_NAME": str(tmp_path / "root" / "fleet" / "check.ipynb"), "OWN": "kept"}
    kernel_id = await server.start(path="fleet", env=session)
    assert server.asked[kernel_id] == "fleet/check.ipynb"
    assert await server.evaluate(kernel_id, "os.environ['OWN']") == "kept"
    assert await server.evaluate(kernel_id, "os.getcwd()") == str(tmp_path / "root" / "fleet")


async def test_the_id_that_a_client_chose_is_kept(server: Server) -> None:
    chosen = "3f9c0f6e-0000-4000-8000-000000000001"
    assert await server.start(kernel_id=chosen) == chosen
    assert await server.start(kernel_id=chosen) == chosen
    assert list(server.asked) == [chosen]


def test_a_python_path_that_is_there_comes_after_ours() -> None:
    theirs = {"PYTHONPATH": "/theirs", "PATH": "/bin"}
    assert compose(theirs, {"PYTHONPATH": "/ours"})["PYTHONPATH"] == f"/ours{os.pathsep}/theirs"
    assert compose({"PATH": "/bin"}, {"PYTHONPATH": "/ours"}) == {"PATH": "/bin", "PYTHONPATH": "/ours"}


def test_the_folder_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    folder = runtime_folder(tmp_path)
    assert [entry.name for entry in folder.iterdir()] == ["hermes_runtime"]
    assert (folder / "hermes_runtime" / "__init__.py").is_file()


def test_the_folder_of_a_version_is_made_once_and_shared(tmp_path: Path) -> None:
    first = runtime_folder(tmp_path)
    made_at = first.stat().st_ctime_ns
    assert runtime_folder(tmp_path) == first
    assert first.stat().st_ctime_ns == made_at
    assert list(tmp_path.iterdir()) == [first]


def other_interpreters() -> list[Path]:
    """This Python, and every other from 3.8 on that pyenv has installed or the system offers."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [path for minor in range(8, 15) for path in versions.glob(f"3.{minor}.*/bin/python")]
    return [Path(sys.executable), *sorted(found)]


@pytest.mark.parametrize("interpreter", other_interpreters(), ids=str)
@pytest.mark.requirement("TOOL-5")
def test_the_module_needs_nothing_but_the_standard_library(interpreter: Path, tmp_path: Path) -> None:
    program = (
        "import sys; before = set(sys.modules); import hermes_runtime as hermes; import hermes_runtime.server\n"
        "from http.client import HTTPConnection\n"
        "foreign = [name for name in set(sys.modules) - before if 'site-packages' in"
        " (getattr(sys.modules[name], '__file__', None) or '')]\n"
        "assert not foreign, foreign\n"
        "try: hermes.terminal('ls')\n"
        "except hermes.NoServer as error: print(error)\n"
    )
    answer = subprocess.run(
        [interpreter, "-s", "-W", "error", "-c", program],
        env={"PYTHONPATH": str(runtime_folder(tmp_path)), "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "No hermes_lab server started this kernel" in answer.stdout
