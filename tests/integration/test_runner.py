"""A run in a real kernel: what it executes, what it says of it, and what it writes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import ExecutionEvent, ExecutionStarted
from tests.run_requests import Bench, is_alive, until
from tests.written_notebooks import Json, code, markdown

pytestmark = pytest.mark.requirement("RUN-4", "RUN-5", "RUN-6", "RUN-7")

WRITES_PID = "import os, pathlib; pathlib.Path('kernel.pid').write_text(str(os.getpid()))"
DETACHES = """
import pathlib, subprocess, sys
orphan = subprocess.Popen(
    [sys.executable, "-c", "import subprocess, sys; print(subprocess.Popen(['sleep', '1000'], "
     "stdin=-3, stdout=-3, stderr=-3, start_new_session=True).pid)"],
    stdout=subprocess.PIPE, start_new_session=True)
pathlib.Path('detached.pid').write_bytes(orphan.communicate()[0])
"""
WAITS = "import time\ntime.sleep(1000)"
LONG_ENOUGH = 8
"""Seconds for a whole run in which a kernel starts on a busy machine too: its start counts."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    runtime, folder = tmp_path / "runtime", tmp_path / "work"
    runtime.mkdir()
    folder.mkdir()
    bench = Bench(InProcessRunner(runtime), folder)
    yield bench
    await bench.runner.close()
    assert list(runtime.iterdir()) == [], "a connection file or a socket survived its run"
    assert [file.name for file in folder.rglob(".*.tmp")] == []


async def test_a_notebook_runs_to_its_end(bench: Bench) -> None:
    ended, asked = await bench.run(code("a", "x = 20"), markdown("text", "# Text"), code("b", "print(x + 1)"))
    assert (ended.state, ended.cause) == ("completed", None)
    assert ended.result is not None
    assert ended.result.status == "success"
    assert ended.result.cells_executed == 2
    assert ended.result.failed_cell is None
    assert ended.result.duration_seconds > 0
    assert bench.states(ended) == ["completed", "completed"]
    assert (ended.progress.cells_total, ended.progress.cells_done) == (2, 2)
    assert asked.printed("b") == "21\n"
    assert asked.cell("b")["execution_count"] == 2


async def test_parameters_are_injected_as_papermill_injects_them(bench: Bench) -> None:
    given = {"window": 7, "name": 'a "b"\n', "hosts": ["x", None], "limits": {"low": 0.5, "on": True}}
    ended, asked = await bench.run(
        code("parameters", "window = 1", tags=["parameters"]),
        code("show", "print(window, name, hosts, limits)"),
        parameters=given,
    )
    assert ended.state == "completed"
    assert asked.printed("show") == f"7 {given['name']} {given['hosts']} {given['limits']}\n"
    assert [cell["id"] for cell in asked.output["cells"]] == ["parameters", "injected-parameters", "show"]
    ours = asked.output["cells"][1]
    theirs = papermill_output(bench.folder, asked.request.notebook, given)["cells"][1]
    assert "".join(ours["source"]) == "".join(theirs["source"])
    assert ours["metadata"]["tags"] == theirs["metadata"]["tags"] == ["injected-parameters"]
    assert asked.output["metadata"]["papermill"]["parameters"] == given


async def test_an_injected_cell_is_replaced_when_the_output_is_run_again(bench: Bench) -> None:
    _, first = await bench.run(code("show", "print(n)"), parameters={"n": 1})
    again = {**first.output, "cells": [joined(cell) for cell in first.output["cells"]]}
    ended, second = await bench.run(notebook=again, parameters={"n": 2})
    assert second.printed("show") == "2\n"
    assert [cell["id"] for cell in second.output["cells"]] == ["injected-parameters", "show"]
    assert ended.result is not None
    assert ended.result.cells_executed == 2


async def test_the_metadata_has_papermills_keys_and_says_what_happened(bench: Bench) -> None:
    cells = (code("a", "1"), markdown("t", "text"), code("b", "1 / 0"), code("c", "2"))
    _, asked = await bench.run(*cells)
    theirs = papermill_output(bench.folder, asked.request.notebook, {})
    assert asked.output["metadata"]["papermill"].keys() == theirs["metadata"]["papermill"].keys()
    ours_at = {cell["id"]: cell["metadata"] for cell in asked.output["cells"]}
    theirs_at = {cell["id"]: cell["metadata"] for cell in theirs["cells"]}
    for cell_id in ("a", "t", "b", "c"):
        assert ours_at[cell_id]["papermill"].keys() == theirs_at[cell_id]["papermill"].keys()
        for key in ("status", "exception"):
            assert ours_at[cell_id]["papermill"][key] == theirs_at[cell_id]["papermill"][key], cell_id
    assert [ours_at[cell_id]["hermes"]["status"] for cell_id in "abc"] == ["completed", "failed", "not_run"]
    assert asked.output["metadata"]["papermill"]["exception"] is True
    markers = [cell["source"] for cell in asked.output["cells"] if "papermill-error-cell-tag" in str(cell)]
    assert markers == [cell["source"] for cell in theirs["cells"] if "papermill-error-cell-tag" in str(cell)]


async def test_a_failing_cell_ends_the_run_and_what_follows_is_not_run(bench: Bench) -> None:
    ended, asked = await bench.run(
        markdown("title", "# T"),
        code("parameters", "n = 1", tags=["parameters"]),
        code("fails", "raise ValueError(f'bad {n}')"),
        code("after", "open('written', 'w')"),
        parameters={"n": 2},
    )
    assert (ended.state, ended.cause) == ("failed", "cell_error")
    assert bench.states(ended) == ["completed", "failed", "not_run"]
    assert ended.result is not None
    assert ended.result.status == "error"
    assert ended.result.cells_executed == 2
    failed = ended.result.failed_cell
    assert failed is not None
    assert (failed.index, failed.cell_id, failed.ename, failed.evalue) == (2, "fails", "ValueError", "bad 2")
    assert failed.source == "raise ValueError(f'bad {n}')"
    assert not (bench.folder / "written").exists()
    assert [output["ename"] for output in asked.cell("fails")["outputs"]] == ["ValueError"]


async def test_tags_allow_an_error_and_skip_a_cell(bench: Bench) -> None:
    ended, asked = await bench.run(
        code("allowed", "1 / 0", tags=["raises-exception"]),
        code("skipped", "open('written', 'w')", tags=["skip-execution"]),
        code("empty", "  "),
        code("last", "print('here')"),
    )
    assert ended.state == "completed"
    assert bench.states(ended) == ["completed", "not_run", "not_run", "completed"]
    assert ended.progress.cells_done == ended.progress.cells_total == 4
    assert not (bench.folder / "written").exists()
    assert asked.printed("last") == "here\n"
    assert asked.cell("skipped")["metadata"]["papermill"]["status"] == "pending"


async def test_an_exit_that_means_success_ends_the_run_as_completed(bench: Bench) -> None:
    ended, _ = await bench.run(code("exits", "import sys; sys.exit(0)"), code("after", "1"))
    assert ended.state == "completed"
    assert bench.states(ended) == ["completed", "not_run"]


async def test_an_exit_that_is_expected_ends_nothing(bench: Bench) -> None:
    ended, _ = await bench.run(code("exits", "import sys; sys.exit()", tags=["raises-exception"]), code("after", "1"))
    assert ended.state == "completed"
    assert bench.states(ended) == ["completed", "completed"]


async def test_an_exit_that_means_failure_fails_the_run(bench: Bench) -> None:
    ended, _ = await bench.run(code("exits", "import sys; sys.exit(3)"), code("after", "1"))
    assert (ended.state, ended.cause) == ("failed", "cell_error")


async def test_displays_are_updated_and_cleared_as_in_lab(bench: Bench) -> None:
    _, asked = await bench.run(
        code(
            "shown", "print('before')\nh = display('old', display_id=True)\nprint('a', end='', flush=True)\nprint('b')"
        ),
        code("updates", "h.update('new')"),
        code("cleared", "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('stays')"),
    )
    outputs = asked.cell("shown")["outputs"]
    assert [output["output_type"] for output in outputs] == ["stream", "display_data", "stream"]
    assert "".join(outputs[1]["data"]["text/plain"]) == "'new'"
    assert "".join(outputs[2]["text"]) == "ab\n"
    assert asked.printed("cleared") == "stays\n"


async def test_output_that_comes_late_lands_in_the_cell_that_made_it(bench: Bench) -> None:
    _, asked = await bench.run(
        code(
            "starts",
            "import asyncio\ngo, done = asyncio.Event(), asyncio.Event()\n"
            "async def late():\n    await go.wait()\n    print('late')\n    done.set()\n"
            "task = asyncio.ensure_future(late())",
        ),
        code("later", "go.set()\nawait done.wait()\nprint('own')"),
    )
    assert asked.printed("starts") == "late\n"
    assert asked.printed("later") == "own\n"


@pytest.mark.parametrize("source", ["input('name?')", "import getpass; getpass.getpass()"])
async def test_a_cell_that_asks_a_person_fails_at_once(bench: Bench, source: str) -> None:
    ended, _ = await bench.run(code("asks", source))
    assert ended.result is not None
    assert ended.result.failed_cell is not None
    assert ended.result.failed_cell.ename == "StdinNotImplementedError"


@pytest.mark.parametrize(
    ("source", "how"),
    [("os._exit(3)", "exit status 3"), ("os.kill(os.getpid(), 9)", "killed by SIGKILL")],
)
async def test_a_kernel_that_dies_fails_its_cell_and_no_other_is_called_completed(
    bench: Bench, source: str, how: str
) -> None:
    ended, asked = await bench.run(
        code("first", "import os"), code("dies", f"print('last', flush=True)\n{source}"), code("after", "1")
    )
    assert (ended.state, ended.cause) == ("failed", "kernel_died")
    assert bench.states(ended) == ["completed", "died", "not_run"]
    assert ended.result is not None
    failed = ended.result.failed_cell
    assert failed is not None
    assert (failed.index, failed.cell_id, failed.ename) == (1, "dies", "KernelDied")
    assert how in failed.evalue
    statuses = [asked.cell(cell_id)["metadata"]["papermill"]["status"] for cell_id in ("first", "dies", "after")]
    assert statuses == ["completed", "failed", "pending"]
    assert asked.cell("dies")["outputs"][-1]["ename"] == "KernelDied"


async def test_a_run_that_takes_too_long_is_stopped(bench: Bench) -> None:
    ended, asked = await bench.run(
        code("pid", WRITES_PID), code("slow", WAITS), code("after", "1"), timeout_seconds=LONG_ENOUGH
    )
    assert (ended.state, ended.cause) == ("failed", "timed_out")
    assert bench.states(ended) == ["completed", "failed", "not_run"]
    assert ended.result is not None
    assert ended.result.failed_cell is not None
    assert ended.result.failed_cell.ename == "CellTimeout"
    assert asked.cell("slow")["outputs"][-1]["ename"] == "CellTimeout"
    assert not is_alive(await bench.pid_in("kernel.pid"))


async def test_a_kernel_that_ignores_interrupts_is_killed(bench: Bench) -> None:
    deaf = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{WRITES_PID}\n"
    ended, _ = await bench.run(code("deaf", deaf + "while True: pass"), cell_timeout_seconds=2)
    assert (ended.state, ended.cause) == ("failed", "timed_out")
    assert not is_alive(await bench.pid_in("kernel.pid"))


async def test_a_cancelled_run_leaves_no_process_not_even_one_that_detached(bench: Bench) -> None:
    asked = bench.start(code("detach", f"{WRITES_PID}\n{DETACHES}"), code("slow", WAITS), code("after", "1"))
    kernel, detached = await bench.pid_in("kernel.pid"), await bench.pid_in("detached.pid")
    await until(lambda: asked.is_running("slow"))
    assert is_alive(detached)
    await bench.runner.cancel(asked.request.run_id)
    ended = await asked.ended()
    assert (ended.state, ended.cause) == ("cancelled", None)
    assert bench.states(ended) == ["completed", "cancelled", "not_run"]
    assert not is_alive(kernel)
    assert not is_alive(detached)


async def test_a_process_that_a_completed_run_left_behind_is_ended(bench: Bench) -> None:
    ended, _ = await bench.run(code("detach", DETACHES))
    assert ended.state == "completed"
    assert not is_alive(await bench.pid_in("detached.pid"))


async def test_a_process_that_outlived_a_dead_kernel_is_ended(bench: Bench) -> None:
    ended, _ = await bench.run(code("detach", DETACHES), code("dies", "import os; os._exit(1)"))
    assert ended.cause == "kernel_died"
    assert not is_alive(await bench.pid_in("detached.pid"))


async def test_a_kernel_may_finish_its_own_exit(bench: Bench) -> None:
    await bench.run(code("a", "import atexit, pathlib\natexit.register(pathlib.Path('left').write_text, 'bye')"))
    assert (bench.folder / "left").read_text() == "bye"


async def test_an_unknown_kernel_is_named_and_nothing_is_executed(bench: Bench) -> None:
    ended, asked = await bench.run(code("a", "1"), kernel_name="no-such-kernel")
    assert (ended.state, ended.cause) == ("failed", "kernel_not_found")
    assert "no-such-kernel" in (ended.message or "")
    assert bench.states(ended) == ["not_run"]
    assert asked.output["metadata"]["hermes"]["cause"] == "kernel_not_found"


async def test_parameters_that_are_no_code_are_refused_before_anything_runs(bench: Bench) -> None:
    ended, _ = await bench.run(code("a", "open('written', 'w')"), parameters={"x = 1; import os": 1})
    assert (ended.state, ended.cause) == ("failed", "invalid_parameters")
    assert not (bench.folder / "written").exists()


async def test_a_kernel_that_ends_before_it_is_ready_says_why(bench: Bench, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "ipykernel_launcher.py").write_text("raise SystemExit('no kernel today')")
    ended, _ = await bench.run(code("a", "1"), environment={"PYTHONPATH": str(shadow)})
    assert (ended.state, ended.cause) == ("failed", "kernel_failed_to_start")
    assert "no kernel today" in (ended.message or "")


async def test_an_output_that_cannot_be_written_is_told_before_anything_runs(bench: Bench) -> None:
    (bench.folder / "file").write_text("")
    ended, _ = await bench.run(code("a", "open('written', 'w')"), output_path=str(bench.folder / "file" / "out.ipynb"))
    assert (ended.state, ended.cause, ended.output_hash) == ("failed", "output_unwritable", None)
    assert not (bench.folder / "written").exists()


async def test_two_runs_go_on_at_the_same_time_in_folders_of_their_own(bench: Bench) -> None:
    meets = (
        "import pathlib, time\npathlib.Path(mine).touch()\n"
        "while not pathlib.Path('..', theirs).exists(): time.sleep(0.01)\nprint(pathlib.Path.cwd().name)"
    )
    asked = []
    for mine, theirs in (("one", "two"), ("two", "one")):
        (bench.folder / mine).mkdir()
        asked.append(
            bench.start(
                code("meets", meets),
                parameters={"mine": f"here-{mine}", "theirs": f"{theirs}/here-{theirs}"},
                working_folder=str(bench.folder / mine),
                timeout_seconds=60,
            )
        )
    assert [(await each.ended()).state for each in asked] == ["completed", "completed"]
    assert [each.printed("meets") for each in asked] == ["one\n", "two\n"]


async def test_the_output_is_on_disk_from_the_first_moment_and_whole_at_every_instant(bench: Bench) -> None:
    chatter = (
        "import os, time\nprinted = 0\nwhile printed < 30 or not os.path.exists('go'):\n"
        "    print('x' * 20_000, flush=True)\n    printed += 1\n    time.sleep(0.05)"
    )
    asked = bench.start(code("chatter", chatter), code("after", "1"))
    await until(lambda: asked.events)
    assert isinstance(asked.events[0], ExecutionStarted)
    assert asked.output["metadata"]["hermes"]["state"] in {"pending", "running"}
    versions: set[str] = set()
    over = threading.Event()

    def read_all_the_time() -> None:
        while not over.is_set():
            text = asked.text
            json.loads(text)
            versions.add(hashlib.sha256(text.encode()).hexdigest())

    reading = asyncio.create_task(asyncio.to_thread(read_all_the_time))
    try:
        await until(lambda: len(versions) >= 4 or reading.done())  # it is written while the cell runs
        (bench.folder / "go").touch()
        ended = await asked.ended()
    finally:
        over.set()
        await reading
    assert ended.state == "completed"
    took = ended.cells[0].duration_seconds
    assert took is not None
    # Before the cell and after it two versions each, and between them two a second.
    assert len(versions) <= 4 + 2 * took, "the output was written more than twice a second"


async def test_the_kernel_has_the_environment_that_was_asked_for(bench: Bench) -> None:
    (bench.folder / "library").mkdir()
    (bench.folder / "library" / "brought_along.py").write_text("here = True")
    _, asked = await bench.run(
        code("a", "import os, brought_along\nprint(os.environ['HERMES_TOKEN'], 'PATH' in os.environ)"),
        environment={"HERMES_TOKEN": "secret", "PYTHONPATH": str(bench.folder / "library")},
    )
    assert asked.printed("a") == "secret True\n"
    assert "secret" not in json.dumps(asked.output["metadata"])


async def test_the_run_says_what_it_ran_in(bench: Bench) -> None:
    first, asked = await bench.run(code("a", "import sys; print(sys.executable)"))
    second, _ = await bench.run(code("a", "1"))
    assert first.environment is not None
    assert first.environment.interpreter == asked.printed("a").strip()
    assert "ipykernel" in first.environment.packages
    assert first.environment == second.environment


async def test_what_an_interpreter_prints_whenever_it_starts_costs_no_run_its_end(bench: Bench, tmp_path: Path) -> None:
    customised = tmp_path / "customised"
    customised.mkdir()
    (customised / "sitecustomize.py").write_text("import atexit\nprint('hello')\natexit.register(print, 'bye')\n")
    ended, _ = await bench.run(code("a", "1"), environment={"PYTHONPATH": str(customised)})
    assert ended.state == "completed"
    assert ended.environment is not None
    assert "ipykernel" in ended.environment.packages


async def test_a_run_that_comes_when_the_runner_is_closed_executes_nothing(bench: Bench) -> None:
    await bench.runner.close()
    ended, asked = await bench.run(code("a", "open('written', 'w')"))
    assert (ended.state, ended.cause) == ("failed", "interrupted")
    assert bench.states(ended) == ["not_run"]
    assert asked.output["metadata"]["hermes"]["state"] == "failed"
    assert not (bench.folder / "written").exists()


def papermill_output(folder: Path, notebook: Json, parameters: Json) -> Json:
    """What papermill itself makes of the same notebook, in a process of its own."""
    written, output, given = (folder / name for name in ("for-papermill.ipynb", "by-papermill.ipynb", "p.yaml"))
    metadata = {**notebook["metadata"], "language_info": {"name": "python"}}
    written.write_text(json.dumps({**notebook, "metadata": metadata}))
    given.write_text(json.dumps(parameters))
    subprocess.run(
        [sys.executable, "-m", "papermill", str(written), str(output), "-f", str(given), "--no-progress-bar"],
        check=False,  # it exits with 1 when a cell failed
        capture_output=True,
    )
    made: Json = json.loads(output.read_text())
    return made


def joined(cell: Json) -> Json:
    return {**cell, "source": "".join(cell["source"])}


async def test_what_a_kernel_publishes_is_heard_while_it_comes(tmp_path: Path) -> None:
    heard: list[tuple[str, str, str]] = []
    runner = InProcessRunner(on_message=lambda cell, kind, content: heard.append((cell, kind, content.get("text", ""))))
    await Bench(runner, tmp_path).run(code("first", "print('a')"), code("second", "2"))
    assert ("first", "stream", "a\n") in heard
    assert ("second", "execute_result", "") in heard


async def test_the_end_of_the_last_cell_is_told_before_the_kernel_ends(bench: Bench) -> None:
    """The kernel may take its time for its own end; who follows the run need not wait for that."""
    alive: list[bool] = []

    def hear(event: ExecutionEvent) -> None:
        last = [cell for cell in event.cells if cell.cell_id == "last"] if event.kind == "progressed" else []
        if last and last[0].state == "completed":
            alive.append(is_alive(int((bench.folder / "kernel.pid").read_text())))

    request = bench.request(code("first", "1"), code("last", WRITES_PID))
    ended = await bench.runner.execute(request, hear)
    assert ended.state == "completed"
    assert alive == [True]
