"""Our reader of scraps beside scrapbook's own: on its notebooks, on made ones, and on what no reader expects."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import nbformat
import pytest
import scrapbook
from hypothesis import given
from hypothesis import strategies as st

from hermes_lab import read_scraps_of_file, read_scraps_of_folder
from hermes_lab.engines.scrapbook import read_scraps, scraps_in
from hermes_lab.model.errors import InvalidRequest, NotFound
from tests.written_notebooks import Json, code, notebook

pytestmark = pytest.mark.requirement("RUN-14")

JSON_SCRAP = "application/scrapbook.scrap.json+json"
NOT_READ = [
    pytest.param("[" * 3000, id="JSON in text, nested beyond any parser"),
    pytest.param("9" * 5000, id="a number that is too long"),
]
PAYLOADS: list[Any] = [
    {"name": 7, "data": 1, "encoder": "json", "version": 1},
    {"name": None, "data": 1, "encoder": "json", "version": 1},
    {"name": ["a"], "data": 1, "encoder": "json", "version": 1},
    {"data": 1, "encoder": "json", "version": 1},
    {},
    [],
    "text",
    None,
    3,
]
"""None of them names a scrap."""


@pytest.fixture
def of_scrapbook() -> Iterator[Path]:
    """The notebooks of scrapbook's own test-suite."""
    with as_file(files("scrapbook") / "tests" / "notebooks") as folder:
        yield folder


def test_the_notebooks_of_scrapbooks_own_tests_are_read_as_it_reads_them(of_scrapbook: Path) -> None:
    notebooks = sorted(of_scrapbook.rglob("*.ipynb"))
    assert len(notebooks) == 4
    for path in notebooks:
        agree(path)


def test_a_folder_is_read_as_scrapbook_reads_it(of_scrapbook: Path) -> None:
    ours = read_scraps_of_folder(of_scrapbook / "collection")
    theirs = scrapbook.read_notebooks(str(of_scrapbook / "collection")).notebook_scraps
    assert {key: list(scraps) for key, scraps in ours.items()} == {key: list(scraps) for key, scraps in theirs.items()}
    assert ours["result1"]["list"] == [1, 2, 3]
    assert ours["result1"]["output"] == "Hello World!", "a value is worth more than its display"


def test_a_display_is_the_text_that_was_shown_whatever_lines_the_file_keeps_it_in(tmp_path: Path) -> None:
    path = written(tmp_path, {"data": {"text/plain": ["a\n", "b"]}, "metadata": shown("x")})
    assert read_scraps_of_file(path) == {"x": {"text/plain": "a\nb"}}
    agree(path)


def test_what_is_glued_last_under_a_name_counts_be_it_a_value_or_a_display(tmp_path: Path) -> None:
    value, display = {"data": glued("x", 1)}, {"data": {"text/html": "<b>"}, "metadata": shown("x")}
    later = notebook(code("a"), code("b"))
    later["cells"][0]["outputs"], later["cells"][1]["outputs"] = outputs(value), outputs(display)
    assert read_scraps(later) == {"x": {"text/html": "<b>"}}
    agree(saved(tmp_path / "later.ipynb", later))
    assert read_scraps(of_outputs(display, value)) == {"x": 1}
    agree(written(tmp_path, display, value))


def test_a_value_that_is_shown_too_keeps_both(tmp_path: Path) -> None:
    both = of_outputs(
        {"data": glued("x", 1)}, {"data": {"text/plain": "1"}, "metadata": shown("x")}, {"data": glued("y", 2)}
    )
    scrap = scraps_in(both)["x"]
    assert scrap.data == scrap.value == 1
    assert scrap.display == both["cells"][0]["outputs"][1]
    agree(saved(tmp_path / "both.ipynb", both))


def test_an_output_of_an_old_scrapbook_holds_a_value_and_its_display_at_once(tmp_path: Path) -> None:
    together = {"data": {**glued("x", 1), "text/plain": "one"}, "metadata": shown("x")}
    assert read_scraps(of_outputs(together)) == {"x": 1}
    agree(written(tmp_path, together))


def test_an_old_display_of_papermill_is_a_scrap(tmp_path: Path) -> None:
    old = {"data": {"text/plain": "'Text'"}, "metadata": {"papermill": {"name": "old"}}}
    unnamed = {"data": {"text/plain": "1"}, "metadata": {"papermill": {}, **shown("never")}}
    assert read_scraps(of_outputs(old, unnamed)) == {"old": {"text/plain": "'Text'"}}
    agree(written(tmp_path, old, unnamed))


def test_a_reference_is_read_as_what_was_glued(tmp_path: Path) -> None:
    where = "s3://bucket/table.parquet"
    agree(written(tmp_path, {"data": glued("where", where, "text")}, {"data": glued("one", {"path": where})}))
    planned = {JSON_SCRAP: {"name": "x", "data": None, "ref": where, "encoder": "json", "version": 2}}
    assert read_scraps(of_outputs({"data": planned})) == {"x": {"ref": where}}


def test_a_notebook_of_format_3_is_read_as_scrapbook_reads_it(tmp_path: Path) -> None:
    output = {"output_type": "display_data", "png": "aGk=", "metadata": {"papermill": {"name": "figure"}}}
    cell = {"cell_type": "code", "language": "python", "input": "", "outputs": [output], "metadata": {}}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": [cell]}]}
    path = saved(tmp_path / "old.ipynb", old)
    assert read_scraps_of_file(path) == {"figure": {"image/png": "aGk="}}
    agree(path)


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_what_names_no_scrap_is_passed_over(payload: Any) -> None:
    assert read_scraps(of_outputs({"data": {JSON_SCRAP: payload}}, {"data": glued("good", 1)})) == {"good": 1}


@pytest.mark.parametrize("metadata", [None, [], "text", {"scrapbook": None}, {"scrapbook": []}, {"papermill": None}])
def test_metadata_that_is_none_costs_no_scrap(metadata: Any) -> None:
    assert read_scraps(of_outputs({"data": glued("good", 1), "metadata": metadata})) == {"good": 1}


@pytest.mark.parametrize("encoder", ["json", "text", "display", "somebody's own", None, 3])
def test_no_data_is_null(encoder: Any) -> None:
    assert read_scraps(of_outputs({"data": glued("x", None, encoder)})) == {"x": None}


@pytest.mark.parametrize("text", NOT_READ)
def test_text_that_cannot_be_parsed_is_an_answer(text: str) -> None:
    scraps = read_scraps(of_outputs({"data": glued("x", text)}, {"data": glued("good", 1)}))
    assert scraps["good"] == 1
    assert scraps["x"] in (text, {"error": "The scrap is nested too deeply to be read."})


@pytest.mark.parametrize("broken", ["no base64!", "ü", "aGk=", None, 3, ["aGk="], {"a": 1}])
@pytest.mark.parametrize("encoder", ["pandas", "arrow"])
def test_a_table_that_cannot_be_read_is_an_error_under_its_name_and_costs_no_other_scrap(
    encoder: str, broken: Any
) -> None:
    scraps = read_scraps(of_outputs({"data": glued("bad", broken, encoder)}, {"data": glued("good", 1)}))
    assert scraps["good"] == 1
    assert scraps["bad"].keys() == {"error"}


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_MIMES = st.sampled_from([JSON_SCRAP, "application/scrapbook.scrap.pandas+json", "application/papermill.record+json"])
_FIELDS = st.sampled_from(["name", "data", "encoder", "version", "ref"])
_OUTPUTS = st.fixed_dictionaries(
    {},
    optional={
        "data": _ANYTHING | st.dictionaries(_MIMES, _ANYTHING | st.dictionaries(_FIELDS, _ANYTHING)),
        "metadata": _ANYTHING | st.dictionaries(st.sampled_from(["scrapbook", "papermill"]), _ANYTHING),
    },
)


@given(_ANYTHING | st.lists(_ANYTHING | st.fixed_dictionaries({"outputs": _ANYTHING | st.lists(_OUTPUTS)})))
def test_no_notebook_whatsoever_breaks_the_reader_and_every_answer_is_json(cells: Any) -> None:
    json.dumps(read_scraps({"cells": cells}), allow_nan=False).encode()


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"cells": []}', '{"nbformat": 3}', "[" * 100_000, "\udcff"])
def test_a_file_that_is_no_notebook_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InvalidRequest):
        read_scraps_of_file(path)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_scraps_of_file(tmp_path / "a.ipynb")
    with pytest.raises(NotFound):
        read_scraps_of_folder(tmp_path / "a")


def test_values_are_read_without_pandas_and_without_pyarrow(of_scrapbook: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from hermes_lab import read_scraps_of_folder\n"
        "assert read_scraps_of_folder(Path(sys.argv[1]))['result1']['one'] == 1\n"
        "print({'pandas', 'pyarrow', 'scrapbook', 'nbformat'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", program, str(of_scrapbook / "collection")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "set()\n"


def agree(path: Path) -> None:
    """Every scrap of the file is what scrapbook reads, except that a value is not forgotten for its display."""
    theirs = scrapbook.read_notebook(str(path)).scraps
    ours = scraps_in(json.loads(nbformat.writes(nbformat.read(path, as_version=4), split_lines=False)))
    assert list(ours) == list(theirs)
    for name, scrap in ours.items():
        assert joined(scrap.display) == joined(theirs[name].display), name
        if theirs[name].encoder == "display":
            assert theirs[name].data is None
        else:
            assert (scrap.data, scrap.encoder) == (theirs[name].data, theirs[name].encoder), name
    assert read_scraps_of_file(path) == {name: scrap.value for name, scrap in ours.items()}


def joined(output: Json | None) -> Any:
    """An output with its texts in one string, however its file keeps them."""
    data = (output or {}).get("data", {})
    texts = {mime: "".join(content) if isinstance(content, list) else content for mime, content in data.items()}
    return output and {**output, "data": texts}


def glued(name: str, data: Any, encoder: Any = "json") -> Json:
    """The data of an output that `scrapbook.glue` makes."""
    kind = encoder if isinstance(encoder, str) else "json"
    payload = {"name": name, "data": data, "encoder": encoder, "version": 1}
    return {f"application/scrapbook.scrap.{kind}+json": payload}


def shown(name: str) -> Json:
    """The metadata of a display that is a scrap."""
    return {"scrapbook": {"name": name, "data": False, "display": True}}


def outputs(*made: Json) -> list[Json]:
    """Valid outputs, but for what they hold."""
    return [{"output_type": "display_data", "metadata": {}, **output} for output in made]


def of_outputs(*made: Json) -> Json:
    """A notebook of one cell with these outputs."""
    cell = code("a")
    cell["outputs"] = outputs(*made)
    return notebook(cell)


def saved(path: Path, content: Json) -> Path:
    """The notebook in a file."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def written(folder: Path, *made: Json) -> Path:
    """A file of a notebook of one cell with these outputs."""
    return saved(folder / "written.ipynb", of_outputs(*made))
