"""Somebody else writes the output notebook while the run goes on: neither loses anything."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import nbformat
import pytest

from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import ExecutionEnded, ExecutionProgressed, Limits
from hermes_lab.runner.supervisor import SupervisedRunner
from tests.command_line import CommandLine
from tests.run_requests import Asked, Bench, runner_processes, until
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("RUN-24", "RUN-7")

WRITES = "open('out.ipynb', 'w').write('precious')"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    folder = tmp_path / "work"
    folder.mkdir()
    bench = Bench(InProcessRunner(), folder)
    yield bench
    await bench.runner.close()


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def beside(bench: Bench, asked: Asked, more: str = "") -> Path:
    return bench.folder / f"out (run {asked.request.run_id[:8]}{more}).ipynb"


def taken_away(*folders: str) -> str:
    """Files are where the folders were. A save may make a folder once more in between."""
    return (
        f"import os, shutil\nfor folder in {folders!r}:\n    while not os.path.isfile(folder):\n"
        "        shutil.rmtree(folder, ignore_errors=True)\n"
        "        try: open(folder, 'x').close()\n        except OSError: pass\n"
    )


def read(ended: ExecutionEnded, path: Path) -> nbformat.NotebookNode:
    """A valid notebook with the hash that was answered."""
    assert ended.output_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    notebook = nbformat.reads(path.read_text(), as_version=4)
    nbformat.validate(notebook)
    return notebook


def written(ended: ExecutionEnded, path: Path) -> nbformat.NotebookNode:
    """The output, which is where the end of the run says."""
    assert ended.output_path == str(path)
    assert path.name in (ended.message or "")
    notebook = read(ended, path)
    assert notebook.metadata.papermill.output_path == str(path)
    return notebook


async def test_the_output_goes_on_beside_it_and_the_run_says_where(bench: Bench) -> None:
    output = bench.folder / "out.ipynb"
    ended, asked = await bench.run(
        code("a", "print('before')"), code("b", WRITES), code("c", "print('after')"), output_path=str(output)
    )
    assert (ended.state, ended.cause) == ("completed", None)
    notebook = written(ended, beside(bench, asked))
    assert [cell.metadata.hermes.status for cell in notebook.cells] == ["completed"] * 3
    assert notebook.cells[2].outputs[0].text == "after\n"
    assert output.read_text() == "precious"
    assert names_in(bench.folder) == {output.name, beside(bench, asked).name}
    moves = [event for event in asked.events if isinstance(event, ExecutionProgressed) and event.output_path]
    assert [event.output_path for event in moves] == [ended.output_path]


async def test_a_private_output_is_private_beside_it_too(bench: Bench) -> None:
    output = bench.folder / "out.ipynb"
    output.write_text("an older one")
    output.chmod(0o600)
    ended, asked = await bench.run(code("a", WRITES), code("b", "1"), output_path=str(output))
    written(ended, beside(bench, asked))
    assert beside(bench, asked).stat().st_mode & 0o777 == 0o600


async def test_a_cell_that_fails_after_it_is_still_what_the_run_failed_of(bench: Bench) -> None:
    ended, asked = await bench.run(code("a", WRITES), code("b", "1 / 0"), output_path=str(bench.folder / "out.ipynb"))
    assert (ended.state, ended.cause) == ("failed", "cell_error")
    assert "ZeroDivisionError" in (ended.message or "")
    written(ended, beside(bench, asked))


async def test_what_lies_beside_it_is_left_alone_too(bench: Bench) -> None:
    asked = Asked(bench.request())
    taken = beside(bench, asked)
    takes = f"open({str(taken)!r}, 'w').write('mine')\n"
    ended, _ = await bench.run(
        code("a", takes + WRITES), run_id=asked.request.run_id, output_path=str(bench.folder / "out.ipynb")
    )
    written(ended, beside(bench, asked, ", 2"))
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    "puts", ["os.symlink(elsewhere, 'out.ipynb')", "os.mkdir('out.ipynb')", "os.symlink('/etc/hostname', 'out.ipynb')"]
)
async def test_a_link_or_a_folder_in_its_place_is_somebody_elses(bench: Bench, tmp_path: Path, puts: str) -> None:
    elsewhere = tmp_path / "elsewhere.ipynb"
    source = f"import os\nelsewhere = {str(elsewhere)!r}\nos.unlink('out.ipynb')\n{puts}"
    ended, asked = await bench.run(code("a", source), output_path=str(bench.folder / "out.ipynb"))
    written(ended, beside(bench, asked))
    assert not elsewhere.exists()


async def test_an_output_that_was_taken_away_is_written_again_where_it_was(bench: Bench) -> None:
    ended, asked = await bench.run(
        code("a", "import os\nos.unlink('out.ipynb')"), output_path=str(bench.folder / "out.ipynb")
    )
    assert (ended.state, ended.output_path, ended.message) == ("completed", None, None)
    assert asked.output["metadata"]["hermes"]["state"] == "completed"


async def test_files_of_long_output_outlive_a_copy_that_somebody_saved_in_place(bench: Bench) -> None:
    """As JupyterLab does it for who opens the output of a run that goes on, and saves."""
    limits = Limits(cell_output_bytes=10_000)
    saves = (
        "import json, time\nwhile 'spill_files' not in open('out.ipynb').read(): time.sleep(0.01)\n"
        "open('out.ipynb', 'a').write(' ')"
    )
    output = bench.folder / "out.ipynb"
    ended, asked = await bench.run(
        code("a", "print('x' * 50_000)"), code("b", saves), limits=limits, output_path=str(output)
    )
    notebook = written(ended, beside(bench, asked))
    (spilled,) = notebook.cells[0].metadata.hermes.spill_files
    await bench.run(code("a", "1"), output_path=str(output))
    assert (bench.folder / spilled).read_text() == "x" * 50_000 + "\n"


async def test_a_name_that_is_nearly_too_long_has_room_beside_it(bench: Bench) -> None:
    name = "é" * 115 + ".ipynb"
    ended, _ = await bench.run(
        code("a", f"open({name!r}, 'w').write('precious')"), output_path=str(bench.folder / name)
    )
    assert ended.state == "completed"
    assert ended.output_path is not None
    written(ended, Path(ended.output_path))


async def test_a_notebook_that_is_there_before_the_run_is_refused_and_nothing_runs(bench: Bench) -> None:
    output = bench.folder / "out.ipynb"
    output.write_text("precious")
    ended, _ = await bench.run(code("a", "open('ran', 'w')"), output_path=str(output), replaces="nothing")
    assert (ended.state, ended.cause, ended.output_path) == ("failed", "output_unwritable", None)
    assert names_in(bench.folder) == {"out.ipynb"}


async def test_where_nothing_can_be_written_the_output_is_kept_elsewhere(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = bench.folder / "sub"
    ended, _ = await bench.run(
        code("a", taken_away("sub") + "print('all of it')"), output_path=str(folder / "out.ipynb")
    )
    assert (ended.state, ended.cause) == ("failed", "output_unwritable")
    assert ended.output_path is not None
    kept = Path(ended.output_path)
    assert kept.parent.parent == tmp_path
    assert f"It is kept in {kept}." in (ended.message or "")
    notebook = read(ended, kept)
    assert notebook.cells[0].outputs[0].text == "all of it\n"
    assert (notebook.metadata.hermes.state, notebook.metadata.hermes.cause) == ("failed", "output_unwritable")


async def test_an_output_that_is_neither_beside_it_nor_there_is_said_to_be_where_it_is_kept(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    waits = "import glob, time\nwhile not glob.glob('sub/*(run *'): time.sleep(0.01)\n"
    ended, _ = await bench.run(
        code("a", "open('sub/out.ipynb', 'w').write('theirs')"),
        code("b", waits + taken_away("sub")),
        output_path=str(bench.folder / "sub" / "out.ipynb"),
    )
    assert (ended.state, ended.cause) == ("failed", "output_unwritable")
    assert f"It is kept in {ended.output_path}." in (ended.message or "")
    assert "beside it" not in (ended.message or "")


async def test_where_it_can_be_kept_nowhere_the_run_says_what_is_lost(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(nowhere))
    ended, _ = await bench.run(
        code("a", taken_away("sub", str(nowhere))), output_path=str(bench.folder / "sub" / "out.ipynb")
    )
    assert (ended.state, ended.cause, ended.output_hash) == ("failed", "output_unwritable", None)
    assert "nothing that came after " in (ended.message or "")


@pytest.mark.requirement("RUN-23")
async def test_a_runner_that_is_killed_after_it_leaves_theirs_alone_and_says_so_in_its_own(tmp_path: Path) -> None:
    supervised = Bench(SupervisedRunner(), tmp_path)
    await supervised.runner.start()
    try:
        asked = supervised.start(
            code("a", WRITES), code("b", "import time; time.sleep(600)"), output_path=str(tmp_path / "out.ipynb")
        )
        await until(lambda: any(getattr(event, "output_path", None) for event in asked.events))
        await until(lambda: asked.is_running("b"))
        (process,) = runner_processes()
        process.kill()
        ended = await asked.ended()
    finally:
        await supervised.runner.close()
    assert (ended.state, ended.cause) == ("failed", "interrupted")
    assert ended.output_path == str(beside(supervised, asked))
    notebook = read(ended, beside(supervised, asked))
    assert (notebook.metadata.hermes.state, notebook.metadata.hermes.cause) == ("failed", "interrupted")
    assert [cell.metadata.hermes.status for cell in notebook.cells] == ["completed", "died"]
    assert (tmp_path / "out.ipynb").read_text() == "precious"


@pytest.mark.requirement("RUN-23")
async def test_a_runner_that_is_killed_before_it_has_seen_theirs_leaves_it_alone(tmp_path: Path) -> None:
    supervised = Bench(SupervisedRunner(), tmp_path)
    await supervised.runner.start()
    try:
        asked = supervised.start(code("a", "import time; time.sleep(600)"), output_path=str(tmp_path / "out.ipynb"))
        await until(lambda: asked.is_running("a"))
        (process,) = runner_processes()
        process.suspend()
        (tmp_path / "out.ipynb").write_text("precious")
        process.kill()
        ended = await asked.ended()
    finally:
        await supervised.runner.close()
    assert (ended.state, ended.cause, ended.output_hash) == ("failed", "interrupted", None)
    assert (tmp_path / "out.ipynb").read_text() == "precious"


@pytest.mark.requirement("CLI-2")
def test_the_command_says_where_the_output_is(tmp_path: Path) -> None:
    alone = CommandLine(tmp_path / "root", tmp_path)
    alone.folder.mkdir()
    alone.write("n.ipynb", code("a", WRITES), code("b", "print('after')"))
    told = json.loads(alone.run("run", "n.ipynb", "out.ipynb", "--json").stdout)
    assert told["state"] == "completed"
    assert "after" in Path(told["output_path"]).read_text()
    assert Path(told["output_path"]).name in told["message"]
    assert (alone.folder / "out.ipynb").read_text() == "precious"
    (alone.folder / "out.ipynb").unlink()
    words = alone.run("run", "n.ipynb", "out.ipynb").stdout
    assert "output: " in words
    assert "Somebody else wrote out.ipynb" in words


@pytest.mark.requirement("CLI-2")
def test_the_command_says_of_a_failed_run_that_its_output_is_lost(tmp_path: Path) -> None:
    alone = CommandLine(tmp_path / "root", tmp_path)
    alone.folder.mkdir()
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    alone.write("n.ipynb", code("a", taken_away("sub", str(nowhere)) + "1 / 0"))
    told = alone.run("run", "n.ipynb", "sub/out.ipynb", exit_code=2, TMPDIR=str(nowhere)).stderr
    assert "ZeroDivisionError" in told
    assert "nothing that came after " in told
