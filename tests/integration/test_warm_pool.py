"""Kernels that are started ahead: a run cannot tell one from a fresh one, except by the time that it saves."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import ExecutionEnded
from hermes_lab.runner.supervisor import SupervisedRunner
from tests.run_requests import Asked, Bench, runner_processes, until
from tests.servers import Server
from tests.sessions import MAY_SET_SESSIONS, nice_of_the_session
from tests.written_notebooks import Json, code

pytestmark = pytest.mark.requirement("KERNEL-4")

WHO = "import os, psutil\nprint(os.getpid(), psutil.Process().create_time())"
ALL_THERE_IS = """
import json, os, random, sys
from IPython import get_ipython
ip = get_ipython()
print(json.dumps({
    "cwd": os.getcwd(),
    "names": sorted(ip.user_ns),
    "hidden": sorted(map(str, ip.user_ns_hidden)),
    "in": In, "out": Out, "dh": [str(path) for path in _dh], "starting": str(ip.starting_dir),
    "count": ip.execution_count,
    "history": [list(map(str, entry)) for entry in ip.history_manager.get_range(raw=True, output=False)],
    "last": [repr(name) for name in (_, __, ___, _i, _ii)],
    "path": sys.path,
    "argv": sys.argv[:1],
    "main": sorted(vars(sys.modules["__main__"])),
    "modules": sorted(sys.modules),
    "environment": {name: value for name, value in os.environ.items()
                    if name not in ("HERMES_LAB_RUN_ID", "JPY_PARENT_PID")},
    "threads": sorted(thread.name for thread in __import__("threading").enumerate()),
    "priority": os.getpriority(os.PRIO_PROCESS, 0),
    "signals": [str(__import__("signal").getsignal(number)) for number in (2, 15, 17)],
    "umask": os.umask(18), "linecache": len([name for name in __import__("linecache").cache if "ipykernel" in name]),
}))
"""
IMPORTS_NEIGHBOUR = "import neighbour, sys\nprint(neighbour.__file__, repr(sys.path.index('')))"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    folder, runtime = tmp_path / "work", tmp_path / "runtime"
    folder.mkdir()
    runtime.mkdir()
    bench = Bench(InProcessRunner(runtime, warm_kernels=1), folder)
    yield bench
    await bench.runner.close()
    assert waiting() == []
    assert list(runtime.iterdir()) == []


def waiting() -> list[psutil.Process]:
    """The kernels below this process, but for those of servers that other tests share."""
    of_servers = {
        each for server in Server.started for each in psutil.Process(server.process_id).children(recursive=True)
    }
    below = psutil.Process().children(recursive=True)
    return [each for each in below if each not in of_servers and is_kernel(each)]


def is_kernel(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
        return "ipykernel_launcher" in words and "keeper.py" not in " ".join(words)
    except psutil.Error:
        return False


async def warm(bench: Bench, environment: dict[str, str] | None = None) -> psutil.Process:
    """A kernel that waits in the pool, and has answered: it sleeps."""
    assert isinstance(bench.runner, InProcessRunner)
    bench.runner.prepare("python3", environment or {})
    return await ready_kernel()


async def ready_kernel(other_than: int | None = None) -> psutil.Process:
    def ready() -> psutil.Process | None:
        for kernel in waiting():
            if kernel.pid != other_than and quiet(kernel):
                return kernel
        return None

    found: psutil.Process = await until(ready)
    return found


def quiet(kernel: psutil.Process) -> bool:
    """Whether it has answered, and sleeps."""
    try:
        before = kernel.cpu_times()
        return (
            # The keeper's child is forked before it is the kernel; it answers when its heartbeat and iopub run.
            kernel.num_threads() > 5
            and kernel.nice() == os.getpriority(os.PRIO_PROCESS, 0)
            and psutil.Process(kernel.pid).status() == "sleeping"
            and kernel.cpu_times() == before
        )
    except psutil.NoSuchProcess:
        return False


def used(asked: Asked, cell_id: str = "who") -> int:
    """The process id of the kernel that a run had."""
    return int(asked.printed(cell_id).split()[0])


async def run(bench: Bench, *cells: Json, **fields: Any) -> tuple[ExecutionEnded, Asked]:
    ended, asked = await bench.run(code("who", WHO), *cells, **fields)
    assert ended.state == "completed", ended
    return ended, asked


async def test_a_run_gets_the_kernel_that_waits_and_another_takes_its_place(bench: Bench) -> None:
    first = await warm(bench)
    _, asked = await run(bench)
    assert used(asked) == first.pid
    second = await ready_kernel(other_than=first.pid)
    _, again = await run(bench)
    assert used(again) == second.pid


async def test_a_run_cannot_tell_the_kernel_from_a_fresh_one(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    environment = {"HERMES_TOKEN": "s", "PYTHONPATH": str(tmp_path / "library")}
    cold = await bench.run(code("all", ALL_THERE_IS), environment=environment)
    kernel = await warm(bench, environment)
    warmed = await bench.run(code("all", ALL_THERE_IS), code("who", WHO), environment=environment)
    assert used(warmed[1]) == kernel.pid
    fresh, handed_out = (json.loads(asked.printed("all")) for _, asked in (cold, warmed))
    assert handed_out == fresh
    assert [cell[1].cell("all")["execution_count"] for cell in (cold, warmed)] == [1, 1]
    kept = [asked.output["metadata"]["language_info"] for _, asked in (cold, warmed)]
    assert kept[0] == kept[1]
    assert kept[0]["name"] == "python"


async def test_a_run_works_in_its_folder_and_imports_from_there(bench: Bench) -> None:
    (bench.folder / "neighbour.py").write_text("")
    kernel = await warm(bench)
    _, asked = await run(bench, code("imports", IMPORTS_NEIGHBOUR), code("magic", "%cd /\n%cd -\n%pwd"))
    assert used(asked) == kernel.pid
    assert asked.printed("imports").startswith(str(bench.folder / "neighbour.py"))
    assert asked.cell("magic")["outputs"][-1]["data"]["text/plain"] == [repr(str(bench.folder))]


MAY_RENICE = sys.platform.startswith("linux") and bool(
    int(re.findall(r"CapEff:\s+(\w+)", Path("/proc/self/status").read_text())[0], 16) & 1 << 23
)
"""Whether this process may raise a priority again (CAP_SYS_NICE); where not, none is lowered."""
# The kernel is on its way for as long as there is no file "go"; nothing else that is started with this path waits.
WAITS_AT_ITS_START = """
import os, pathlib, sys, time
here = pathlib.Path(__file__).parent
if "ipykernel_launcher" in sys.orig_argv:
    (here / "kernel.pid.tmp").write_text(str(os.getpid()))
    (here / "kernel.pid.tmp").rename(here / "kernel.pid")
    while not (here / "go").exists(): time.sleep(0.01)
"""
SAYS_PRIORITY = "import os\nprint(os.getpid(), os.getpriority(os.PRIO_PROCESS, 0))"


@pytest.fixture
async def on_its_way(bench: Bench, tmp_path: Path) -> psutil.Process:
    """A kernel that is started ahead, and stays in the middle of that until ``tmp_path / "go"`` is there."""
    (tmp_path / "sitecustomize.py").write_text(WAITS_AT_ITS_START)
    assert isinstance(bench.runner, InProcessRunner)
    bench.runner.prepare("python3", {"PYTHONPATH": str(tmp_path)})
    file = tmp_path / "kernel.pid"
    await until(file.exists)
    return psutil.Process(int(file.read_text()))


async def test_a_kernel_that_is_started_ahead_is_at_a_low_priority_until_it_is_ready(
    bench: Bench, tmp_path: Path, on_its_way: psutil.Process
) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    await until(lambda: (on_its_way.nice() > own) == MAY_RENICE)
    await until(lambda: nice_of_the_session(on_its_way.pid) == ("5" if MAY_SET_SESSIONS else "0"))
    (tmp_path / "go").touch()
    await until(lambda: on_its_way.nice() == own)
    await until(lambda: nice_of_the_session(on_its_way.pid) == "0")
    ended, asked = await bench.run(code("says", SAYS_PRIORITY), environment={"PYTHONPATH": str(tmp_path)})
    assert ended.state == "completed"
    assert asked.printed("says") == f"{on_its_way.pid} {own}\n"


async def test_a_kernel_that_a_run_waits_for_is_at_a_low_priority_no_more(
    bench: Bench, tmp_path: Path, on_its_way: psutil.Process
) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    await until(lambda: (on_its_way.nice() > own) == MAY_RENICE)
    asked = bench.start(code("says", SAYS_PRIORITY), environment={"PYTHONPATH": str(tmp_path)})
    await until(lambda: on_its_way.nice() == own)
    (tmp_path / "go").touch()
    assert (await asked.ended()).state == "completed"
    assert asked.printed("says") == f"{on_its_way.pid} {own}\n"


async def test_two_kernels_do_not_draw_the_same_random_numbers(bench: Bench) -> None:
    drawn = set()
    for _ in range(2):
        await warm(bench)
        _, asked = await run(bench, code("draws", "import random\nprint(random.random(), hash('x'))"))
        drawn.add(asked.printed("draws"))
    assert len(drawn) == 2


async def test_a_variable_that_is_read_at_the_start_gets_a_kernel_that_is_started_with_it(bench: Bench) -> None:
    kernel = await warm(bench)
    _, asked = await run(bench, code("a", "import sys; print(hash('x'))"), environment={"PYTHONHASHSEED": "1"})
    assert used(asked) != kernel.pid
    _, again = await run(bench, code("a", "import sys; print(hash('x'))"), environment={"PYTHONHASHSEED": "1"})
    assert asked.printed("a") == again.printed("a")


async def test_a_folder_on_the_path_that_hides_the_kernels_own_modules_still_does(bench: Bench, tmp_path: Path) -> None:
    await warm(bench)
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "ipykernel_launcher.py").write_text("raise SystemExit('no kernel today')")
    ended, _ = await bench.run(code("a", "1"), environment={"PYTHONPATH": str(shadow)})
    assert (ended.state, ended.cause) == ("failed", "kernel_failed_to_start")


async def test_a_kernel_that_died_while_it_waited_is_replaced(bench: Bench) -> None:
    first = await warm(bench)
    first.kill()
    second = await ready_kernel(other_than=first.pid)
    _, asked = await run(bench)
    assert used(asked) == second.pid


async def test_a_kernel_that_is_frozen_while_it_waits_costs_a_run_time_and_no_more(bench: Bench) -> None:
    first = await warm(bench)
    first.suspend()
    _, asked = await run(bench)
    assert used(asked) != first.pid


async def test_a_kernel_that_freezes_in_its_first_cell_is_noticed(bench: Bench) -> None:
    await warm(bench)
    stops = "import os; os.kill(os.getpid(), 19)"
    ended, _ = await bench.run(code("stops", stops), limits={"unresponsive_seconds": 1.0})
    assert (ended.state, ended.cause) == ("failed", "unresponsive")


async def test_a_run_that_comes_while_its_kernel_is_started_waits_for_that_one(bench: Bench) -> None:
    assert isinstance(bench.runner, InProcessRunner)
    bench.runner.prepare("python3", {})
    coming = (await until(waiting))[0]
    _, asked = await run(bench)
    assert used(asked) == coming.pid


async def test_a_kernel_from_before_a_package_was_installed_is_not_used(bench: Bench, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    environment = {"PYTHONPATH": str(library)}
    old = await warm(bench, environment)
    (library / "brought_along.py").write_text("here = True")
    _, asked = await run(bench, code("a", "import brought_along"), environment=environment)
    assert used(asked) != old.pid


async def test_a_kernel_of_a_changed_kernel_spec_is_not_used(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "kernels" / "mine"
    folder.mkdir(parents=True)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Mine",
        "language": "python",
        "env": {"MINE": "old"},
    }
    (folder / "kernel.json").write_text(json.dumps(spec))
    assert isinstance(bench.runner, InProcessRunner)
    bench.runner.prepare("mine", {})
    old = await ready_kernel()
    (folder / "kernel.json").write_text(json.dumps({**spec, "env": {"MINE": "new"}}))
    _, asked = await run(bench, code("a", "print(os.environ['MINE'])"), kernel_name="mine")
    assert used(asked) != old.pid
    assert asked.printed("a") == "new\n"


async def test_a_kernel_may_wait_while_others_write_their_history(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    waits = await warm(bench)
    (tmp_path / "ipython" / "profile_default" / "history.sqlite-journal").write_text("")
    _, asked = await run(bench)
    assert used(asked) == waits.pid


async def test_a_kernel_from_before_its_profile_was_configured_is_not_used(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    old = await warm(bench)
    (tmp_path / "ipython" / "profile_default" / "ipython_config.py").write_text("")
    _, asked = await run(bench)
    assert used(asked) != old.pid


async def test_a_profile_that_executes_code_at_the_start_does_so_where_the_run_is(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (startup / "first.py").write_text("import os; started_in = os.getcwd(), os.environ.get('HERMES_TOKEN')")
    for _ in range(2):  # the second time, it is known that none may wait
        _, asked = await run(bench, code("a", "print(started_in)"), environment={"HERMES_TOKEN": "s"})
        assert asked.printed("a") == f"{(str(bench.folder), 's')}\n"


async def test_a_profile_that_shows_text_in_its_own_way_costs_no_run_its_kernel(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    own = "get_ipython().display_formatter.formatters['text/plain'].for_type(str, lambda text, p, _: p.text(text))"
    (startup / "first.py").write_text(own)
    assert isinstance(bench.runner, InProcessRunner)
    bench.runner.prepare("python3", {})
    for _ in range(2):
        await run(bench)


async def test_kernels_that_wait_end_with_the_runner(tmp_path: Path) -> None:
    runner = SupervisedRunner(1, warm_kernels=1)
    try:
        await runner.start()
        await runner.prepare("python3", {})
        kernel = await ready_kernel()
        [process] = runner_processes()
        process.kill()
        await until(lambda: not psutil.pid_exists(kernel.pid))
        another = await ready_kernel(other_than=kernel.pid)
        _, asked = await run(Bench(runner, tmp_path))
        assert used(asked) == another.pid
    finally:
        await runner.close()
    assert waiting() == []


async def test_the_interpreter_of_a_kernel_that_only_the_server_knows_is_asked_for_its_packages_ahead(
    bench: Bench, tmp_path: Path
) -> None:
    assert isinstance(bench.runner, InProcessRunner)
    asked, interpreter = tmp_path / "asked", tmp_path / "python-of-the-house"
    interpreter.write_text(f'#!/bin/sh\n[ "$1" = -c ] && touch "{asked}"\nexec "{sys.executable}" "$@"\n')
    interpreter.chmod(0o755)
    command = [str(interpreter), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    bench.runner.prepare("of_the_house", {}, {"argv": command, "display_name": "House", "language": "python"})
    await until(asked.exists)
