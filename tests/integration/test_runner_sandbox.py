"""A kernel in the sandbox: it works as any other, within its walls. What tries to get out: test_sandbox_escapes.py."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from jupyter_client.provisioning import KernelProvisionerFactory

from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import Sandbox
from tests.kernel_provisioners import provisioned
from tests.processes import process_with
from tests.run_requests import Bench, is_alive, until
from tests.sandboxes import needs_sandbox
from tests.written_notebooks import code

pytestmark = [pytest.mark.requirement("BOX-1"), needs_sandbox]

GLUE = "import scrapbook as sb\nsb.glue('score', 7)"
WRITES = "import pathlib; pathlib.Path('written.txt').write_text('by the kernel')"


@pytest.fixture
def runtime() -> Iterator[Path]:
    """Where the kernels' sockets lie, whose path must be short."""
    with TemporaryDirectory(prefix="hermes-") as name:
        yield Path(name)
        assert list(Path(name).iterdir()) == [], "a connection file or a socket survived its run"


@pytest.fixture
async def bench(runtime: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    folder = tmp_path / "work"
    folder.mkdir()
    bench = Bench(InProcessRunner(runtime), folder)
    yield bench
    await bench.runner.close()


@pytest.fixture
def sandbox(bench: Bench) -> Sandbox:
    return Sandbox(scratch_folder=str(bench.folder))


async def test_a_notebook_runs_in_the_sandbox_as_it_does_outside(bench: Bench, sandbox: Sandbox) -> None:
    cells = [code("glue", GLUE), code("writes", WRITES), code("prints", "import numpy; print(numpy.arange(3).sum())")]
    ended, asked = await bench.run(*cells, sandbox=sandbox)
    assert (ended.state, ended.message) == ("completed", None)
    assert ended.result is not None
    assert ended.result.scraps == {"score": 7}
    assert asked.printed("prints") == "3\n"
    assert (bench.folder / "written.txt").read_text() == "by the kernel"


async def test_it_sees_itself_alone_under_a_name_that_tells_nothing(bench: Bench, sandbox: Sandbox) -> None:
    looks = "import getpass, os, socket\n"
    looks += (
        "print(getpass.getuser(), socket.gethostname(), os.path.expanduser('~'), os.listdir(os.path.expanduser('~')))"
    )
    ended, asked = await bench.run(
        code("looks", looks),
        code("others", "print(len([name for name in os.listdir('/proc') if name.isdigit()]))"),
        code("files", "print(sorted({int(name) for name in os.listdir('/proc/self/fd')} & {*range(3)}))"),
        sandbox=sandbox,
    )
    assert ended.state == "completed"
    assert asked.printed("looks").startswith("sandbox sandbox /tmp/home ")
    assert asked.printed("others") == "2\n"


async def test_the_environment_of_the_machine_stays_outside(
    bench: Bench, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "canary")
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    ended, asked = await bench.run(
        code("a", "import os; print(os.environ.get('SOME_SECRET'), os.environ['LC_TIME'], os.environ['OWN'])"),
        environment={"OWN": "given"},
        sandbox=sandbox,
    )
    assert ended.state == "completed"
    assert asked.printed("a") == "None C.UTF-8 given\n"


async def test_a_closed_folder_is_hidden_in_a_readable_one_and_the_scratch_folder_shows_in_it(
    bench: Bench, tmp_path: Path
) -> None:
    readable, closed = tmp_path / "readable", tmp_path / "readable" / "closed"
    scratch = closed / "scratch"
    scratch.mkdir(parents=True)
    (readable / "library.py").write_text("VALUE = 'imported'")
    (closed / "token").write_text("secret")
    source = [
        "import os, sys",
        f"sys.path.insert(0, {str(readable)!r})",
        "import library",
        f"open({str(scratch / 'written')!r}, 'w').close()",
        f"print(library.VALUE, os.listdir({str(closed)!r}), os.access({str(readable)!r}, os.W_OK))",
    ]
    sandbox = Sandbox(scratch_folder=str(scratch), readable_folders=[str(readable)], closed_folders=[str(closed)])
    ended, asked = await bench.run(code("a", "\n".join(source)), working_folder=str(scratch), sandbox=sandbox)
    assert ended.state == "completed", ended
    assert asked.printed("a") == "imported ['scratch'] False\n"
    assert (scratch / "written").exists()


async def test_links_on_the_way_to_what_is_shown_lead_there_inside_too(bench: Bench, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    (real / "scratch").mkdir(parents=True)
    link.symlink_to("real")
    sandbox = Sandbox(scratch_folder=str(link / "scratch"))
    ended, _ = await bench.run(
        code("a", f"print(open({str(link / 'scratch' / 'written')!r}, 'w').write('x'))"),
        working_folder=str(link / "scratch"),
        sandbox=sandbox,
    )
    assert ended.state == "completed", ended
    assert (real / "scratch" / "written").read_text() == "x"


async def test_a_cell_that_is_to_stop_is_interrupted_before_its_kernel_is_killed(
    bench: Bench, sandbox: Sandbox
) -> None:
    waits = "import pathlib, time\ntry:\n    pathlib.Path('begun').touch()\n    time.sleep(1000)\n"
    waits += "finally: pathlib.Path('interrupted').touch()"
    asked = bench.start(code("waits", waits), sandbox=sandbox)
    await until((bench.folder / "begun").exists)
    await bench.runner.cancel(asked.request.run_id)
    assert (await asked.ended()).state == "cancelled"
    assert (bench.folder / "interrupted").exists()


async def test_what_it_started_is_gone_when_the_run_is_cancelled(bench: Bench, sandbox: Sandbox) -> None:
    # The sleeping process is found from outside by its argument, which nothing else has.
    seconds = f"1000.{os.getpid()}"
    starts = (
        f"import subprocess, time; subprocess.Popen(['sleep', '{seconds}'], start_new_session=True); time.sleep(99)"
    )
    asked = bench.start(code("starts", starts), sandbox=sandbox)
    pid = await until(lambda: process_with(seconds))
    await bench.runner.cancel(asked.request.run_id)
    assert (await asked.ended()).state == "cancelled"
    assert not is_alive(pid)


async def test_a_kernel_that_is_not_known_to_speak_over_unix_sockets_is_refused(
    bench: Bench, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "share" / "kernels" / "other"
    spec.mkdir(parents=True)
    argv = f'["{sys.executable}", "-m", "other", "{{connection_file}}"]'
    (spec / "kernel.json").write_text(f'{{"argv": {argv}, "display_name": "Other", "language": "python"}}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    ended, _ = await bench.run(code("a", "1"), kernel_name="other", sandbox=sandbox)
    assert (ended.state, ended.cause) == ("failed", "kernel_failed_to_start")
    assert "known to speak over Unix sockets" in str(ended.message)


async def test_where_there_is_no_bubblewrap_nothing_runs(
    bench: Bench, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    ended, _ = await bench.run(code("a", "open('executed', 'w')"), sandbox=sandbox)
    assert (ended.state, ended.cause) == ("failed", "kernel_failed_to_start")
    assert "install the package `bubblewrap`" in str(ended.message)
    assert not (bench.folder / "executed").exists()


async def test_a_kernel_that_somebody_else_should_start_is_not_started_here_instead(
    bench: Bench, sandbox: Sandbox
) -> None:
    """Where kernels are on another machine, code is not to run on this one."""
    program = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    elsewhere = {**provisioned("elsewhere", program), "resource_dir": str(bench.folder)}
    ended, _ = await bench.run(code("writes", WRITES), kernel_spec=elsewhere, sandbox=sandbox)
    assert (ended.state, ended.cause) == ("failed", "kernel_failed_to_start")
    assert "'elsewhere' cannot be shut in a sandbox" in (ended.message or "")
    assert not (bench.folder / "written.txt").exists()


async def test_a_kernel_of_this_machine_is_started_by_jupyter_itself_whatever_the_default_is(
    bench: Bench, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one in the sandbox, too, whose kernel spec is our own."""
    monkeypatch.setattr(KernelProvisionerFactory.instance(), "default_provisioner_name", "elsewhere")
    program = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    here = {**provisioned("local-provisioner", program), "resource_dir": str(bench.folder)}
    ended, _ = await bench.run(code("writes", WRITES), kernel_spec=here, sandbox=sandbox)
    assert (ended.state, ended.message) == ("completed", None)
