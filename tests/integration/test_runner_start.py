"""A kernel that does not come to its start ends its run, whoever it is that should have started it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from jupyter_client.provisioning import KernelProvisionerFactory

from hermes_lab.cli.exits import KERNEL
from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import Limits
from hermes_lab.runner.supervisor import SupervisedRunner
from tests.command_line import CommandLine
from tests.kernel_provisioners import install_provisioners, provisioned
from tests.run_requests import Bench, is_alive, until, working_in
from tests.written_notebooks import Json, code

pytestmark = pytest.mark.requirement("KERNEL-5")

LEAVES = ["/bin/sh", "-c", "setsid sleep 1000 & echo $$ > kernel.tmp; mv kernel.tmp kernel.pid; exec sleep 1000"]
IPYKERNEL = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture(autouse=True)
def provisioners(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins that this process and those that it starts know."""
    folder = tmp_path_factory.mktemp("plugins")
    install_provisioners(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    # One that knows the plugins of its first moment alone, when another test may have made it.
    KernelProvisionerFactory.clear_instance()


@pytest.fixture
def spec(tmp_path: Path) -> Json:
    """A kernel that is started, with a detached child, by somebody who does not come back."""
    return {**provisioned("test-hangs", LEAVES), "resource_dir": str(tmp_path)}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    folder, runtime = tmp_path / "work", tmp_path / "runtime"
    folder.mkdir()
    runtime.mkdir()
    bench = Bench(InProcessRunner(runtime, warm_kernels=1), folder)
    yield bench
    await bench.runner.close()
    assert list(runtime.iterdir()) == []


async def test_a_provisioner_that_never_returns_is_bounded_by_the_limit_of_the_start(bench: Bench, spec: Json) -> None:
    asked = bench.start(code("a", "1"), kernel_spec=spec, limits=Limits(start_seconds=2))
    kernel = await bench.pid_in("kernel.pid")
    assert is_alive(kernel)
    ended = await asked.ended()
    assert (ended.state, ended.cause) == ("failed", "kernel_failed_to_start")
    assert ended.message == "The provisioner 'test-hangs' did not start the kernel in 2 seconds."
    assert bench.states(ended) == ["not_run"]
    assert asked.output["metadata"]["hermes"]["cause"] == "kernel_failed_to_start"
    assert working_in(bench.folder) == []


async def test_one_that_hangs_before_it_has_started_anything_is_too(bench: Bench, tmp_path: Path) -> None:
    spec = {**provisioned("test-hangs-first", LEAVES), "resource_dir": str(tmp_path)}
    ended, _ = await bench.run(code("a", "1"), kernel_spec=spec, limits=Limits(start_seconds=0.5))
    assert (ended.state, ended.cause) == ("failed", "kernel_failed_to_start")


async def test_a_run_is_cancelled_at_once_while_its_provisioner_hangs(bench: Bench, spec: Json) -> None:
    asked = bench.start(code("a", "1"), kernel_spec=spec, limits=Limits(start_seconds=1000))
    await bench.pid_in("kernel.pid")
    await bench.runner.cancel(asked.request.run_id)
    ended = await asked.ended()
    assert (ended.state, ended.cause) == ("cancelled", None)
    assert working_in(bench.folder) == []


async def test_a_run_that_takes_too_long_ends_while_its_provisioner_hangs(bench: Bench, spec: Json) -> None:
    asked = bench.start(code("a", "1"), kernel_spec=spec, timeout_seconds=1, limits=Limits(start_seconds=1000))
    ended = await asked.ended()
    assert (ended.state, ended.cause) == ("failed", "timed_out")
    assert working_in(bench.folder) == []


async def test_a_provisioner_that_does_not_heed_its_end_gets_none_of_its_kernels_later(
    bench: Bench, tmp_path: Path
) -> None:
    spec = {**provisioned("test-late", LEAVES), "resource_dir": str(tmp_path)}
    ended, _ = await bench.run(code("a", "1"), kernel_spec=spec, limits=Limits(start_seconds=0.5))
    assert ended.cause == "kernel_failed_to_start"
    assert (bench.folder / "cancelled").exists()
    (bench.folder / "go").touch()
    kernel = await bench.pid_in("late.pid")
    await until(lambda: not psutil.pid_exists(kernel) and not working_in(bench.folder))


async def test_a_provisioner_that_hangs_keeps_no_other_run_waiting(tmp_path: Path, spec: Json) -> None:
    runner = SupervisedRunner(concurrency=1)
    bench = Bench(runner, tmp_path)
    try:
        hangs = bench.start(code("a", "1"), kernel_spec=spec, limits=Limits(start_seconds=2))
        waits = bench.start(code("a", "1"))
        assert (await waits.ended()).state == "completed"
        assert (await hangs.ended()).cause == "kernel_failed_to_start"
        assert working_in(tmp_path) == []
    finally:
        await runner.close()


async def test_a_kernel_that_hangs_while_it_is_started_ahead_keeps_no_run(bench: Bench, tmp_path: Path) -> None:
    """The run gives up waiting for the one that is on its way for it in its own time, and blames no provisioner."""

    def hangs() -> Json:
        return spec_of(tmp_path, "local-provisioner", ["python", "-c", "import time; time.sleep(1000)", "ipykernel"])

    assert isinstance(bench.runner, InProcessRunner)
    bench.runner.prepare("python3", {}, hangs())
    await until(lambda: len(list((tmp_path / "runtime").iterdir())) == 1)
    ended, _ = await bench.run(code("a", "1"), kernel_spec=hangs(), limits=Limits(start_seconds=1))
    assert (ended.state, ended.cause) == ("failed", "kernel_failed_to_start")
    assert ended.message == "The kernel was not started in 1 seconds."
    ahead = bench.start(code("a", "1"), kernel_spec=hangs(), limits=Limits(start_seconds=1000))
    await until(lambda: ahead.events)
    await bench.runner.cancel(ahead.request.run_id)
    assert (await ahead.ended()).state == "cancelled"
    other, _ = await bench.run(code("a", "1"))
    assert other.state == "completed"


async def test_a_kernel_of_a_plugin_is_not_started_ahead(tmp_path: Path) -> None:
    """One that blocks would block every runner anew, before any run has begun."""
    runner = SupervisedRunner(concurrency=1, warm_kernels=1, unresponsive_seconds=4)
    try:
        await runner.start()
        await runner.prepare("python3", {}, spec_of(tmp_path, "test-blocks", IPYKERNEL))
        bench = Bench(runner, tmp_path)
        for _ in range(2):
            ended, _ = await bench.run(code("a", "import time; time.sleep(1)"))
            assert (ended.state, ended.message) == ("completed", None)
    finally:
        await runner.close()


async def test_a_kernel_of_a_plugin_is_connected_to_over_tcp(tmp_path: Path) -> None:
    """It may be on another machine, where no Unix socket leads."""
    shows = "import ipykernel.connect, json; print(json.loads(ipykernel.connect.get_connection_info())['transport'])"
    with TemporaryDirectory(prefix="hermes-") as runtime:  # short, as the path of a Unix socket must be
        bench = Bench(InProcessRunner(Path(runtime), describes=False), tmp_path)
        for provisioner, transport in (("test-elsewhere", "tcp"), ("local-provisioner", "ipc")):
            ended, asked = await bench.run(code("a", shows), kernel_spec=spec_of(tmp_path, provisioner, IPYKERNEL))
            assert ended.state == "completed"
            assert asked.printed("a") == f"{transport}\n"
        await bench.runner.close()


def test_a_command_ends_though_its_provisioner_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    kernels = tmp_path / "share" / "kernels" / "deaf"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(json.dumps(provisioned("test-deaf", LEAVES)))
    alone = CommandLine(folder, tmp_path)
    alone.write("n.ipynb", code("a", "1"))
    asked = ["run", "n.ipynb", "out.ipynb", "-k", "deaf", "--start-timeout", "1"]
    plugins = {"PYTHONPATH": os.environ["PYTHONPATH"], "JUPYTER_PATH": str(tmp_path / "share")}
    ended = alone.run(*asked, exit_code=KERNEL, **plugins)
    assert "'test-deaf' did not start the kernel in 1 seconds" in ended.stderr
    assert working_in(folder) == []


async def test_the_end_of_the_runner_waits_for_a_kernel_that_comes_late(tmp_path: Path) -> None:
    bench = Bench(InProcessRunner(describes=False), tmp_path)
    late = spec_of(tmp_path, "test-late", LEAVES)
    ended, _ = await bench.run(code("a", "1"), kernel_spec=late, limits=Limits(start_seconds=0.5))
    assert ended.cause == "kernel_failed_to_start"
    closing = asyncio.create_task(bench.runner.close())
    (bench.folder / "go").touch()
    await closing
    assert (bench.folder / "late.pid").exists()
    assert working_in(tmp_path) == []


async def test_the_time_that_a_kernel_had_to_answer_is_what_its_start_had_left(tmp_path: Path) -> None:
    """Its provisioner took the rest of it."""
    bench = Bench(InProcessRunner(describes=False), tmp_path)
    asked = bench.start(
        code("a", "1"), kernel_spec=spec_of(tmp_path, "test-late", LEAVES), limits=Limits(start_seconds=4)
    )
    began = time.monotonic()
    await until(lambda: time.monotonic() - began > 1.5)  # this much of it the provisioner takes
    (bench.folder / "go").touch()
    ended = await asked.ended()
    message = re.fullmatch(
        r"The kernel did not answer in (.+) seconds, which its start had left it of 4\.", ended.message or ""
    )
    assert message is not None, ended.message
    assert float(message[1]) <= 2.5
    await bench.runner.close()


def spec_of(folder: Path, provisioner: str, program: list[str]) -> Json:
    """The whole kernel spec of a program that this provisioner starts."""
    return {**provisioned(provisioner, program), "resource_dir": str(folder)}
