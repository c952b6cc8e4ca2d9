"""A kernel that is frozen ends its run, and each cell says what it cost."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import Limits
from tests.run_requests import Bench, is_alive, until
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("RUN-4", "CELL-7")

SAYS_LAST = (
    "import os, pathlib\npathlib.Path('kernel.pid').write_text(str(os.getpid()))\nprint('last')\nwhile True: pass"
)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(InProcessRunner(), tmp_path)
    yield bench
    await bench.runner.close()


async def test_a_frozen_kernel_is_unresponsive_and_is_killed(bench: Bench) -> None:
    asked = bench.start(
        code("first", "1"), code("freezes", SAYS_LAST), code("after", "1"), limits=Limits(unresponsive_seconds=2)
    )
    kernel = await bench.pid_in("kernel.pid")
    # Stopped by its own cell it could not send what it has printed: a thread of ZeroMQ does that after the print.
    await until(lambda: asked.printed("freezes"))
    os.kill(kernel, signal.SIGSTOP)
    ended = await asked.ended()
    assert (ended.state, ended.cause) == ("failed", "unresponsive")
    assert "has not answered for 2 seconds" in (ended.message or "")
    assert bench.states(ended) == ["completed", "died", "not_run"]
    assert ended.result is not None
    assert ended.result.failed_cell is not None
    assert (ended.result.failed_cell.cell_id, ended.result.failed_cell.ename) == ("freezes", "KernelUnresponsive")
    assert asked.printed("freezes") == "last\n"
    assert asked.cell("freezes")["outputs"][-1]["ename"] == "KernelUnresponsive"
    assert not is_alive(kernel)


async def test_a_kernel_that_computes_for_long_is_not_unresponsive(bench: Bench) -> None:
    busy = "import time\nend = time.monotonic() + 4\nwhile time.monotonic() < end: sum(range(100_000))"
    ended, _ = await bench.run(code("busy", busy), limits=Limits(unresponsive_seconds=2))
    assert ended.state == "completed"


async def test_each_cell_says_what_it_cost(bench: Bench) -> None:
    ended, asked = await bench.run(
        code("idle", "print('é')"), code("busy", "held = bytearray(80_000_000)\nn = sum(range(20_000_000))")
    )
    idle, busy = ended.cells
    assert idle.cpu_seconds is not None
    assert busy.cpu_seconds is not None
    assert busy.cpu_seconds > idle.cpu_seconds
    assert busy.cpu_seconds == round(busy.cpu_seconds, 6)
    assert idle.peak_memory_bytes is not None
    assert busy.peak_memory_bytes is not None
    assert busy.peak_memory_bytes > 80_000_000
    assert (idle.output_bytes, busy.output_bytes) == (3, 0)
    for timing in ended.cells:
        of_cell = asked.cell(timing.cell_id)["metadata"]["hermes"]
        assert of_cell["cpu_seconds"] == timing.cpu_seconds
        assert of_cell["peak_memory_bytes"] == timing.peak_memory_bytes
