"""What a kernel starts is gone when its run is, however far it went to get away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from hermes_lab.runner import cgroups, keeper
from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.supervisor import SupervisedRunner
from tests.run_requests import Bench, is_alive, until, working_in
from tests.written_notebooks import code

pytestmark = [
    pytest.mark.requirement("RUN-6", "KERNEL-1"),
    pytest.mark.skipif(sys.platform != "linux", reason="keepers are Linux's; elsewhere test_runner shows what holds"),
]

WAITS = "import time\ntime.sleep(1000)"
FORKS_50 = """
import os, pathlib, time
pids = []
for _ in range(50):
    pid = os.fork()
    if pid == 0:
        time.sleep(1000)
    pids.append(pid)
pathlib.Path("left.pids").write_text(" ".join(map(str, pids)))
"""
# A fork of a fork, in a session of its own, with nothing in its environment and no file of the kernel's open.
DETACHES = """
import os, pathlib, sys, time
DAEMON = "import os, pathlib, time; pathlib.Path('left.tmp').write_text(str(os.getpid())); " \\
    "os.rename('left.tmp', 'left.pids'); time.sleep(1000)"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 100)
        os.execve(sys.executable, [sys.executable, "-c", DAEMON], {})
    os._exit(0)
while not pathlib.Path("left.pids").exists():
    time.sleep(0.01)
"""
# Never the same process for long: each forks one and ends.
FLEES = """
import pathlib, subprocess, sys, time
DAEMON = '''
import os, pathlib
os.setsid()
count = 0
while True:
    if os.fork():
        os._exit(0)
    count += 1
    if count % 100 == 0:
        pathlib.Path('left.tmp').write_text(str(os.getpid()))
        os.rename('left.tmp', 'left.pids')
'''
subprocess.Popen([sys.executable, "-c", DAEMON], env={})
while not pathlib.Path("left.pids").exists():
    time.sleep(0.01)
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(InProcessRunner(tmp_path), tmp_path)
    yield bench
    await bench.runner.close()


async def left_behind(bench: Bench) -> list[int]:
    """The process ids that a cell noted."""
    file = bench.folder / "left.pids"
    return [int(pid) for pid in (await until(lambda: file.exists() and file.read_text())).split()]


@pytest.mark.parametrize("source", [FORKS_50, DETACHES, FLEES], ids=["50 children", "detached", "fleeing"])
@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "os._exit(1)", "os.kill(os.getpid(), 9)"])
async def test_nothing_outlives_a_run_however_it_ends(bench: Bench, source: str, end: str) -> None:
    await bench.run(code("leaves", source), code("ends", f"import os\n{end}"))
    assert await left_behind(bench)
    assert working_in(bench.folder) == []


@pytest.mark.parametrize("source", [DETACHES, FLEES], ids=["detached", "fleeing"])
async def test_nothing_outlives_a_cancelled_run(bench: Bench, source: str) -> None:
    asked = bench.start(code("leaves", source), code("slow", WAITS))
    await until(lambda: asked.is_running("slow"))
    await bench.runner.cancel(asked.request.run_id)
    assert (await asked.ended()).state == "cancelled"
    assert working_in(bench.folder) == []


@pytest.mark.parametrize("generation", [1, 2], ids=["the inner keeper", "the outer keeper"])
async def test_nothing_outlives_a_keeper_that_was_killed(bench: Bench, generation: int) -> None:
    asked = bench.start(code("leaves", DETACHES), code("slow", WAITS))
    await until(lambda: asked.is_running("slow"))
    keeper = psutil.Process((await left_behind(bench))[0]).parents()[generation - 1]
    assert any("keeper.py" in word for word in keeper.cmdline())
    keeper.kill()
    ended = await asked.ended()
    assert (ended.state, ended.cause) == ("failed", "kernel_died")
    assert working_in(bench.folder) == []


async def test_a_keeper_that_is_stopped_delays_the_end_and_does_not_prevent_it(bench: Bench) -> None:
    ended, _ = await bench.run(code("leaves", DETACHES), code("stops", "os.kill(os.getppid(), 19)"))
    assert ended.state == "completed"
    assert working_in(bench.folder) == []


async def test_not_even_when_every_keeper_was_killed_and_nothing_is_marked(tmp_path: Path) -> None:
    """The runner has a keeper of its own, which is not above the kernel's parents alone."""
    runner = SupervisedRunner(1)
    bench = Bench(runner, tmp_path)
    try:
        asked = bench.start(code("leaves", DETACHES), code("slow", WAITS))
        await until(lambda: asked.is_running("slow"))
        [left] = await left_behind(bench)
        keepers = psutil.Process(left).parents()[:2]
        for keeper in keepers:  # all of them before the first is killed: the other would see to the rest
            keeper.suspend()
        for keeper in keepers:
            keeper.kill()
        assert (await asked.ended()).cause == "kernel_died"
        await until(lambda: working_in(tmp_path) == [])
    finally:
        await runner.close()


async def test_a_kernel_with_children_that_nobody_waited_for_ends_in_its_own_way(bench: Bench) -> None:
    """ipykernel itself waits for seconds for a child that has ended already, and would be killed before its hooks."""
    leaves = (
        "import atexit, pathlib, subprocess\nfor _ in range(3): subprocess.Popen(['true'])\n"
        "atexit.register(pathlib.Path('left').write_text, 'bye')\nkept = open('kept', 'w')\nkept.write('unflushed')"
    )
    ended, _ = await bench.run(code("leaves", leaves))
    assert ended.state == "completed"
    assert (bench.folder / "left").read_text() == "bye"
    assert (bench.folder / "kept").read_text() == "unflushed"


async def test_what_a_kernel_leaves_behind_may_end_in_its_own_way(bench: Bench) -> None:
    child = (
        "import os, pathlib, signal, sys, time\n"
        "def end(*_): pathlib.Path('ended').write_text('bye'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\npathlib.Path('left.pids').write_text(str(os.getpid()))\ntime.sleep(1000)"
    )
    source = (
        f"import pathlib, subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "while not pathlib.Path('left.pids').exists(): time.sleep(0.01)"
    )
    await bench.run(code("leaves", source))
    assert (bench.folder / "ended").read_text() == "bye"
    assert working_in(bench.folder) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_the_signal_that_killed_a_kernel_is_named(bench: Bench, number: signal.Signals) -> None:
    ended, _ = await bench.run(code("dies", f"import os\nos.kill(os.getpid(), {int(number)})"))
    assert ended.result is not None
    assert ended.result.failed_cell is not None
    assert f"killed by {number.name}" in ended.result.failed_cell.evalue


async def test_a_cell_that_kills_its_own_process_group_dies_alone(bench: Bench) -> None:
    """The group is the kernel's own; its keepers, which must see to the rest, are not in it."""
    ended, _ = await bench.run(code("leaves", DETACHES), code("dies", "os.killpg(0, 9)"))
    assert ended.cause == "kernel_died"
    assert working_in(bench.folder) == []


async def test_an_interrupt_reaches_the_kernel_and_its_children(bench: Bench) -> None:
    waits = (
        "import os, pathlib, subprocess\nchild = subprocess.Popen(['sleep', '1000'])\n"
        "pathlib.Path('left.tmp').write_text(str(child.pid))\n"
        "try:\n    os.rename('left.tmp', 'left.pids')\n    child.wait()\n"
        "finally:\n    child.wait()\n    print('child ended')"
    )
    asked = bench.start(code("slow", waits))
    await left_behind(bench)
    await bench.runner.cancel(asked.request.run_id)
    assert (await asked.ended()).state == "cancelled"
    assert asked.printed("slow") == "child ended\n"
    assert asked.cell("slow")["outputs"][-1]["ename"] == "KeyboardInterrupt"


async def test_a_killed_runner_leaves_nothing(tmp_path: Path) -> None:
    runner = SupervisedRunner(1)
    bench = Bench(runner, tmp_path)
    try:
        asked = bench.start(code("leaves", DETACHES), code("slow", WAITS))
        await until(lambda: asked.is_running("slow"))
        [kernel, *_] = [each for each in working_in(tmp_path) if "ipykernel_launcher" in each.cmdline()]
        pids = [parent.pid for parent in kernel.parents() if "hermes_lab.runner" in parent.cmdline()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert (await asked.ended()).cause == "interrupted"
        assert working_in(tmp_path) == []
        assert not any(map(is_alive, pids))
    finally:
        await runner.close()


SAYS_CGROUP = "import pathlib\npathlib.Path('cgroup').write_text(open('/proc/self/cgroup').read())"


def cgroup_of_the_kernel(folder: Path) -> Path | None:
    """The cgroup (version 2) that a kernel noted; None where it has none of its own, for none may be made here."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    mount = next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)
    lines = (folder / "cgroup").read_text().splitlines()
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::")), "")
    if mount is None or not Path(path).name.startswith("hermes-"):
        return None
    return mount / path


@pytest.fixture
def inhabitant() -> Iterator[int]:
    """A process that stays where it is put."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process.pid
        process.kill()


async def test_a_cgroup_whose_keepers_were_killed_is_removed_by_a_later_runner(tmp_path: Path, inhabitant: int) -> None:
    first, later = SupervisedRunner(1), SupervisedRunner(1)
    bench = Bench(first, tmp_path)
    asked = bench.start(code("leaves", f"{DETACHES}\n{SAYS_CGROUP}"), code("slow", WAITS))
    await until(lambda: asked.is_running("slow"))
    [left] = await left_behind(bench)
    keepers = psutil.Process(left).parents()[:2]
    for each in keepers:  # all of them before the first is killed: the other would see to the rest
        each.suspend()
    for each in keepers:
        each.kill()
    await asked.ended()
    await first.close()
    left_over = cgroup_of_the_kernel(tmp_path)
    if left_over is None:  # as on many a machine in CI: none may be made, and nothing needs to be removed
        assert cgroups.make_cgroup() is None
        assert working_in(tmp_path) == []
        await later.close()
        return
    fresh, used = (left_over.with_name(f"hermes-{uuid.uuid4().hex}") for _ in range(2))
    fresh.mkdir()
    used.mkdir()
    try:
        (used / "cgroup.procs").write_text(str(inhabitant))
        for folder in (left_over, used):  # a fresh one may be empty because its kernel is about to come
            os.utime(folder, (0, 0))
        ended, _ = await Bench(later, tmp_path).run(code("a", "1"))
        assert ended.state == "completed"
        assert [folder.exists() for folder in (left_over, fresh, used)] == [False, True, True]
    finally:
        await later.close()
        (left_over.parent / "cgroup.procs").write_text(str(inhabitant))
        for folder in (fresh, used):
            folder.rmdir()


PROGRAM = "import sys\nexec(sys.argv[1])"


@pytest.mark.parametrize("source", [FORKS_50, DETACHES, FLEES], ids=["50 children", "detached", "fleeing"])
def test_a_keeper_without_a_cgroup_leaves_nothing_either(tmp_path: Path, source: str) -> None:
    ours, its = socket.socketpair()
    command = [sys.executable, "-I", "-S", keeper.__file__, str(its.fileno()), "0", "", sys.executable, "-c", PROGRAM]
    kept = subprocess.run([*command, source + "\nsys.exit(7)"], pass_fds=[its.fileno()], cwd=tmp_path, check=False)
    its.close()
    assert kept.returncode == 7
    assert ours.recv(1000).splitlines()[-1] == b"clean"
    assert (tmp_path / "left.pids").exists()
    assert working_in(tmp_path) == []
    ours.close()
