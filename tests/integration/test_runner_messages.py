"""A kernel's messages make of a notebook what nbclient makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import from_dict

from hermes_lab.runner.in_process import InProcessRunner
from tests.run_requests import Bench
from tests.written_notebooks import Json, code, notebook

pytestmark = pytest.mark.requirement("CELL-2")

COMM = "from comm import create_comm\n"
OUTPUT_WIDGET = (
    COMM + "state = {'_model_module': '@jupyter-widgets/output', '_model_name': 'OutputModel', 'outputs': []}\n"
    "captures = create_comm(target_name='jupyter.widget', comm_id='cafe', data={'state': state})\n"
    "parent = get_ipython().kernel.get_parent()['header']['msg_id']\n"
    "captures.send({'method': 'update', 'state': {'msg_id': parent}})\n"
    "print('captured')\ndisplay('captured too')\n"
    "captures.send({'method': 'update', 'state': {'msg_id': ''}})\nprint('free')"
)
TABLE: dict[str, list[str]] = {
    "streams": ["import sys\nprint('a', flush=True)\nprint('b', file=sys.stderr, flush=True)\nprint('c')"],
    "a result": ["1 + 1", "x = 1", "'text'"],
    "a result that is a display too": ["display(1, display_id='x')\n2"],
    "rich displays": [
        "display({'text/plain': 'a\\nb', 'text/html': '<b>a\\nb</b>', 'application/json': {'a': [1, None]}}, raw=True)"
    ],
    "metadata of displays": ["display({'text/plain': 'a'}, metadata={'text/plain': {'n': 1}}, raw=True)"],
    "an image": ["from IPython.display import Image\nImage(data=b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 40, format='png')"],
    "an update in the same cell": ["h = display('old', display_id='d')\nh.update('new')"],
    "updates in another cell": ["h = display('old', display_id='d')\nprint('x')", "h.update('new')\nprint('own')"],
    "a display that is shown twice": [
        "display('one', display_id='d')\ndisplay('two', display_id='d')",
        "from IPython.display import update_display\nupdate_display('three', display_id='d')",
    ],
    "a display of the same id elsewhere": ["display('one', display_id='d')", "display('two', display_id='d')"],
    "an update of what was cleared": [
        "from IPython.display import clear_output\nh = display('old', display_id='d')\nclear_output()\nprint('left')",
        "h.update('new')",
    ],
    "an update of nothing": ["from IPython.display import update_display\nupdate_display('x', display_id='nobody')"],
    "clearing": ["from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('stays')"],
    "clearing before the next": [
        "from IPython.display import clear_output\nprint('a')\nclear_output(wait=True)\nprint('b')",
    ],
    "clearing before a next that never comes": [
        "from IPython.display import clear_output\nprint('stays')\nclear_output(wait=True)",
        "print('own')",
    ],
    "an error": ["def f():\n    raise ValueError('bad')\nf()"],
    "an error of syntax": ["1 +"],
    "comms without a target": [COMM + "c = create_comm(target_name='nobody', data={'a': 1})"],
    "the state of a widget": [
        COMM + "c = create_comm(target_name='jupyter.widget', comm_id='beef', "
        "data={'state': {'_model_name': 'M', '_model_module': 'm', 'n': 1}})",
        "c.send({'method': 'update', 'state': {'n': 2, 'b': None}, 'buffer_paths': [['b']]}, buffers=[b'bytes'])",
    ],
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(InProcessRunner(), tmp_path)
    yield bench
    await bench.runner.close()


@pytest.mark.parametrize("sources", TABLE.values(), ids=TABLE.keys())
async def test_outputs_are_those_that_nbclient_makes(bench: Bench, sources: list[str]) -> None:
    cells = [code(f"c{number}", source) for number, source in enumerate(sources)]
    ended, asked = await bench.run(*cells, allow_errors=True)
    assert ended.state == "completed"
    theirs = await by_nbclient(notebook(*cells))
    ours = nbformat.reads(asked.text, as_version=4)
    nbformat.validate(ours)
    assert [comparable(cell) for cell in ours.cells] == [comparable(cell) for cell in theirs.cells]
    assert ours.metadata.get("widgets") == theirs.metadata.get("widgets")
    assert ours.metadata["language_info"] == theirs.metadata["language_info"]
    for mine, other in zip(ours.cells, theirs.cells, strict=True):
        assert mine.metadata["execution"].keys() == other.metadata["execution"].keys()


async def test_an_output_widget_takes_the_outputs_of_its_cell(bench: Bench) -> None:
    # Without nbclient beside it, which now and then waits for ever here: it misses an answer when it sends.
    _, asked = await bench.run(code("captures", OUTPUT_WIDGET), code("after", "print('after')"))
    assert (asked.printed("captures"), asked.printed("after")) == ("free\n", "after\n")
    widgets = asked.output["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    taken = widgets["cafe"]["state"]["outputs"]
    assert [output["output_type"] for output in taken] == ["stream", "display_data"]
    assert (taken[0]["text"], taken[1]["data"]["text/plain"]) == ("captured\n", "'captured too'")


async def by_nbclient(wanted: Json) -> Any:
    made = from_dict(wanted)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    await NotebookClient(made, allow_errors=True).async_execute()
    return made


def comparable(cell: Any) -> Json:
    """A cell without what differs from one kernel to the next; neighbouring pieces of a stream are one."""
    outputs: list[Json] = []
    for output in cell.outputs:
        last = outputs[-1] if outputs else {}
        if output.output_type == last.get("output_type") == "stream" and output.name == last["name"]:
            last["text"] += output.text
        elif output.output_type == "error":
            outputs.append({**output, "traceback": len(output.traceback)})
        else:
            outputs.append({**output})
    return {"id": cell.id, "execution_count": cell.execution_count, "outputs": outputs}
