"""A runner that lives and does not answer is killed, and another takes its place."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from hermes_lab.runner.supervisor import SupervisedRunner
from tests.run_requests import Bench, is_alive, runner_processes, until, working_in
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("KERNEL-6")

SECONDS = 5.0
"""How long the runner may be silent here: longer than a busy machine keeps one that is well from answering."""
UNTIL_ASKED = 1.5
"""After so many seconds the runner has been asked whether it answers, as it is each second here."""
WRITES_PID = "import os, pathlib; pathlib.Path('kernel.pid').write_text(str(os.getpid()))"
WAITS = "import time\ntime.sleep(1000)"
BLOCKS = """
import time
from papermill.translators import PythonTranslator, papermill_translators

class Blocks(PythonTranslator):
    @classmethod
    def translate(cls, val):
        time.sleep(1000)

class Engine:
    pass

papermill_translators.register("blocks", Blocks)
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    runner = SupervisedRunner(1, unresponsive_seconds=SECONDS)
    yield Bench(runner, tmp_path)
    await runner.close()
    assert runner_processes() == []


async def answering(bench: Bench) -> psutil.Process:
    """The runner, which has executed something already."""
    ended, _ = await bench.run(code("a", "1"))
    assert ended.state == "completed"
    [runner] = runner_processes()
    return runner


def stand_still() -> None:
    """As on a laptop that sleeps, nothing of this process goes on, its event loop included."""
    time.sleep(SECONDS + 1)


async def test_a_frozen_runner_is_killed_with_its_kernels_and_its_runs_say_so(bench: Bench) -> None:
    asked = bench.start(code("first", WRITES_PID), code("slow", WAITS), code("after", "1"))
    waits = bench.start(code("a", "1"))
    await until(lambda: asked.is_running("slow"))
    kernel = await bench.pid_in("kernel.pid")
    [runner] = runner_processes()
    runner.suspend()
    ended = await asked.ended()
    assert (ended.state, ended.cause) == ("failed", "interrupted")
    assert ended.message == "The runner process did not answer for 5 seconds and was killed while the run went on."
    assert bench.states(ended) == ["completed", "died", "not_run"]
    assert asked.output["metadata"]["hermes"]["cause"] == "interrupted"
    assert not is_alive(kernel)
    assert not is_alive(runner.pid)
    assert (await waits.ended()).state == "completed"


async def test_a_run_that_had_not_begun_in_a_frozen_runner_is_executed_by_the_next(bench: Bench) -> None:
    runner = await answering(bench)
    runner.suspend()
    ended, _ = await bench.run(code("a", "1"))
    assert ended.state == "completed"
    assert not is_alive(runner.pid)


async def test_a_frozen_runner_is_killed_though_its_keepers_are_frozen_too(bench: Bench) -> None:
    asked = bench.start(code("slow", WAITS))
    await until(lambda: asked.is_running("slow"))
    [runner] = runner_processes()
    frozen = [runner, *runner.parents()[:2]]
    assert all("keeper.py" in " ".join(keeper.cmdline()) for keeper in frozen[1:])
    for process in frozen:
        process.suspend()
    assert (await asked.ended()).cause == "interrupted"
    assert working_in(bench.folder) == []
    assert not any(is_alive(process.pid) for process in frozen)
    again, _ = await bench.run(code("a", "1"))
    assert again.state == "completed"


async def test_a_runner_whose_keepers_are_frozen_is_closed_all_the_same(bench: Bench) -> None:
    runner = await answering(bench)
    frozen = runner.parents()[:2]
    for keeper in frozen:
        keeper.suspend()
    await bench.runner.close()
    assert not any(is_alive(process.pid) for process in (runner, *frozen))


async def test_time_in_which_the_server_itself_stood_still_is_no_silence(bench: Bench) -> None:
    """A laptop that slept, a machine that swapped: when both go on, the runner is as it was."""
    runner = await answering(bench)
    asked = bench.start(code("slow", "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"))
    await until(lambda: asked.is_running("slow"))
    runner.suspend()
    await asyncio.sleep(UNTIL_ASKED)
    stand_still()
    runner.resume()
    (bench.folder / "go").touch()
    assert (await asked.ended()).state == "completed"
    assert runner_processes() == [runner]


async def test_a_killed_runner_whose_end_nobody_hears_is_lost_all_the_same(bench: Bench) -> None:
    """As of one that waits for a disk that is gone, and does not even die."""
    asked = bench.start(code("slow", WAITS))
    await until(lambda: asked.is_running("slow"))
    [runner] = runner_processes()
    with holding_its_pipes(runner):
        runner.suspend()
        assert (await asked.ended()).cause == "interrupted"
        again, _ = await bench.run(code("a", "1"))
        assert again.state == "completed"


async def test_a_runner_whose_end_nobody_hears_is_closed_all_the_same(bench: Bench) -> None:
    with holding_its_pipes(await answering(bench)):
        await bench.runner.close()


@contextmanager
def holding_its_pipes(process: psutil.Process) -> Iterator[None]:
    """Whoever reads what it writes hears no end, though it ends."""
    files = Path(f"/proc/{process.pid}/fd")
    pipes = [os.open(file, os.O_WRONLY) for file in files.iterdir() if is_written_pipe(file)]
    assert pipes
    try:
        yield
    finally:
        for pipe in pipes:
            os.close(pipe)


def is_written_pipe(file: Path) -> bool:
    """Whether this is the end of a pipe that is written to; the link's rights tell."""
    return str(file.readlink()).startswith("pipe:") and bool(file.lstat().st_mode & stat.S_IWUSR)


async def test_the_reason_is_told_when_no_runner_gets_as_far_as_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin of papermill that writes parameters for a language, and blocks whoever asks it."""
    described = tmp_path / "plugins" / "blocks-1.dist-info"
    described.mkdir(parents=True)
    (described.parent / "blocks.py").write_text(BLOCKS)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: blocks\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[papermill.engine]\nblocks = blocks:Engine\n")
    monkeypatch.setenv("PYTHONPATH", str(described.parent), prepend=os.pathsep)
    runner = SupervisedRunner(1, unresponsive_seconds=2)
    try:
        ended, _ = await Bench(runner, tmp_path).run(
            code("a", "1"), kernel_name="python3", language="blocks", parameters={"a": 1}
        )
    finally:
        await runner.close()
    assert (ended.state, ended.cause) == ("failed", "interrupted")
    assert ended.message == (
        "The runner process did not answer for 2 seconds and was killed before the run began. "
        "So it was 3 times; the log says more."
    )
