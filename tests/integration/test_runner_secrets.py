"""A secret parameter reaches the kernel, and is nowhere in what is kept or told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import Limits
from tests.run_requests import Asked, Bench
from tests.written_notebooks import Json, code

pytestmark = pytest.mark.requirement("CELL-6")

CANARY = 'c4n4ry\'s-"v4lue"/ü'
BEGINNING = "c4n4ry"
"""In all the forms that the value takes, escaped or not."""
READS = "import os, json, sys, time\ntoken = os.environ['TOKEN']\n"
LEAKS = {
    "printed": "print('the token is', token)",
    "printed to stderr": "print(token, file=sys.stderr)",
    "printed in two pieces": "print('a' + token[:7], end='', flush=True)\nprint(token[7:] + 'b', end='', flush=True)",
    "printed a character at a time": "for c in token * 2: print(c, end='', flush=True)",
    "printed around another output": "print(token[:5], end='', flush=True)\ndisplay(1)\nprint(token[5:])",
    "a result": "token",
    "in a structure": "{'a': [token]}",
    "a display": "display({'text/html': f'<b>{token}</b>', 'application/json': {token: [token]}}, raw=True)",
    "the metadata of a display": "display({'text/plain': 'a'}, metadata={'m': token}, raw=True)",
    "an update": "h = display('x', display_id=True)\nh.update(token)",
    "as JSON": "print(json.dumps(token))",
    "in HTML": "import html\ndisplay({'text/html': html.escape(token)}, raw=True)",
    "in a URL": "from urllib.parse import quote\nprint('https://h/?t=' + quote(token, safe=''))",
    "an exception": "raise ValueError(token)",
    "the name of an exception": "raise type(token, (Exception,), {})",
    "in a traceback": "raise KeyError((token, [token]))",
    "a scrap": "import scrapbook as sb\nsb.glue('t', token)",
    "a widget": (
        "from comm import create_comm\nc = create_comm(target_name='jupyter.widget', data={'state': "
        "{'_model_name': 'M', '_model_module': 'm', 'value': token, 'b': None}, 'buffer_paths': [['b']]},"
        " buffers=[token.encode()])"
    ),
    "a text that says it is a picture": "display({'image/png': token}, raw=True)",
    "much of it": "for _ in range(5_000): print('x', token)",
    "late": "import threading, time\nthreading.Timer(0.01, print, [token]).start()\ntime.sleep(0.1)",
    "by a dying process": "sys.__stderr__.write(token)\nsys.__stderr__.flush()\nos._exit(1)",
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    folder = tmp_path / "work"
    folder.mkdir()
    bench = Bench(InProcessRunner(), folder)
    yield bench
    await bench.runner.close()


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS.keys())
async def test_a_secret_is_nowhere(
    bench: Bench, leak: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    runner = InProcessRunner(on_message=lambda *message: heard.append(repr(message)))
    bench.runner = runner
    caplog.set_level(logging.DEBUG)
    ended, asked = await bench.run(
        code("reads", READS + "print(len(token))"),
        code("leaks", leak),
        secret_parameters={"TOKEN": CANARY},
        parameters={"n": 1},
        limits=Limits(cell_output_bytes=20_000),
    )
    assert asked.printed("reads") == f"{len(CANARY)}\n"
    told = capfd.readouterr()
    everything = [ended.model_dump_json(), *(event.model_dump_json() for event in asked.events), *heard]
    everything += [caplog.text, told.out, told.err, *texts_in(bench.folder)]
    assert not [text for text in everything if BEGINNING in text]


def texts_in(folder: Path) -> list[str]:
    return [file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file()]


async def printed(bench: Bench, source: str, **secrets: str) -> tuple[str, Asked]:
    _, asked = await bench.run(code("a", "import os\n" + source), secret_parameters=secrets)
    return asked.printed("a"), asked


async def test_the_name_stands_where_the_value_was(bench: Bench) -> None:
    text, asked = await printed(bench, "print('x', os.environ['TOKEN'] * 2, 'y')", TOKEN="abcdefgh")
    assert text == "x [TOKEN][TOKEN] y\n"
    assert asked.output["metadata"]["papermill"]["parameters"] == {}


async def test_a_secret_in_base64_is_masked_wherever_it_is_in_what_is_encoded(bench: Bench) -> None:
    source = (
        "import base64, time\nfor encode in (base64.b64encode, base64.urlsafe_b64encode):\n"
        "    print('alone', encode(os.environ['TOKEN'].encode()).decode())\n    for before in range(3):\n"
        "        text = encode(b'-' * before + os.environ['TOKEN'].encode() + b'--').decode()\n"
        "        print('a' + text[:9], end='', flush=True)\n        print(text[9:])\n"
    )
    text, _ = await printed(bench, source, TOKEN="?>?>swordfish?>?>")
    lines = text.splitlines()
    assert lines[0] == lines[4] == "alone [TOKEN]"
    assert len(lines) == 8
    assert [line.count("[TOKEN]") for line in lines] == [1] * 8
    assert max(len(line) for line in lines) < len("a----[TOKEN]----")


async def test_what_only_begins_like_a_secret_is_shown(bench: Bench) -> None:
    text, _ = await printed(bench, "print('abc', end='', flush=True)\nprint('x')\nprint('abcd', end='')", T="abcdefgh")
    assert text == "abcx\nabcd"


async def test_a_secret_that_holds_another_is_masked_whole(bench: Bench) -> None:
    source = "for c in os.environ['LONG']: print(c, end='', flush=True)\nprint(os.environ['SHORT'])"
    text, _ = await printed(bench, source, SHORT="cdefg", LONG="abcdefghij")
    assert text == "[LONG][SHORT]\n"


async def test_each_line_of_a_secret_of_several_lines_is_masked(bench: Bench) -> None:
    key = "-----BEGIN-----\nMIIabcdefgh\nxyzxyzxyz\n-----END-----"
    text, _ = await printed(bench, "print(os.environ['KEY'])\nprint(os.environ['KEY'].splitlines()[1])", KEY=key)
    assert text == "[KEY]\n[KEY]\n"


async def test_a_long_secret_of_many_lines_is_masked_line_by_line_and_holds_up_nothing(bench: Bench) -> None:
    key = "\n".join(hashlib.sha512(str(line).encode()).hexdigest()[: 8 + line % 100] for line in range(1000))
    source = (
        "import base64\nkey = os.environ['KEY']\nlines = key.splitlines()\n"
        "for at in range(0, len(key), 1000): print(key[at:at + 1000], end='', flush=True)\n"
        "print()\nfor line in lines[::7]: print(line[:5], end='', flush=True); print(line[5:], 'kept')\n"
        "print(base64.b64encode(key.encode()).decode())\ndisplay({'text/html': f'<b>{lines[500]}</b>'}, raw=True)\n"
        "from comm import create_comm\n"
        "create_comm(target_name='jupyter.widget', data={'state': {'_model_name': 'M', '_model_module': 'm',"
        " 'b': None}, 'buffer_paths': [['b']]}, buffers=[b'\\xff' + key.encode()])"
    )
    async with asyncio.timeout(30):
        text, asked = await printed(bench, source, KEY=key)
    assert text == "[KEY]\n" + "[KEY] kept\n" * 143 + "[KEY]\n"
    assert asked.cell("a")["outputs"][1]["data"]["text/html"] == ["<b>[KEY]</b>"]
    assert not [line for line in key.splitlines() if line in asked.text]
    (widget,) = asked.output["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    assert base64.b64decode(widget["buffers"][0]["data"]) == b"\xff[KEY]"


@pytest.mark.parametrize(
    ("secrets", "why"),
    [
        ({"T": "abc"}, "less than 4"),
        ({"T": "    "}, "less than 4"),
        ({"a b": "abcdefgh"}, "cannot be the name"),
        ({"A=B": "abcdefgh"}, "cannot be the name"),
        ({"T": "abc\0defg"}, "NUL character"),
        ({"T": "one of two" * 3_300, "U": "the other1" * 3_300}, "longer than 65536"),
    ],
)
async def test_a_secret_that_cannot_be_kept_is_refused_and_not_told(bench: Bench, secrets: Json, why: str) -> None:
    ended, asked = await bench.run(code("a", "open('written', 'w')"), secret_parameters=secrets)
    assert (ended.state, ended.cause) == ("failed", "invalid_parameters")
    assert why in (ended.message or "")
    assert not (bench.folder / "written").exists()
    for value in secrets.values():
        assert not value.strip() or value not in asked.text


async def test_what_was_held_back_to_the_end_is_heard_as_well(tmp_path: Path) -> None:
    heard: list[str] = []
    runner = InProcessRunner(on_message=lambda _cell, _kind, content: heard.append(content.get("text", "")))
    await Bench(runner, tmp_path).run(
        code("a", f"print('so far {CANARY[:3]}', end='')"), secret_parameters={"T": CANARY}
    )
    assert "".join(heard) == f"so far {CANARY[:3]}"
