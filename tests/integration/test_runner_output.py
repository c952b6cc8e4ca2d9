"""Output of any size: complete or counted, in a notebook that stays small, and in memory that does."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nbformat
import psutil
import pytest

from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import Limits
from tests.run_requests import Asked, Bench, until
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("CELL-4", "RUN-7")

SMALL = Limits(cell_output_bytes=10_000, run_output_bytes=25_000)
PICTURE = (
    "from IPython.display import Image, display\n"
    "def picture(n): return {'image/png': __import__('base64').b64encode(bytes([n]) * 30_000).decode(),"
    " 'text/plain': f'<picture {n}>'}\n"
)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    folder = tmp_path / "work"
    folder.mkdir()
    bench = Bench(InProcessRunner(), folder)
    yield bench
    await bench.runner.close()


def text_of(file: str | None) -> str:
    assert file is not None
    return Path(file).read_text()


def names_in(folder: Path, pattern: str = "*") -> set[str]:
    return {file.name for file in folder.glob(pattern)}


def shown(asked: Asked, cell_id: str) -> list[str]:
    """The texts of the cell's outputs, whatever they are."""
    outputs = nbformat.reads(asked.text, as_version=4)
    nbformat.validate(outputs)
    cell = next(cell for cell in outputs.cells if cell.id == cell_id)
    return [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]


async def test_a_stream_that_is_too_long_goes_to_a_file_and_is_shown_with_head_tail_and_count(bench: Bench) -> None:
    written = "".join(f"línea {n}\n" for n in range(5_000))
    ended, asked = await bench.run(
        code("a", "for n in range(5_000): print('línea', n)"), code("b", "print('short')"), limits=SMALL
    )
    assert ended.state == "completed"
    name = f"{Path(asked.request.output_path).stem}.a.stdout.txt"
    assert (bench.folder / name).read_text(encoding="utf-8") == written
    (text,) = shown(asked, "a")
    head, hidden, total, tail = re.fullmatch(
        rf"(.*)\n… \[([\d,]+) bytes are not shown; all ([\d,]+) bytes are in {re.escape(name)}\] …\n(.*)",
        text,
        re.DOTALL,
    ).groups()  # type: ignore[union-attr]
    assert written.startswith(head)
    assert written.endswith(tail)
    assert len(head) > 3_000 < len(tail)
    size = len(written.encode())
    assert int(total.replace(",", "")) == size
    assert int(hidden.replace(",", "")) == size - len(head.encode()) - len(tail.encode())
    assert len(text.encode()) < SMALL.cell_output_bytes
    timing = ended.cells[0]
    assert (timing.output_bytes, timing.spilled_to) == (size, name)
    assert asked.cell("a")["metadata"]["hermes"]["output_bytes"] == size
    assert asked.cell("a")["metadata"]["hermes"]["spill_files"] == [name]
    assert shown(asked, "b") == ["short\n"]
    assert ended.cells[1].spilled_to is None


async def test_what_comes_after_a_long_stream_is_shown_too(bench: Bench) -> None:
    _, asked = await bench.run(code("a", "print('x' * 50_000)\ndisplay('figure')\nprint('more')\n1 / 0"), limits=SMALL)
    name = f"{Path(asked.request.output_path).stem}.a.stdout.txt"
    assert (bench.folder / name).read_text() == "x" * 50_000 + "\nmore\n"
    outputs = asked.cell("a")["outputs"]
    assert [output["output_type"] for output in outputs] == ["stream", "display_data", "error"]
    assert outputs[2]["ename"] == "ZeroDivisionError"


async def test_a_run_has_a_budget_too(bench: Bench) -> None:
    cells = [code(f"c{n}", "print('y' * 8_000)") for n in range(6)]
    ended, asked = await bench.run(*cells, limits=SMALL)
    assert [cell.spilled_to is not None for cell in ended.cells] == [False] * 3 + [True] * 3
    assert len(asked.text) < 60_000
    for n in range(3, 6):
        file = bench.folder / f"{Path(asked.request.output_path).stem}.c{n}.stdout.txt"
        assert file.read_text() == "y" * 8_000 + "\n"


async def test_pictures_that_are_too_much_become_files(bench: Bench) -> None:
    source = PICTURE + "for n in range(3): display(picture(n), raw=True)\nfor n in range(40): display({'n': 'z' * 500})"
    ended, asked = await bench.run(code("a", source), limits=SMALL)
    stem = Path(asked.request.output_path).stem
    pictures = [bench.folder / f"{stem}.a.output{number}.png" for number in ("", "-2", "-3")]
    assert [file.read_bytes() for file in pictures] == [bytes([n]) * 30_000 for n in range(3)]
    texts = shown(asked, "a")
    told = f"[image/png is not shown; all 30,000 bytes are in {pictures[0].name}]"
    assert texts[0] == f"<picture 0>\n{told}"
    lines = (bench.folder / f"{stem}.a.outputs.jsonl").read_text().splitlines()
    assert len(lines) + sum("zzz" in text for text in texts) == 40
    assert json.loads(lines[-1])["data"]["text/plain"].startswith("{'n': 'zzz")
    assert texts[-1].startswith(f"[{len(lines)} outputs are not shown; all ")
    assert ended.cells[0].spilled_to == pictures[0].name


async def test_a_display_that_is_updated_again_and_again_is_counted_once(bench: Bench) -> None:
    source = PICTURE + "h = display({'text/plain': '0'}, raw=True, display_id='p')\n"
    updates = "for n in range(5): display(picture(n), raw=True, display_id='p', update=True)\n"
    _, asked = await bench.run(code("a", source), code("b", updates), limits=SMALL)
    (file,) = bench.folder.glob("*.png")
    assert file.read_bytes() == bytes([4]) * 30_000
    assert shown(asked, "a")[0].endswith(f"{file.name}]")
    _, small = await bench.run(code("a", source), code("b", updates + "h.update({'text/plain': 'end'}, raw=True)"))
    assert base64.b64decode(small.cell("a")["outputs"][0]["data"].get("image/png", "")) == b""


async def test_cleared_output_takes_its_file_with_it(bench: Bench) -> None:
    source = "from IPython.display import clear_output\nfor n in range(3):\n    clear_output(wait=True)\n    "
    ended, asked = await bench.run(code("a", source + "print(str(n) * 50_000)"), limits=SMALL)
    (file,) = bench.folder.glob("*.txt")
    assert file.read_text() == "2" * 50_000 + "\n"
    assert asked.cell("a")["metadata"]["hermes"]["spill_files"] == [file.name]
    assert ended.cells[0].output_bytes == 150_003


async def test_scraps_are_never_too_much(bench: Bench) -> None:
    source = "import scrapbook as sb\nprint('x' * 50_000)\nsb.glue('long', 'y' * 30_000)"
    ended, _ = await bench.run(code("a", source), limits=SMALL)
    assert ended.result is not None
    assert ended.result.scraps == {"long": "y" * 30_000}


async def test_the_files_of_a_notebook_that_is_replaced_go_and_no_other(bench: Bench) -> None:
    path = bench.folder / "out.ipynb"
    others = [bench.folder / name for name in ("out.b.stdout.txt", "out.mine.txt", "elsewhere.txt")]
    for other in others:
        other.write_text("mine")
    await bench.run(
        code("a", "print('x' * 50_000)"), code("b", "print('x' * 50_000)"), limits=SMALL, output_path=str(path)
    )
    spilled = {"out.a.stdout.txt", "out.b.stdout-2.txt"}
    assert names_in(bench.folder, "out.*.txt") - {other.name for other in others} == spilled
    tampered = json.loads(path.read_text())
    tampered["cells"][1]["metadata"]["hermes"]["spill_files"] += ["elsewhere.txt", "../out.x.txt", "out.ipynb/../y"]
    (bench.folder.parent / "out.x.txt").write_text("mine")
    path.write_text(json.dumps(tampered))
    await bench.run(code("a", "1"), output_path=str(path))
    assert names_in(bench.folder, "*.txt") == {other.name for other in others}
    assert (bench.folder.parent / "out.x.txt").exists()


async def test_a_link_that_lies_in_wait_is_not_written_through(bench: Bench) -> None:
    (bench.folder / "victim").write_text("mine")
    setting = "import pathlib\npathlib.Path('out.a.stdout.txt').symlink_to('victim')\n"
    ended, _ = await bench.run(
        code("a", setting + "print('x' * 50_000)"), limits=SMALL, output_path=str(bench.folder / "out.ipynb")
    )
    assert (bench.folder / "victim").read_text() == "mine"
    assert ended.cells[0].spilled_to == "out.a.stdout-2.txt"


async def test_flushed_lines_are_all_there_in_one_output(bench: Bench) -> None:
    # That a hundred thousand are all there is a row of the table of faults.
    _, asked = await bench.run(code("a", "for n in range(10_000): print(n, flush=True)"))
    assert asked.printed("a") == "".join(f"{n}\n" for n in range(10_000))
    assert len(asked.cell("a")["outputs"]) == 1


async def test_a_lone_surrogate_in_printed_text_is_spelled_out(bench: Bench) -> None:
    ended, asked = await bench.run(code("a", "print('before \\ud800 after')\nprint('next')"), code("b", "print('b')"))
    assert ended.state == "completed"
    assert (asked.printed("a"), asked.printed("b")) == ("before \\ud800 after\nnext\n", "b\n")


async def test_memory_stays_flat_under_much_output(bench: Bench) -> None:
    await bench.run(code("a", "1"))
    this = psutil.Process()
    before, most = this.memory_info().rss, 0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.01):
            most = max(most, this.memory_info().rss)

    watching = asyncio.create_task(asyncio.to_thread(watch))
    source = "line = 'x' * 99 + '\\n'\nfor _ in range(250): print(line * 10_000, end='')"
    ended, _ = await bench.run(code("a", source))
    over.set()
    await watching
    (file,) = bench.folder.glob("*.txt")
    assert ended.cells[0].output_bytes == file.stat().st_size == 250_000_000
    assert most - before < 150_000_000


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.requirement("CELL-5")
async def test_on_a_full_disk_the_last_valid_notebook_stays_and_all_of_it_is_kept_elsewhere(
    bench: Bench, tiny_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended, asked = await bench.run(
        code("a", "print('first')"),
        code("b", "print('y' * 600_000)"),
        code("c", "print('last')"),
        output_path=str(tiny_disk / "out.ipynb"),
    )
    assert (ended.state, ended.cause) == ("failed", "output_unwritable")
    assert "y" * 600_000 in text_of(ended.output_path)
    assert bench.states(ended) == ["completed", "completed", "completed"]
    nbformat.validate(nbformat.reads(asked.text, as_version=4))
    assert names_in(tiny_disk) == {"out.ipynb"}


@pytest.mark.requirement("CELL-5")
async def test_output_that_finds_no_room_in_a_file_is_counted_and_fails_the_run(bench: Bench, tiny_disk: Path) -> None:
    ended, asked = await bench.run(
        code("a", "print('y' * 900_000)"), output_path=str(tiny_disk / "out.ipynb"), limits=SMALL
    )
    assert (ended.state, ended.cause) == ("failed", "output_unwritable")
    assert ended.cells[0].output_bytes == 900_001
    (text,) = shown(asked, "a")
    assert "all 900,001 bytes are counted, but out.a.stdout.txt could not be written: No space left" in text
    assert ended.cells[0].spilled_to is None
    assert ended.output_hash is not None
    assert asked.output["metadata"]["hermes"]["cause"] == "output_unwritable"
    assert names_in(tiny_disk) == {"out.ipynb"}


KILLED = """
import asyncio, sys
sys.path.insert(0, {here!r})
from pathlib import Path
from hermes_lab.runner.in_process import InProcessRunner
from tests.run_requests import Bench
from tests.written_notebooks import code

async def main():
    bench = Bench(InProcessRunner(), Path({folder!r}))
    cells = [code(f"c{{n}}", "print('x' * 50_000)\\nimport time; time.sleep(0.05)") for n in range(400)]
    await bench.run(*cells, output_path=str(Path({folder!r}, "out.ipynb")))

asyncio.run(main())
"""


@pytest.mark.requirement("CELL-5")
async def test_the_notebook_is_whole_whenever_its_writer_is_killed(tmp_path: Path) -> None:
    here = str(Path(__file__).parents[2])
    output = tmp_path / "out.ipynb"
    for killed_after_saves in (1, 2, 3, 4):
        output.unlink(missing_ok=True)
        source = KILLED.format(here=here, folder=str(tmp_path))
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", source, start_new_session=True)
        versions: set[tuple[int, int]] = set()

        def saved() -> bool:
            if output.exists():
                found = output.stat()  # a file system may give the next file the number of one that is gone
                versions.add((found.st_ino, found.st_mtime_ns))  # noqa: B023 - called in this round alone
            return len(versions) >= killed_after_saves  # noqa: B023

        await until(saved)
        writer.kill()
        await writer.wait()
        nbformat.validate(nbformat.reads(output.read_text(), as_version=4))
