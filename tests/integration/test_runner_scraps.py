"""Scraps that a real kernel glued, read without scrapbook, and compared with what scrapbook reads."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import scrapbook

from hermes_lab.engines.scrapbook import read_scraps
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


async def test_what_was_glued_before_a_failure_is_read(bench: Bench) -> None:
    ended, _ = await bench.run(code("glues", GLUES), code("fails", "1 / 0"), code("after", "sb.glue('late', 1)"))
    assert ended.result is not None
    assert ended.result.status == "error"
    assert ended.result.scraps["count"] == 3
    assert "late" not in ended.result.scraps


def test_the_records_of_old_papermills_are_read_as_scrapbook_reads_them() -> None:
    recorded = with_output({"application/papermill.record+json": {"hello": "world", "n": 1}})
    assert read_scraps(recorded)["hello"] == "world"


@pytest.mark.parametrize("broken", ["no base64!", base64.b64encode(b"no parquet").decode(), None])
def test_a_table_that_cannot_be_read_is_an_error_under_its_name_and_costs_no_other_scrap(broken: Any) -> None:
    bad = {"name": "bad", "data": broken, "encoder": "pandas", "version": 1}
    good = {"name": "good", "data": 1, "encoder": "json", "version": 1}
    scraps = read_scraps(
        with_output({"application/scrapbook.scrap.pandas+json": bad, "application/scrapbook.scrap.json+json": good})
    )
    assert scraps["good"] == 1
    assert scraps["bad"].keys() == {"error"}


def with_output(data: Json) -> Json:
    cell = code("a")
    cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": data}]
    return notebook(cell)


def table_of(frame: Any) -> Json:
    """A pandas table in the shape of our tables."""
    rows = json.loads(frame.to_json(orient="values", date_format="iso", date_unit="s"))
    names = [str(name) for name in frame.columns]
    dates = [index for index, name in enumerate(names) if str(frame[name].dtype).startswith("datetime")]
    for row in rows:
        for index in dates:
            row[index] = datetime.datetime.fromisoformat(row[index].rstrip("Z").removesuffix(".000")).isoformat()
    return {"columns": names, "rows": rows}
