"""`jupyter hermes run`: parameters and options as papermill has them, and what a person sees."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from hermes_lab.cli.cell_names import cell_names
from hermes_lab.cli.parameters import value
from tests.command_line import CommandLine
from tests.written_notebooks import Json, code, markdown, notebook

pytestmark = pytest.mark.requirement("CLI-2", "PARAM-1", "PARAM-2", "PARAM-4")

NAMES = ("a", "b", "f", "y", "p", "r")
DECLARED = code("p", "\n".join(f"{name} = None" for name in NAMES), tags=["parameters"])
SHOWS = code("show", "print([a, b, f, y, p, r])")


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """Where no server runs."""
    folder = tmp_path / "root"
    folder.mkdir()
    return CommandLine(folder, tmp_path)


def output(command_line: CommandLine, name: str = "out.ipynb") -> Json:
    written: Json = json.loads((command_line.folder / name).read_text())
    return written


def printed(command_line: CommandLine, name: str = "out.ipynb") -> str:
    outputs = output(command_line, name)["cells"][-1]["outputs"]
    return "".join(text for each in outputs for text in each["text"])


def test_parameters_come_from_everywhere_and_override_in_papermills_order(alone: CommandLine) -> None:
    alone.write("n.ipynb", DECLARED, SHOWS)
    (alone.folder / "given.yaml").write_text("f: 2020-01-01\nb: from file\n")
    encoded = base64.b64encode(b"b: encoded\na: [1, {x: null}]").decode()
    asked = ["-r", "r", "3", "-p", "p", "3", "-y", "y: 1.5\np: yaml", "-f", "given.yaml", "-b", encoded]
    alone.run("run", "n.ipynb", "out.ipynb", *asked)
    assert printed(alone) == "[[1, {'x': None}], 'from file', '2020-01-01', 1.5, 3, '3']\n"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("3", 3), ("007", 7), ("1e3", 1000.0), ("None", None), ("true", True), ('"3"', "3"), ("[1]", [1]), ("a b", "a b")],
)
def test_a_value_is_a_number_or_json_or_text(text: str, meant: object) -> None:
    assert (value(text), type(value(text))) == (meant, type(meant))


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (["-p", "aa", "1"], "--allow-unknown"),
        (["-f", "none.yaml"], "none.yaml"),
        (["-y", "[1]"], "--parameters_yaml"),
        (["-y", "{"], "--parameters_yaml"),
        (["-b", "!"], "--parameters_base64"),
        (["-p", "a", "nan"], "nan"),
        (["--secret", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE"),
        (["--secret-file", "X", "none"], "none"),
        (["--execution-timeout", "0"], "--execution-timeout"),
        (["--cwd", "nowhere"], "nowhere"),
        (["-o", "other.ipynb"], "--output"),
        (["--stdout-file", "no/folder"], "no/folder"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_nothing_runs(alone: CommandLine, asked: list[str], word: str) -> None:
    alone.write("n.ipynb", DECLARED)
    assert word in alone.refusal("run", "n.ipynb", "out.ipynb", *asked)
    assert [path.name for path in alone.folder.iterdir()] == ["n.ipynb"]


def test_errors_that_are_allowed_are_counted(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("bad", "1 / 0"), code("good", "1"))
    said = alone.run("run", "n.ipynb", "out.ipynb", "--allow-errors")
    assert "1 of the cells failed, which this run allows." in said.stdout
    assert said.stderr == ""


def test_text_for_a_parameter_that_is_text_is_given_with_r(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("p", "zip: str = ''\ncount: int = 1", tags=["parameters"]), code("show", "print(zip)"))
    assert "-r gives a value as text" in alone.refusal("run", "n.ipynb", "out.ipynb", "-p", "zip", "01234")
    assert "-r " not in alone.refusal("run", "n.ipynb", "out.ipynb", "-p", "count", "six")
    alone.run("run", "n.ipynb", "out.ipynb", "-r", "zip", "01234")
    assert printed(alone) == "01234\n"


def test_a_run_without_parameters_waits_for_no_import_that_it_does_not_need(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("a", "1"))
    heavy = "{'papermill', 'IPython', 'nbdime', 'sqlalchemy', 'jupyter_server', 'tqdm', 'requests', 'yaml'}"
    script = f"import sys, hermes_lab.cli as it\nit.main(['run', 'n.ipynb'])\nprint({heavy} & set(sys.modules))"
    said = subprocess.check_output([sys.executable, "-c", script], cwd=alone.folder, text=True, timeout=120)
    assert said.endswith("set()\n")


def test_an_unknown_parameter_is_injected_when_the_caller_insists(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("show", "print(n)"))
    alone.run("run", "n.ipynb", "out.ipynb", "-p", "n", "4", "--allow-unknown")
    assert printed(alone) == "4\n"


def test_the_notebook_is_told_where_it_is_and_hides_its_sources(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("show", "print(PAPERMILL_INPUT_PATH, PAPERMILL_OUTPUT_PATH)"))
    alone.run("run", "n.ipynb", "out.ipynb", "--inject-paths", "--report-mode")
    assert printed(alone) == "n.ipynb out.ipynb\n"
    assert [cell["metadata"]["jupyter"] for cell in output(alone)["cells"]] == [{"source_hidden": True}] * 2


def test_the_notebook_works_where_it_is_told_to(alone: CommandLine) -> None:
    (alone.folder / "elsewhere").mkdir()
    alone.write("n.ipynb", code("a", "open('here', 'w')"))
    alone.run("run", "n.ipynb", "out.ipynb", "--cwd", "elsewhere")
    assert (alone.folder / "elsewhere" / "here").exists()


def test_outputs_are_shown_and_kept_while_they_come(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("a", "import sys\nprint('to out')\nprint('to err', file=sys.stderr)\n6 * 7"))
    files = ["--stdout-file", "stdout.txt", "--stderr-file", "stderr.txt"]
    said = alone.run("run", "n.ipynb", "out.ipynb", "--log-output", *files).stderr
    assert all(text in said for text in ("to out\n", "to err\n", "42\n"))
    assert (alone.folder / "stdout.txt").read_text() == "to out\n"
    assert (alone.folder / "stderr.txt").read_text() == "to err\n"


def test_a_progress_bar_names_the_cell_and_is_for_terminals(alone: CommandLine) -> None:
    alone.write("n.ipynb", markdown("m", "## Load the fleet"), code("a", "1"), code("b", "2"))
    asked = alone.run("run", "n.ipynb", "out.ipynb", "--progress-bar").stderr
    assert "Load the fleet" in asked
    assert "2/2" in asked
    assert alone.run("run", "n.ipynb", "out.ipynb", "--overwrite").stderr == ""


def test_on_a_terminal_the_bar_shows_that_time_goes_by_in_a_long_cell(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("a", "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)"))
    terminal, end_of_command = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = alone.start("run", "n.ipynb", stderr=end_of_command)
    with os.fdopen(terminal, "rb", buffering=0) as seen, command:
        os.close(end_of_command)
        shown = b""
        try:
            while len(set(re.findall(rb"00:\d\d<", shown))) < 5:
                assert select.select([seen], [], [], 20)[0], shown
                shown += seen.read(4096)
        finally:
            (alone.folder / "go").touch()
            command.communicate(timeout=60)
    assert command.returncode == 0


def test_cells_are_called_by_their_name_their_heading_or_their_first_line() -> None:
    named = code("named", "1", name="by name")
    cells = [code("first", "\n  import os\n1"), markdown("m", "text\n# One\n## Two ##\n"), code("under", "x"), named]
    described = code("described", "# papermill_description=LOADING\n1")
    names = cell_names(notebook(*cells, described, markdown("long", f"# {'x' * 60}"), code("last", "1")))
    assert names == {
        "first": "import os",
        "under": "Two",
        "named": "by name",
        "described": "LOADING",
        "last": f"{'x' * 39}…",
    }


def test_the_parameters_of_a_notebook_are_shown_as_papermill_shows_them(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("p", "n: int = 5  # how many\npath = 'a=b'", tags=["parameters"]))
    said = alone.run("run", "n.ipynb", "--help-notebook").stdout
    assert "Parameters inferred for notebook 'n.ipynb':\n  n: int (default 5)              how many\n" in said
    found = alone.json("run", "n.ipynb", "--help-notebook")["parameters"]
    assert [(each["name"], each["default_value"]) for each in found] == [("n", 5), ("path", "a=b")]
    alone.write("bare.ipynb", code("a", "1"))
    assert "No cell tagged 'parameters'" in alone.run("run", "bare.ipynb", "--help-notebook", exit_code=1).stdout


def test_a_secret_reaches_the_kernel_from_the_environment_or_a_file(alone: CommandLine) -> None:
    alone.write("n.ipynb", code("s", "import os\nprint(len(os.environ['ONE']), len(os.environ['TWO']))"))
    (alone.folder / "two.txt").write_text("second secret\n")
    alone.run("run", "n.ipynb", "out.ipynb", "--secret", "ONE", "--secret-file", "TWO", "two.txt", ONE="first one")
    assert printed(alone) == "9 13\n"
    assert "secret" not in (alone.folder / "out.ipynb").read_text()


@pytest.mark.parametrize(
    ("cells", "asked"),
    [
        ((markdown("m", "# T"), code("p", "n = 1", tags=["parameters"]), code("s", "print(n)")), ["-p", "n", "2"]),
        ((code("p", "n = 1", tags=["parameters"]), code("i", "n = 2", tags=["injected-parameters"])), ["-p", "n", "3"]),
        ((code("p", "n = 1", tags=["parameters"]), code("s", "n", tags=["a"])), ["-p", "n", "4", "--report-mode"]),
        ((code("s", "1", prints="old\n", count=3),), []),
    ],
    ids=["injected", "replaced", "report", "nothing"],
)
@pytest.mark.requirement("PARAM-3")
def test_a_prepared_notebook_is_the_one_that_papermill_prepares(
    alone: CommandLine, cells: tuple[Json, ...], asked: list[str]
) -> None:
    alone.write("n.ipynb", *cells)
    alone.run("run", "n.ipynb", "out.ipynb", "--prepare-only", *asked)
    ours = output(alone)
    command = [sys.executable, "-m", "papermill", "n.ipynb", "out.ipynb", "--prepare-only", *asked]
    subprocess.run(command, cwd=alone.folder, check=True, timeout=120)
    theirs = output(alone)
    for each in (ours, theirs):
        del each["nbformat_minor"]
        for cell in each["cells"]:
            del cell["id"]  # papermill gives an injected cell another one at each run
    assert ours == theirs
