"""Scraps that a real kernel glued, read without scrapbook, and compared with what scrapbook reads."""

from __future__ import annotations

import datetime
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import scrapbook

from hermes_lab.engines.scrapbook import read_scraps, read_scraps_of_file
from hermes_lab.runner.in_process import InProcessRunner
from tests.run_requests import Bench
from tests.written_notebooks import Json, code, notebook

pytestmark = pytest.mark.requirement("RUN-14")

GLUES = """
import warnings; warnings.simplefilter("ignore")
import pandas as pd, scrapbook as sb
sb.glue("score", 0.93)
sb.glue("count", 3)
sb.glue("ok", True)
sb.glue("hosts", ["a", {"b": None}])
sb.glue("words", "plain text")
sb.glue("number in text", "12", encoder="json")
sb.glue("score", 0.94)
"""
GLUES_TABLES = """
frame = pd.DataFrame({"host": ["a", "b"], "load": [0.5, None], "at": pd.to_datetime(["2026-01-01", "2026-01-02"])})
sb.glue("table", frame, encoder="pandas")
sb.glue("by host", frame.set_index("host")[["load"]], encoder="pandas")
"""
GLUES_DISPLAYS = """
from IPython.display import HTML
sb.glue("shown", HTML("<b>hot</b>"), display=True)
sb.glue("both", 7, display=True)
"""
VALUES = {
    "zero": 0,
    "negative": -1.5e-300,
    "large": 10**30,
    "false": False,
    "empty text": "",
    "text of a number": "007",
    "text of JSON": '{"a": [1, null]}',
    "text of a bad number": "NaN",
    "lines": "a\nb\n\ttab \u00fc \U0001f600",
    "empty list": [],
    "nested": [[[]], {"a": {"b": [None, True, 1, 1.0, "x"]}}],
    "not a number inside": "[1, 2",
    "keys": {"": 1, "with space": 2, "\u00fc": 3},
    "reference": {"path": "s3://bucket/table.parquet", "rows": 7},
}
GLUES_VALUES = """
import scrapbook as sb
for name, value in VALUES.items():
    sb.glue(name, value)
    sb.glue("as text: " + name, value, encoder="text")
    if not isinstance(value, str):
        sb.glue("as json: " + name, value, encoder="json")
    sb.glue("shown: " + name, value, display=True)
for name, text in {"parsed": "[1, 2]", "number": "7", "null in a list": "[null]"}.items():
    sb.glue("json text: " + name, text, encoder="json")
"""
GLUES_FRAMES = """
import warnings; warnings.simplefilter("ignore")
import datetime, pandas as pd, scrapbook as sb
at = pd.to_datetime(["2026-01-01", "2026-01-02"])
frames = {
    "empty": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": [], "b": []}),
    "mixed": pd.DataFrame({"text": ["a", None], "whole": [1, 2], "part": [0.5, float("nan")], "yes": [True, False]}),
    "missing whole numbers": pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
    "categories": pd.DataFrame({"a": pd.Categorical(["x", "y"])}),
    "lists": pd.DataFrame({"a": [[1, 2], []]}),
    "days": pd.DataFrame({"at": at}),
    "numbered columns": pd.DataFrame([[1, 2]]).rename(columns=str),
}
indexed = {
    "by name": pd.DataFrame({"host": ["a", "b"], "load": [1, 2]}).set_index("host"),
    "by two": pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [3, 4]}).set_index(["a", "b"]),
    "by nothing named": pd.DataFrame({"load": [1, 2]}, index=["a", "b"]),
    "by day": pd.DataFrame({"load": [1, 2]}, index=pd.Index(at, name="at")),
}
for name, frame in {**frames, **indexed}.items():
    sb.glue(name, frame)
"""
REGLUES = """
import scrapbook as sb
earlier = sb.read_notebook(EARLIER)
for name in ("zero", "nested", "shown: nested"):
    earlier.reglue(name)
earlier.reglue("keys", "renamed")
earlier.reglue("lines", unattached=True)
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(InProcessRunner(), tmp_path)
    yield bench
    await bench.runner.close()


async def test_values_tables_and_displays_are_read_as_scrapbook_reads_them(bench: Bench) -> None:
    ended, asked = await bench.run(code("values", GLUES), code("t", GLUES_TABLES), code("d", GLUES_DISPLAYS))
    assert ended.result is not None
    assert ended.result.failed_cell is None, ended.result.failed_cell
    ours = ended.result.scraps
    theirs = scrapbook.read_notebook(asked.request.output_path).scraps
    assert ours.keys() == theirs.keys()
    for name in ("score", "count", "ok", "hosts", "words", "number in text"):
        assert ours[name] == theirs[name].data, name
    assert ours["score"] == 0.94
    assert ours["table"] == table_of(theirs["table"].data)
    assert ours["by host"] == table_of(theirs["by host"].data.reset_index())
    assert ours["table"]["rows"][1] == ["b", None, "2026-01-02T00:00:00"]
    assert ours["shown"] == theirs["shown"].display["data"]
    assert ours["both"] == 7, "a value is worth more than its display"


async def test_every_kind_of_value_that_can_be_glued_is_read_as_scrapbook_reads_it(bench: Bench) -> None:
    ended, asked = await bench.run(code("values", f"VALUES = {VALUES!r}"), code("glues", GLUES_VALUES))
    assert ended.result is not None
    assert ended.result.failed_cell is None, ended.result.failed_cell
    ours, theirs = ended.result.scraps, scrapbook.read_notebook(asked.request.output_path).scraps
    assert len(ours) > 3 * len(VALUES)
    assert ours == {name: value_of(scrap, ours[name]) for name, scrap in theirs.items()}
    assert read_scraps_of_file(Path(asked.request.output_path)) == ours
    for name, value in VALUES.items():
        assert ours[f"shown: {name}"] == ours[name]
        assert ours[f"as text: {name}"] == str(value)


async def test_every_kind_of_table_is_read_as_scrapbook_reads_it(bench: Bench) -> None:
    ended, asked = await bench.run(code("frames", GLUES_FRAMES))
    assert ended.result is not None
    assert ended.result.failed_cell is None, ended.result.failed_cell
    ours, theirs = ended.result.scraps, scrapbook.read_notebook(asked.request.output_path).scraps
    assert len(ours) == 12
    for name, scrap in theirs.items():
        frame = scrap.data.reset_index() if name.startswith("by ") else scrap.data
        assert ours[name] == table_of(frame), name


async def test_what_is_glued_again_from_another_notebook_is_read_as_scrapbook_reads_it(bench: Bench) -> None:
    first, asked = await bench.run(code("values", f"VALUES = {VALUES!r}"), code("glues", GLUES_VALUES))
    ended, again = await bench.run(code("a", f"EARLIER = {asked.request.output_path!r}"), code("b", REGLUES))
    assert first.result is not None
    assert ended.result is not None
    assert ended.result.failed_cell is None, ended.result.failed_cell
    ours, theirs = ended.result.scraps, scrapbook.read_notebook(again.request.output_path).scraps
    assert ours == {name: value_of(scrap, ours[name]) for name, scrap in theirs.items()}
    # Its reader had forgotten the value that was shown, so that the display alone could be glued again.
    assert ours["shown: nested"] == {"text/plain": repr(VALUES["nested"])}
    assert ours["renamed"] == VALUES["keys"]


async def test_what_was_glued_before_a_failure_is_read(bench: Bench) -> None:
    ended, _ = await bench.run(code("glues", GLUES), code("fails", "1 / 0"), code("after", "sb.glue('late', 1)"))
    assert ended.result is not None
    assert ended.result.status == "error"
    assert ended.result.scraps["count"] == 3
    assert "late" not in ended.result.scraps


def test_the_records_of_old_papermills_are_read_as_scrapbook_reads_them() -> None:
    recorded = with_output({"application/papermill.record+json": {"hello": "world"}})
    assert read_scraps(recorded) == {"hello": "world"}


def with_output(data: Json) -> Json:
    cell = code("a")
    cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": data}]
    return notebook(cell)


def value_of(scrap: Any, ours: Any) -> Any:
    """What a scrap of scrapbook's reader is worth; it forgets a value for its display, which ours then stands for."""
    return ours if scrap.encoder == "display" else scrap.data


def table_of(frame: Any) -> Json:
    """A pandas table in the shape of our tables."""
    rows = json.loads(frame.to_json(orient="values", date_format="iso", date_unit="s"))
    names = [str(name) for name in frame.columns]
    dates = [index for index, name in enumerate(names) if str(frame[name].dtype).startswith("datetime")]
    for row in rows:
        for index in dates:
            row[index] = datetime.datetime.fromisoformat(row[index].rstrip("Z").removesuffix(".000")).isoformat()
    return {"columns": names, "rows": rows}
