"""The output notebook where the file system can do less than Linux's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import file_systems
from tests.servers import isolated_environment
from tests.written_notebooks import Json, code, notebook

pytestmark = [
    pytest.mark.requirement("RUN-7"),
    pytest.mark.skipif(not file_systems.CAN_REFUSE, reason="system calls cannot be refused here"),
]

KNOWS = "import os\ntry: os.link('in.ipynb', 'linked')\nexcept OSError as error: print(error.errno)\nelse: print(0)"
Run = Callable[..., Any]


@pytest.fixture(params=[file_systems.NO_EXCHANGE, file_systems.NO_LINKS])
def refused(request: pytest.FixtureRequest) -> str:
    """What the kernel will not do for the run."""
    return str(request.param)


@pytest.fixture
def run(tmp_path: Path, refused: str) -> Run:
    """Runs cells by the command, in ``work``; answers what it prints as JSON."""
    folder = tmp_path / "work"
    folder.mkdir()

    def ended(*cells: Json, output: str = "out.ipynb", arguments: tuple[str, ...] = ()) -> Any:
        kernelspec = {"name": "python3", "display_name": "Python 3"}
        (folder / "in.ipynb").write_text(json.dumps(notebook(*cells, kernelspec=kernelspec)))
        command = [sys.executable, "-m", "hermes_lab.cli", "run", "in.ipynb", output, "--json", *arguments]
        told = subprocess.run(
            [sys.executable, file_systems.__file__, refused, *command],
            cwd=folder,
            env=isolated_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return json.loads(told.stdout)

    return ended


def test_an_output_is_written_and_replaced(tmp_path: Path, refused: str, run: Run) -> None:
    for arguments in ((), ("--overwrite",)):
        ended = run(code("knows", KNOWS), code("last", "1"), arguments=arguments)
        assert (ended["state"], ended["message"]) == ("completed", None)
        written = json.loads((tmp_path / "work" / "out.ipynb").read_text())
        has_links = refused == file_systems.NO_EXCHANGE
        assert (written["cells"][0]["outputs"][0]["text"] == ["0\n"]) == has_links
        (tmp_path / "work" / "linked").unlink(missing_ok=True)
        assert {file.name for file in (tmp_path / "work").iterdir()} == {"in.ipynb", "out.ipynb"}


@pytest.mark.requirement("RUN-24")
def test_what_somebody_else_writes_stays_there_too(tmp_path: Path, run: Run) -> None:
    ended = run(code("a", "open('out.ipynb', 'w').write('precious')"), code("b", "1"))
    assert ended["state"] == "completed"
    assert (tmp_path / "work" / "out.ipynb").read_text() == "precious"
    beside = Path(ended["output_path"])
    assert json.loads(beside.read_text())["metadata"]["hermes"]["state"] == "completed"
    assert {file.name for file in (tmp_path / "work").iterdir()} == {"in.ipynb", "out.ipynb", beside.name}


def test_a_name_that_can_be_written_once_can_be_written_again(tmp_path: Path, run: Run) -> None:
    name = "n" * (242 - len(".ipynb")) + ".ipynb"
    assert run(code("a", "1"), code("b", "2"), output=name)["state"] == "completed"
    assert json.loads((tmp_path / "work" / name).read_text())["metadata"]["hermes"]["state"] == "completed"
