"""Notebooks that are kept elsewhere: at s3://, against a server that speaks S3's protocol."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from hermes_lab import NotebookExecutor
from hermes_lab.engines.storage import check_scheme, read_text, scheme_of
from hermes_lab.model.errors import HermesError, InvalidRequest, NotAllowed, Unavailable
from tests.clients import Client, error
from tests.run_requests import until
from tests.servers import Server, isolated_environment
from tests.written_notebooks import Json, code, notebook

pytestmark = pytest.mark.requirement("STORE-1")

BUCKET = "notebooks"
CELLS = (code("p", "n = 1", tags=["parameters"]), code("show", "print(n, 'é')"))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server that speaks S3's protocol, on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not answers(url):
            assert time.monotonic() < deadline
        yield url
        server.terminate()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Bucket:
    """What is in the bucket, seen by another client than the one under test."""

    def __init__(self, url: str) -> None:
        self._client: Any = boto3.client("s3", endpoint_url=url)
        self._client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, *cells: Json) -> str:
        """Put a notebook there; its address."""
        kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        text = json.dumps(notebook(*cells, kernelspec=kernelspec), ensure_ascii=False)
        self._client.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
        return f"s3://{BUCKET}/{key}"

    def get(self, key: str) -> Json | None:
        """The notebook there, if there is one."""
        found = self._client.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents", [])
        if not found:
            return None
        read: Json = json.loads(self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return read


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The bucket, and an environment in which papermill's storage finds it."""
    settings = {
        "ENDPOINT_URL_S3": endpoint,
        "ACCESS_KEY_ID": "k",
        "SECRET_ACCESS_KEY": "s",
        "DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return Bucket(endpoint)


async def test_a_notebook_is_read_from_and_its_output_written_to_s3(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = bucket.put("in.ipynb", *CELLS)
    result = await NotebookExecutor().execute(source, f"s3://{BUCKET}/out.ipynb", {"n": 5})
    assert result["status"] == "success"
    written = bucket.get("out.ipynb")
    assert written is not None
    assert written["cells"][-1]["outputs"][0]["text"] == ["5 é\n"]
    of_run = written["metadata"]["papermill"]
    assert (of_run["input_path"], of_run["output_path"]) == (source, f"s3://{BUCKET}/out.ipynb")
    assert not [name for name in os.listdir(tmp_path) if name.startswith("hermes-output-")]  # noqa: PTH208


async def test_the_output_is_there_from_the_first_moment(bucket: Bucket, tmp_path: Path) -> None:
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.01)"
    source = bucket.put("waits.ipynb", code("waits", waits))
    running = asyncio.create_task(NotebookExecutor().run(source, f"s3://{BUCKET}/early.ipynb"))
    early = await until(lambda: bucket.get("early.ipynb"))
    assert early["metadata"]["hermes"]["state"] in {"pending", "running"}
    (tmp_path / "go").touch()
    assert (await running).state == "completed"
    late = bucket.get("early.ipynb")
    assert late is not None
    assert late["metadata"]["hermes"]["state"] == "completed"


async def test_an_output_that_cannot_be_uploaded_ends_the_run_and_is_kept_here(bucket: Bucket) -> None:
    source = bucket.put("long.ipynb", code("long", "import time; time.sleep(1000)"))
    ended = await NotebookExecutor().run(source, "s3://no-such-bucket/out.ipynb")
    assert (ended.state, ended.cause) == ("failed", "output_unwritable")
    kept = re.search(r"kept in (\S+)\.$", ended.message or "")
    assert kept is not None
    assert_kept(Path(kept[1]))


async def test_an_output_that_cannot_be_written_here_is_there_as_it_was_rescued(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    takes = (
        f"import glob, os, shutil\nfolder, = glob.glob({str(tmp_path / 'hermes-output-*')!r})\n"
        "while not os.path.isfile(folder):\n    shutil.rmtree(folder, ignore_errors=True)\n"
        "    try: open(folder, 'x').close()\n    except OSError: pass\nprint('all of it')"
    )
    ended = await NotebookExecutor().run(bucket.put("takes.ipynb", code("a", takes)), f"s3://{BUCKET}/rescued.ipynb")
    assert (ended.state, ended.cause) == ("failed", "output_unwritable")
    written = bucket.get("rescued.ipynb")
    assert written is not None
    assert written["metadata"]["hermes"]["cause"] == "output_unwritable"
    assert written["cells"][0]["outputs"][0]["text"] == ["all of it\n"]


def assert_kept(local: Path) -> None:
    assert json.loads(local.read_text())["metadata"]["papermill"]["output_path"] == "s3://no-such-bucket/out.ipynb"
    shutil.rmtree(local.parent)


async def test_what_is_not_there_is_said(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"none\.ipynb") as refused:
        await NotebookExecutor().execute(f"s3://{BUCKET}/none.ipynb", tmp_path / "out.ipynb")
    assert refused.value.code == "storage_unavailable"


def test_the_command_line_reads_and_writes_there(bucket: Bucket, tmp_path: Path) -> None:
    source = bucket.put("by-command.ipynb", *CELLS)
    command = [sys.executable, "-m", "hermes_lab.cli", "run", source, f"s3://{BUCKET}/made.ipynb", "-p", "n", "6"]
    subprocess.run(command, cwd=tmp_path, env=isolated_environment(tmp_path / "home"), check=True, timeout=120)
    assert "6 é" in json.dumps(bucket.get("made.ipynb"), ensure_ascii=False)


@pytest.mark.parametrize(
    ("path", "allowed", "error"),
    [
        ("s3://b/n.ipynb", (), NotAllowed),
        ("S3://b/n.ipynb", ("gs",), NotAllowed),
        ("s3://b/n.ipynb", ("s3",), None),
        ("folder/n.ipynb", (), None),
    ],
)
def test_a_scheme_is_refused_unless_it_is_allowed(
    path: str, allowed: tuple[str, ...], error: type[HermesError] | None
) -> None:
    if error is None:
        check_scheme(path, allowed, "input_path")
        return
    with pytest.raises(error) as refused:
        check_scheme(path, allowed, "input_path")
    assert (refused.value.code, refused.value.details["field"]) == ("remote_scheme_not_allowed", "input_path")


def test_a_scheme_without_a_storage_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="ftp") as refused:
        read_text("ftp://host/n.ipynb")
    assert refused.value.code == "unknown_scheme"
    assert [scheme_of(path) for path in ("a/b.ipynb", "C:\\n.ipynb", "GS://b/n")] == [None, None, "gs"]


def test_a_persons_run_on_a_server_reads_and_writes_there_and_an_agents_does_not(
    bucket: Bucket, new_server: Callable[..., Server], clients: Callable[..., Client]
) -> None:
    source = bucket.put("by-server.ipynb", *CELLS)
    made = f"s3://{BUCKET}/by-server-out.ipynb"
    server = new_server(remote_schemes=["s3"])
    person = clients(server.url, server.token, "token")
    run = person.wait_until_ended(person.post("runs", input_path=source, output_path=made, parameters={"n": 8}))
    assert (run["state"], run["input_path"], run["output_path"]) == ("completed", source, made)
    assert "8 é" in json.dumps(bucket.get("by-server-out.ipynb"), ensure_ascii=False)
    assert person.get(f"runs/{run['run_id']}/notebook").json()["path"] == made
    assert error(person.post("runs", input_path=source, output_path=made)) == (409, "output_exists")
    token = person.post("agents", name="agent").json()["token"]
    agent = clients(server.url, token)
    assert error(agent.post("runs", input_path=source)) == (403, "remote_scheme_not_allowed")
    (server.root / "n.ipynb").write_text(json.dumps(notebook(*CELLS)))
    assert error(agent.post("runs", input_path="n.ipynb", output_path=made)) == (403, "remote_scheme_not_allowed")


def test_a_server_reads_nothing_at_urls_by_default(person: Client) -> None:
    assert error(person.post("runs", input_path="s3://b/n.ipynb")) == (403, "remote_scheme_not_allowed")
    assert error(person.get("parameters?path=http://127.0.0.1:1/n.ipynb")) == (403, "remote_scheme_not_allowed")
