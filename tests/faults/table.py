"""The table: every fault that a run may meet, and what must have become of it (issue 3)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil

from tests.faults.fault import PYTHON, Expected, Fault
from tests.faults.scene import Scene
from tests.kernel_provisioners import install_provisioners, provisioned
from tests.written_notebooks import Json, code, markdown, notebook

AT_ONCE = 10.0
"""Nothing is waited for: the fault is seen, what was left is cleaned up, the output is written."""
GRACE = 3.0
"""From an interrupt until the kernel is killed (the default of `Limits`)."""
PATIENCE = 3.0
"""How long a heartbeat may stay away, in the rows about frozen kernels."""
RUNNERS_PATIENCE = 10.0
"""How long the runner may be silent, in the rows about frozen runners; by itself it may for two minutes."""
RUNNERS_KEEPERS_PATIENCE = 12.0
"""How long the runner's keeper may take over what the runner leaves behind, before it is killed itself."""
KEEPERS_PATIENCE = 8.0
"""How long a kernel's keeper may take, before all that it should have killed is looked for."""
BUSY_CELL = 2.0
"""The time limit of a cell, in the rows about time limits: the cell before has it too, on a busy machine."""
BUSY_RUN = 8.0
"""The time limit of a run; its kernel starts in it."""
GIGABYTE = 1_000_000_000
A_SLOW_DISK = 120.0
"""How long a gigabyte may take to be printed, counted and kept."""

BEGINS = """
import os, pathlib, signal, subprocess, sys, threading, time
def note(*pids):
    with open("pids", "a") as file:
        file.write("".join(f"{pid}\\n" for pid in pids))
def strike():
    pathlib.Path("struck").write_text(repr(time.time()))
def wait_for(name):
    while not os.path.exists(name): time.sleep(0.01)
def stay():
    strike()
    while True: time.sleep(1000)
note(os.getpid())
pathlib.Path("kernel.pid").write_text(str(os.getpid()))
"""
DAEMON = """
def daemon():
    "A process that has left its parent, its session, its folder and its environment."
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, str(os.getpid()).encode())
            os.chdir("/")
            os.closerange(0, 100)
            os.execve("/bin/sleep", ["sleep", "1000"], {})
        os._exit(0)
    os.wait()
    return int(os.read(reader, 20))
note(daemon())
"""
CHILD = 'note(subprocess.Popen(["sleep", "1000"], start_new_session=True, stdin=-3, stdout=-3, stderr=-3).pid)\n'
FIFTY = """
for number in range(50):
    child = os.fork()
    if child == 0:
        os.setsid()
        time.sleep(1000)
        os._exit(0)
    note(child)
"""

COMPLETED = ("completed", "completed", "completed")
DIED = ("completed", "died", "not_run")
FAILED = ("completed", "failed", "not_run")
NOTHING_RAN = ("not_run", "not_run", "not_run")


def cells(source: str, *, first: str = "") -> tuple[Json, ...]:
    """Three cells: one that ends well, the one with the fault, and one that comes after it."""
    return (
        code("first", BEGINS + first),
        markdown("text", "The fault is below."),
        code("fault", source),
        code("after", "print('after')"),
    )


def late(thread: str) -> tuple[Json, ...]:
    """A thread prints while the cell after its own is running."""
    starts = (
        "import contextvars\ndef late():\n    wait_for('go')\n    print('late', flush=True)\n"
        f"    open('said', 'w').close()\n{thread}.start()\nprint('own', flush=True)\nstrike()"
    )
    waits = "open('go', 'w').close()\nwait_for('said')\nprint('after')"
    return code("first", BEGINS), code("fault", starts), code("after", waits)


def kills_the_kernel(scene: Scene) -> None:
    """SIGKILL, as the kernel of the machine does it when memory is short."""
    scene.wait_for_the_cell()
    scene.strikes_now()
    os.kill(scene.kernel, signal.SIGKILL)


def freezes_the_kernel(scene: Scene) -> None:
    """SIGSTOP: it lives, and answers nothing."""
    scene.wait_for_the_cell()
    scene.strikes_now()
    os.kill(scene.kernel, signal.SIGSTOP)


def freezes_the_keeper_of_the_kernel(scene: Scene) -> None:
    """SIGSTOP for the process that would see the kernel end, and SIGKILL for the kernel."""
    scene.wait_for_the_cell()
    scene.strikes_now()
    parent = psutil.Process(scene.kernel).parent()
    if parent is not None and parent != scene.executor:
        parent.suspend()
    os.kill(scene.kernel, signal.SIGKILL)


def freezes_the_executor(scene: Scene) -> None:
    """SIGSTOP for whoever executes the run."""
    scene.wait_for_the_cell()
    scene.strikes_now()
    if scene.executor is not None:
        scene.executor.suspend()


def freezes_its_keeper_and_kills_the_executor(scene: Scene) -> None:
    """SIGSTOP for the process that would see the runner end, and SIGKILL for the runner."""
    scene.wait_for_the_cell()
    scene.strikes_now()
    if scene.executor is not None:
        keeper = scene.executor.parent()
        if keeper is not None:
            keeper.suspend()
        scene.executor.kill()


def kills_the_executor(scene: Scene) -> None:
    """SIGKILL for whoever executes the run."""
    scene.wait_for_the_cell()
    scene.strikes_now()
    if scene.executor is not None:
        scene.executor.kill()


def kills_the_server(scene: Scene) -> None:
    """SIGKILL for the server, which is then started again."""
    scene.wait_for_the_cell()
    scene.strikes_now()
    if scene.restart is not None:
        scene.restart()


def asks_for_the_same_output(scene: Scene) -> None:
    """A second run to the output path of one that goes on."""
    scene.wait_for_the_cell()
    if scene.ask_again is not None:
        scene.second_answer = scene.ask_again()
    scene.strikes_now()
    scene.let_go()


def in_a_folder_that_is_read_only(scene: Scene) -> list[str]:
    """The output folder cannot be written. Root could all the same, and is kept from it."""
    scene.output.parent.mkdir(mode=0o500)
    return ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []


def on_a_full_disk(scene: Scene) -> list[str]:
    """A disk of one megabyte; where nothing may be mounted, a limit for the size of any file."""
    scene.output.parent.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "full", str(scene.output.parent)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        return []
    return ["prlimit", "--fsize=1000000"]


def died(how: str) -> dict[str, Any]:
    """A row of a kernel that ends in the middle of a cell."""
    return {"name": how, "expected": Expected("failed", "kernel_died", DIED, AT_ONCE, ("fault", "KernelDied"))}


def raised(ename: str) -> Expected:
    """The cell raises at once."""
    return Expected("failed", "cell_error", FAILED, AT_ONCE, ("fault", ename))


def unstarted(cause: str, within: float = AT_ONCE) -> Expected:
    """There is no kernel to run in."""
    return Expected("failed", cause, NOTHING_RAN, within)


def timed_out(seconds: float) -> Expected:
    """The cell is interrupted, has its grace, and is killed."""
    return Expected("failed", "timed_out", FAILED, seconds + GRACE + AT_ONCE, ("fault", "CellTimeout"))


KERNEL = (
    Fault(**died("kernel kills itself with SIGKILL"), cells=cells("strike()\nos.kill(os.getpid(), signal.SIGKILL)")),
    Fault(**died("kernel is killed with SIGKILL"), cells=cells("stay()"), strikes=kills_the_kernel),
    Fault(**died("os._exit(3)"), cells=cells("strike()\nos._exit(3)")),
    Fault(**died("segmentation fault"), cells=cells("import ctypes\nstrike()\nctypes.string_at(0)")),
    Fault("sys.exit(3)", raised("SystemExit"), cells("strike()\nsys.exit(3)")),
    Fault(
        "sys.exit(0), papermill's way to end a notebook early",
        Expected("completed", None, ("completed", "completed", "not_run"), AT_ONCE),
        cells("strike()\nsys.exit(0)"),
    ),
    Fault(
        "kernel is stopped with SIGSTOP",
        Expected("failed", "unresponsive", DIED, PATIENCE + GRACE + AT_ONCE, ("fault", "KernelUnresponsive")),
        cells("stay()"),
        strikes=freezes_the_kernel,
        request={"limits": {"unresponsive_seconds": PATIENCE}},
    ),
    Fault(
        "cell holds the interpreter lock for longer than a heartbeat may stay away",
        Expected("completed", None, COMPLETED, 2 * PATIENCE + AT_ONCE),
        cells(f"import ctypes\nstrike()\nctypes.PyDLL(None).sleep({2 * PATIENCE:.0f})"),
        request={"limits": {"unresponsive_seconds": PATIENCE}},
    ),
    Fault(
        "memory is used up (RLIMIT_AS)",
        raised("MemoryError"),
        cells(
            "import resource\nused = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
            "resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000,) * 2)\nstrike()\nbytearray(10**9)"
        ),
    ),
    Fault("kernel ends at its start", unstarted("kernel_failed_to_start"), cells("1"), request={"kernel_name": "ends"}),
    Fault(
        "kernel never answers",
        unstarted("kernel_failed_to_start", 3.0 + AT_ONCE),
        cells("1"),
        request={"kernel_name": "silent", "limits": {"start_seconds": 3.0}},
    ),
    Fault(
        "provisioner of the kernel never comes back",
        unstarted("kernel_failed_to_start", 3.0 + AT_ONCE),
        cells("1"),
        request={"kernel_name": "hangs", "limits": {"start_seconds": 3.0}},
    ),
    Fault(
        "program of the kernel is missing",
        unstarted("kernel_failed_to_start"),
        cells("1"),
        request={"kernel_name": "gone"},
    ),
    Fault("kernel spec is missing", unstarted("kernel_not_found"), cells("1"), request={"kernel_name": "unheard-of"}),
)

TIME = (
    Fault(
        "cell takes too long",
        timed_out(BUSY_CELL),
        cells("stay()"),
        request={"cell_timeout_seconds": BUSY_CELL},
    ),
    Fault("run takes too long", timed_out(BUSY_RUN), cells("stay()"), request={"timeout_seconds": BUSY_RUN}),
    Fault(
        "cell takes too long and ignores SIGINT",
        timed_out(BUSY_CELL),
        cells("signal.signal(signal.SIGINT, signal.SIG_IGN)\nstay()"),
        request={"cell_timeout_seconds": BUSY_CELL},
    ),
    Fault(
        "cell takes too long and catches KeyboardInterrupt",
        timed_out(BUSY_CELL),
        cells("strike()\nwhile True:\n    try: time.sleep(1000)\n    except KeyboardInterrupt: pass"),
        request={"cell_timeout_seconds": BUSY_CELL},
    ),
    Fault(
        "cell takes too long in a kernel that is stopped with SIGSTOP",
        timed_out(BUSY_CELL),
        cells("strike()\nos.kill(os.getpid(), signal.SIGSTOP)"),
        request={"cell_timeout_seconds": BUSY_CELL},
    ),
)

PROCESSES = (
    Fault(
        "completed run leaves a detached child",
        Expected("completed", None, COMPLETED, AT_ONCE),
        cells(CHILD + "strike()"),
    ),
    Fault(
        "completed run leaves a child without parent, session and environment",
        Expected("completed", None, COMPLETED, AT_ONCE),
        cells(DAEMON + "strike()"),
    ),
    Fault(
        "kernel that dies leaves detached children",
        Expected("failed", "kernel_died", DIED, AT_ONCE, ("fault", "KernelDied")),
        cells(CHILD + DAEMON + "strike()\nos._exit(1)"),
    ),
    Fault(
        "cell takes too long and has detached children",
        timed_out(BUSY_CELL),
        cells("stay()", first=CHILD + DAEMON),
        request={"cell_timeout_seconds": BUSY_CELL},
    ),
    Fault(
        "50 forked children, each in a session of its own",
        Expected("failed", "kernel_died", DIED, AT_ONCE, ("fault", "KernelDied")),
        cells(FIFTY + "strike()\nos.kill(os.getpid(), signal.SIGKILL)"),
    ),
)

RUNNER = (
    Fault(
        "runner is killed with SIGKILL",
        Expected("failed", "interrupted", DIED, AT_ONCE),
        cells("stay()", first=CHILD + DAEMON),
        strikes=kills_the_executor,
    ),
    Fault(
        "runner is stopped with SIGSTOP",
        Expected("failed", "interrupted", DIED, RUNNERS_PATIENCE + AT_ONCE),
        cells("stay()", first=CHILD + DAEMON),
        strikes=freezes_the_executor,
    ),
    Fault(
        "provisioner of the kernel blocks the runner",
        Expected("failed", "interrupted", NOTHING_RAN, RUNNERS_PATIENCE + AT_ONCE),
        cells("1"),
        request={"kernel_name": "blocks"},
    ),
    Fault(
        "keeper of the runner is stopped with SIGSTOP, and the runner is killed",
        Expected("failed", "interrupted", DIED, RUNNERS_KEEPERS_PATIENCE + AT_ONCE),
        cells("stay()", first=CHILD + DAEMON),
        strikes=freezes_its_keeper_and_kills_the_executor,
        with_papermill=False,
    ),
    Fault(
        "keeper of the kernel is stopped with SIGSTOP, and the kernel is killed",
        Expected("failed", "kernel_died", DIED, PATIENCE + KEEPERS_PATIENCE + AT_ONCE, ("fault", "KernelDied")),
        cells("stay()", first=CHILD + DAEMON),
        strikes=freezes_the_keeper_of_the_kernel,
        request={"limits": {"unresponsive_seconds": PATIENCE}},
        with_papermill=False,
    ),
)

OUTPUT = (
    Fault(
        "100,000 flushed lines",
        Expected(
            "completed",
            None,
            COMPLETED,
            120.0,
            prints={"fault": "".join(f"line {number}\n" for number in range(100_000))},
        ),
        cells("strike()\nfor number in range(100_000): print(f'line {number}', flush=True)"),
        papermill_seconds=300.0,
    ),
    Fault("input()", raised("StdinNotImplementedError"), cells("strike()\ninput('Name? ')")),
    Fault("getpass()", raised("StdinNotImplementedError"), cells("import getpass\nstrike()\ngetpass.getpass()")),
    Fault(
        "thread prints after its cell has ended",
        Expected("completed", None, COMPLETED, AT_ONCE, prints={"fault": "own\n", "after": "late\nafter\n"}),
        late("threading.Thread(target=late)"),
    ),
    Fault(
        "thread in the context of its cell prints after the cell has ended",
        Expected("completed", None, COMPLETED, AT_ONCE, prints={"fault": "own\nlate\n", "after": "after\n"}),
        late("threading.Thread(target=contextvars.copy_context().run, args=(late,))"),
    ),
    Fault(
        "NaN in an output",
        Expected("completed", None, COMPLETED, AT_ONCE),
        cells("strike()\ndisplay({'application/json': {'value': float('nan')}, 'text/plain': 'nan'}, raw=True)"),
    ),
    Fault(
        "lone surrogate in printed text",
        Expected("completed", None, COMPLETED, AT_ONCE),
        cells("strike()\nprint('\\ud800')"),
    ),
    Fault(
        "lone surrogate in an exception",
        # The kernel cannot send its own error about it, and says that instead.
        raised("UnicodeEncodeError"),
        cells("strike()\nraise ValueError('\\ud800')"),
    ),
)

GIGABYTES = (
    Fault(
        "1 GB of output",
        Expected("completed", None, COMPLETED, A_SLOW_DISK, output_bytes={"fault": GIGABYTE}, growth=150_000_000),
        cells("strike()\nfor _ in range(1000): sys.stdout.write('x' * 999_999 + '\\n')"),
        papermill_seconds=600.0,
    ),
)

FOREIGN = json.dumps(notebook(markdown("note", "precious"), **PYTHON))

DISK = (
    Fault(
        "somebody else writes the output notebook during the run",
        Expected("completed", None, COMPLETED, AT_ONCE, prints={"after": "after\n"}, foreign=FOREIGN),
        cells(f"pathlib.Path('out/out.ipynb').write_text({FOREIGN!r})\nstrike()"),
    ),
    Fault(
        "output folder is a file",
        Expected("failed", "output_unwritable", NOTHING_RAN, AT_ONCE, output="missing"),
        cells("open('ran', 'w')"),
        output="in.ipynb/out.ipynb",
    ),
    Fault(
        "output folder is read-only",
        Expected("failed", "output_unwritable", None, AT_ONCE, output="missing"),
        cells("open('ran', 'w')"),
        confined=in_a_folder_that_is_read_only,
        door="command",
    ),
    Fault(
        "disk is full",
        Expected("failed", "output_unwritable", None, AT_ONCE),
        cells("strike()\nprint('x' * 3_000_000)"),
        confined=on_a_full_disk,
        door="command",
    ),
)


def without_ids(*cells: Json) -> list[Json]:
    """Cells as an older notebook has them."""
    return [{key: value for key, value in cell.items() if key != "id"} for cell in cells]


FORMAT_3 = json.dumps(
    {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": "old", **PYTHON},
        "worksheets": [
            {
                "metadata": {},
                "cells": [
                    {
                        "cell_type": "code",
                        "collapsed": False,
                        "input": source,
                        "language": "python",
                        "metadata": {},
                        "outputs": [],
                    }
                    for source in (BEGINS, "strike()", "print('after')")
                ],
            }
        ],
    }
)
PLAIN = cells("strike()")
UNFIT = Expected("refused", "invalid_notebook", None, AT_ONCE, output="missing")

NOTEBOOK = (
    Fault("notebook is no JSON", UNFIT, text='{"cells": [', door="server"),
    Fault(
        "notebook has a cell of an unknown type",
        UNFIT,
        text=json.dumps(notebook({"cell_type": "heading", "id": "a", "metadata": {}, "source": "1"}, **PYTHON)),
        door="server",
    ),
    Fault(
        "notebook has NaN in its metadata",
        UNFIT,
        text=json.dumps({**notebook(*PLAIN, **PYTHON), "metadata": {**PYTHON, "value": float("nan")}}),
        door="server",
    ),
    Fault("notebook of format 3", Expected("completed", None, COMPLETED, AT_ONCE), text=FORMAT_3, door="command"),
    Fault(
        "cells without ids",
        Expected("completed", None, COMPLETED, AT_ONCE),
        text=json.dumps({**notebook(**PYTHON), "cells": without_ids(*PLAIN)}),
        door="command",
    ),
    Fault(
        "cells with the same id",
        Expected("completed", None, COMPLETED, AT_ONCE),
        text=json.dumps(notebook(*({**cell, "id": "same"} for cell in PLAIN), **PYTHON)),
        door="command",
    ),
)

SERVER = (
    Fault(
        "server is killed with SIGKILL",
        # The runner outlives the server for a moment, and ends its runs in order.
        Expected("failed", "interrupted", ("completed", "cancelled", "not_run"), 60.0),
        cells("stay()", first=CHILD + DAEMON),
        strikes=kills_the_server,
        door="server",
        with_papermill=False,
    ),
    Fault(
        "input notebook is changed during the run",
        Expected("completed", None, COMPLETED, AT_ONCE, prints={"after": "after\n"}),
        cells(
            "text = pathlib.Path('in.ipynb')\n"
            "text.write_text(text.read_text().replace(\"'after'\", \"'changed'\"))\nstrike()"
        ),
        door="server",
    ),
    Fault(
        "second run to the same output path",
        Expected("completed", None, COMPLETED, AT_ONCE, prints={"after": "after\n"}, refusal="output_in_use"),
        cells("strike()\nwait_for('go')"),
        strikes=asks_for_the_same_output,
        door="server",
    ),
)

FAULTS: tuple[Fault, ...] = (*KERNEL, *TIME, *PROCESSES, *RUNNER, *OUTPUT, *GIGABYTES, *DISK, *NOTEBOOK, *SERVER)

KERNEL_SPECS: dict[str, Json] = {
    "ends": {
        "argv": ["/bin/sh", "-c", "echo no kernel today >&2; exit 7"],
        "display_name": "ends",
        "language": "python",
    },
    "silent": {"argv": ["/bin/sleep", "1000"], "display_name": "silent", "language": "python"},
    "hangs": provisioned("test-hangs", ["/bin/sh", "-c", "setsid sleep 1000 & exec sleep 1000"]),
    "blocks": provisioned("test-blocks", ["/bin/sh", "-c", "setsid sleep 1000 & exec sleep 1000"]),
    "gone": {"argv": ["/no/such/program"], "display_name": "gone", "language": "python"},
}
"""Kernels that are of no use."""


def install_kernel_specs(folder: Path) -> None:
    """Write the useless kernels, and who starts some of them, below a folder for JUPYTER_PATH and PYTHONPATH."""
    for name, spec in KERNEL_SPECS.items():
        place = folder / "kernels" / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place / "kernel.json").write_text(json.dumps(spec))
    install_provisioners(folder)
