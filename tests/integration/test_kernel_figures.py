"""What is known of a kernel while it works: whether it is frozen, and what a cell costs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hermes_lab.runner.figures import Cost
from hermes_lab.runner.kernels import RunKernel, find_kernel_spec
from hermes_lab.runner.protocol import Limits
from tests.run_requests import working_in

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's"),
]
_SECONDS = 60
_MEGABYTE = 1_000_000


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[RunKernel]:
    limits = Limits(unresponsive_seconds=1.0)
    kernel = RunKernel("python3", find_kernel_spec("python3"), "figures", str(tmp_path), {}, limits=limits)
    await kernel.start()
    kernel.client.kernel_info()
    await kernel.client.get_shell_msg(timeout=_SECONDS)
    try:
        yield kernel
    finally:
        await kernel.stop(gracefully=False)
        assert working_in(tmp_path) == []


@pytest.fixture
def cost(kernel: RunKernel) -> Callable[[str], object]:
    async def measured(source: str) -> Cost:
        kernel.measure_begin()
        kernel.client.execute(source)
        reply = await kernel.client.get_shell_msg(timeout=_SECONDS)
        assert reply["content"]["status"] == "ok", reply
        return kernel.measure_end()

    return measured


@pytest.mark.requirement("KERNEL-2")
async def test_a_kernel_that_is_busy_in_c_is_not_frozen(kernel: RunKernel) -> None:
    """Python's lock is held for longer than the limit; a thread in C answers the heartbeat."""
    kernel.client.execute("import ctypes; ctypes.PyDLL(None).sleep(4)")
    await kernel.client.get_shell_msg(timeout=_SECONDS)
    assert not kernel.frozen.done()


@pytest.mark.requirement("KERNEL-2")
async def test_a_kernel_that_is_stopped_is_frozen(kernel: RunKernel) -> None:
    kernel.client.execute("import os; os.kill(os.getpid(), 19)")
    await asyncio.wait_for(kernel.frozen, _SECONDS)
    assert not kernel.exited.done()


BURNS = "import time\nuntil = time.process_time() + 0.5\nwhile time.process_time() < until: pass"


@pytest.mark.requirement("KERNEL-3")
async def test_processor_time_is_that_of_the_cell(cost: Callable[..., asyncio.Future[Cost]]) -> None:
    assert 0.5 <= ((await cost(BURNS))[0] or 0) < 1.0
    assert 0 < ((await cost("1"))[0] or 0) < 0.25


@pytest.mark.requirement("KERNEL-3")
@pytest.mark.parametrize("ends", ["child.wait()", "until = 'the child lives on'", ""], ids=["waited", "alive", "left"])
async def test_processor_time_of_what_the_cell_started_counts(
    cost: Callable[..., asyncio.Future[Cost]], ends: str
) -> None:
    burns = BURNS + "\nprint(flush=True)\ntime.sleep(1000)"
    source = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {burns!r}], stdout=subprocess.PIPE)
child.stdout.readline()
if {ends!r} == "child.wait()": child.kill()
{ends}"""
    assert 0.5 <= ((await cost(source))[0] or 0) < 1.5


@pytest.mark.requirement("KERNEL-3")
async def test_peak_memory_is_that_of_the_cell(cost: Callable[..., asyncio.Future[Cost]]) -> None:
    before = (await cost("1"))[1] or 0
    large = (await cost("block = bytearray(300_000_000); del block"))[1] or 0
    after = (await cost("1"))[1] or 0
    assert large - before > 280 * _MEGABYTE
    assert after - before < 50 * _MEGABYTE


@pytest.mark.requirement("KERNEL-3")
async def test_memory_of_several_processes_is_added_and_what_they_share_counts_once(
    cost: Callable[..., asyncio.Future[Cost]],
) -> None:
    shares = """
import os, signal, time
block = bytearray(b"x") * 200_000_000
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        own = bytearray(b"y") * 50_000_000
        time.sleep(1000)
    children.append(pid)
time.sleep(4)
for pid in children: os.kill(pid, 9)
"""
    peak = (await cost(shares))[1] or 0
    assert 400 * _MEGABYTE < peak < 700 * _MEGABYTE
