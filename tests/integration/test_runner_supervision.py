"""The runner in a process of its own: what happens when it, or who started it, goes away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from hermes_lab.runner.protocol import ExecutionEvent
from hermes_lab.runner.supervisor import SupervisedRunner
from tests.run_requests import Asked, Bench, is_alive, runner_processes, until
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("RUN-13")

WRITES_PID = "import os, pathlib; pathlib.Path('kernel.pid').write_text(str(os.getpid()))"
WAITS = "import time\ntime.sleep(1000)"
DETACHES = (
    "import subprocess\nchild = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
    "pathlib.Path('detached.pid').write_text(str(child.pid))"
)
STARTS_A_RUN = """
import asyncio, sys
from hermes_lab.runner.protocol import ExecuteNotebook
from hermes_lab.runner.supervisor import SupervisedRunner
request = ExecuteNotebook.model_validate_json(sys.stdin.read())
asyncio.run(SupervisedRunner().execute(request, lambda event: None))
"""


Supervised = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def supervised(tmp_path: Path) -> Supervised:
    @asynccontextmanager
    async def bench(concurrency: int = 2) -> AsyncIterator[Bench]:
        runner = SupervisedRunner(concurrency)
        try:
            yield Bench(runner, tmp_path)
        finally:
            await runner.close()
            assert runner_processes() == []

    return bench


async def test_runs_wait_in_their_order_for_a_free_place(supervised: Supervised) -> None:
    heard: list[str] = []

    def hear(event: ExecutionEvent) -> None:
        if event.kind == "started":
            heard.append(event.run_id)

    async with supervised(concurrency=1) as bench:
        requests = [bench.request(code("a", "print(1)")) for _ in range(3)]
        ended = await asyncio.gather(*(bench.runner.execute(request, hear) for request in requests))
    assert [each.state for each in ended] == ["completed"] * 3
    assert heard == [request.run_id for request in requests]


async def test_a_run_that_waits_is_told_its_position_whenever_it_changes(supervised: Supervised) -> None:
    async with supervised(concurrency=1) as bench:
        first = bench.start(code("slow", WAITS))
        await until(lambda: first.is_running("slow"))
        waiting = [bench.start(code("a", "1")) for _ in range(3)]
        await until(lambda: positions(waiting[-1]))
        assert [positions(each) for each in waiting] == [[1], [2], [3]]
        await bench.runner.cancel(waiting[1].request.run_id)
        await waiting[1].ended()
        assert [positions(each) for each in waiting] == [[1], [2], [3, 2]]
        await bench.runner.cancel(first.request.run_id)
        assert [(await each.ended()).state for each in waiting] == ["completed", "cancelled", "completed"]
        assert [positions(each) for each in waiting] == [[1, 0], [2], [3, 2, 1, 0]]
        assert positions(first) == [0]


def positions(asked: Asked) -> list[int]:
    """The places in the queue that a run was told; 0: it need not wait."""
    return [event.position for event in asked.events if event.kind == "queued"]


async def test_a_run_that_is_cancelled_while_it_waits_executes_nothing(supervised: Supervised) -> None:
    async with supervised(concurrency=1) as bench:
        first = bench.start(code("slow", WAITS))
        await until(lambda: first.is_running("slow"))
        second = bench.start(code("a", "open('written', 'w')"))
        await until(lambda: second.task)
        await asyncio.sleep(0)
        await bench.runner.cancel(second.request.run_id)
        ended = await second.ended()
        assert (ended.state, bench.states(ended)) == ("cancelled", ["not_run"])
        assert second.output["metadata"]["hermes"]["state"] == "cancelled"
        assert not (bench.folder / "written").exists()
        assert first.task is not None
        assert not first.task.done()


async def test_a_run_that_was_cancelled_before_the_runner_knew_of_it_executes_nothing(supervised: Supervised) -> None:
    async with supervised() as bench:
        ended, asked = await bench.run(code("a", "open('written', 'w')"), cancelled=True)
        assert (ended.state, bench.states(ended)) == ("cancelled", ["not_run"])
        assert asked.output["metadata"]["hermes"]["state"] == "cancelled"
        assert not (bench.folder / "written").exists()


async def test_a_run_is_cancelled_however_early_that_is_asked(supervised: Supervised) -> None:
    async with supervised() as bench:
        asked = bench.start(code("slow", WAITS))
        await asyncio.sleep(0)
        await bench.runner.cancel(asked.request.run_id)
        assert (await asked.ended()).state == "cancelled"


async def test_a_killed_runner_interrupts_its_runs_and_the_next_run_works(supervised: Supervised) -> None:
    async with supervised() as bench:
        first = code("first", f"{WRITES_PID}\n{DETACHES}\nprint('before', end='')")
        asked = bench.start(first, code("slow", WAITS), code("after", "1"))
        await until(lambda: asked.is_running("slow") and asked.printed("first"))
        kernel, detached = await bench.pid_in("kernel.pid"), await bench.pid_in("detached.pid")
        [runner] = runner_processes()
        runner.kill()
        ended = await asked.ended()
        assert (ended.state, ended.cause, ended.result) == ("failed", "interrupted", None)
        assert bench.states(ended) == ["completed", "died", "not_run"]
        assert not is_alive(kernel)
        assert not is_alive(detached)
        assert asked.output["metadata"]["hermes"]["cause"] == "interrupted"
        assert asked.cell("first")["metadata"]["hermes"]["output_bytes"] == len("before")
        assert asked.cell("slow")["metadata"]["papermill"]["status"] == "failed"
        assert asked.cell("after")["metadata"]["papermill"]["status"] == "pending"
        again, _ = await bench.run(code("a", "print('again')"))
        assert again.state == "completed"


async def test_a_closing_runner_interrupts_its_runs(supervised: Supervised) -> None:
    async with supervised() as bench:
        asked = bench.start(code("first", WRITES_PID), code("slow", WAITS))
        await until(lambda: asked.is_running("slow"))
        await bench.runner.close()
        ended = await asked.ended()
    assert (ended.state, ended.cause) == ("failed", "interrupted")
    assert not is_alive(await bench.pid_in("kernel.pid"))
    assert asked.output["metadata"]["hermes"]["state"] == "failed"


async def test_a_runner_that_is_closed_while_its_process_starts_leaves_none(supervised: Supervised) -> None:
    async with supervised() as bench:
        assert isinstance(bench.runner, SupervisedRunner)
        before = psutil.Process().children()
        starting = asyncio.create_task(bench.runner.start())
        await until(lambda: [child for child in psutil.Process().children() if child not in before])
        started = [child for child in psutil.Process().children() if child not in before]
        for _ in range(20):  # turns of the loop, in which it takes over the pipes; the process needs far longer
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})
        await bench.runner.close()
        assert not any(is_alive(child.pid) for child in started)


async def test_kernels_do_not_outlive_the_server(tmp_path: Path) -> None:
    bench = Bench(SupervisedRunner(), tmp_path)
    request = bench.request(code("slow", f"{WRITES_PID}\n{WAITS}"))
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", STARTS_A_RUN, stdin=pipe)
    assert server.stdin is not None
    server.stdin.write(request.model_dump_json().encode())
    server.stdin.close()
    kernel = await bench.pid_in("kernel.pid")
    [runner] = psutil.Process(server.pid).children()
    server.kill()
    await server.wait()
    await until(lambda: not is_alive(kernel) and not is_alive(runner.pid))
    assert Asked(request).output["metadata"]["hermes"] == {
        "run_id": request.run_id,
        "state": "failed",
        "cause": "interrupted",
    }


async def test_text_that_is_no_unicode_passes_between_the_processes(supervised: Supervised) -> None:
    async with supervised() as bench:
        ended, asked = await bench.run(code("a", "text = '\ud800'"), code("b", "print(ascii('\\ud800'))"))
    assert (ended.state, ended.cause) == ("failed", "cell_error")
    assert ended.result is not None
    assert ended.result.failed_cell is not None
    assert (ended.result.failed_cell.cell_id, ended.result.failed_cell.ename) == ("a", "NoReply")
    assert [output["ename"] for output in asked.cell("a")["outputs"]] == ["NoReply"]
    assert asked.cell("a")["source"]


async def test_a_listener_that_fails_costs_no_run_its_end(supervised: Supervised) -> None:
    def refuse(event: ExecutionEvent) -> None:
        raise RuntimeError(event.kind)

    async with supervised() as bench:
        ended = await bench.runner.execute(bench.request(code("a", "1")), refuse)
    assert ended.state == "completed"
