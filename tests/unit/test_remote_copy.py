"""A file of this machine that is kept up to date at a URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from papermill.iorw import papermill_io

from hermes_lab.engines.remote_copy import RemoteCopy
from tests.run_requests import until

pytestmark = pytest.mark.requirement("STORE-1")

URL = "shelf://out.ipynb"


class Shelf:
    """A storage that papermill is told of, as any package may: it remembers what it was given, until it is full."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.full = False

    def write(self, text: str, _path: str) -> None:
        if self.full:
            raise ConnectionError("the shelf is full")
        self.written.append(text)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    handlers = list(papermill_io._handlers)
    registered = Shelf()
    papermill_io.register("shelf://", registered)
    yield registered
    papermill_io.reset()
    for scheme, handler in reversed(handlers):
        papermill_io.register(scheme, handler)


def nobody() -> None:
    raise AssertionError("the first upload did not fail")


async def test_changes_are_uploaded_one_by_one_and_nothing_twice(shelf: Shelf, tmp_path: Path) -> None:
    local = tmp_path / "out.ipynb"
    local.write_text("first")
    copy = RemoteCopy(local, URL, seconds_between=0.05)
    copy.begin(nobody)
    await until(lambda: shelf.written == ["first"])
    local.write_text("second")
    await until(lambda: shelf.written == ["first", "second"])
    await copy.finish()
    assert shelf.written == ["first", "second"]


async def test_what_changes_between_two_uploads_is_uploaded_as_it_is_in_the_end(shelf: Shelf, tmp_path: Path) -> None:
    local = tmp_path / "out.ipynb"
    local.write_text("first")
    copy = RemoteCopy(local, URL, seconds_between=1000)
    copy.begin(nobody)
    await until(lambda: shelf.written == ["first"])
    for number in range(5):
        local.write_text(f"state {number}")
    await copy.finish()
    assert shelf.written == ["first", "state 4"]


async def test_a_first_upload_that_fails_is_told_at_once(shelf: Shelf, tmp_path: Path) -> None:
    shelf.full = True
    local = tmp_path / "out.ipynb"
    local.write_text("first")
    told: list[bool] = []
    copy = RemoteCopy(local, URL)
    copy.begin(lambda: told.append(True))
    await until(lambda: told)
    assert "the shelf is full" in str(copy.broken)
    with pytest.raises(OSError, match="the shelf is full"):
        await copy.finish()


async def test_an_upload_that_fails_meanwhile_is_made_up_for(shelf: Shelf, tmp_path: Path) -> None:
    local = tmp_path / "out.ipynb"
    local.write_text("first")
    copy = RemoteCopy(local, URL, seconds_between=0.05)
    copy.begin(nobody)
    await until(lambda: shelf.written == ["first"])
    shelf.full = True
    local.write_text("second")
    with pytest.raises(OSError, match="the shelf is full"):
        await copy.finish()
    shelf.full = False
    await copy.finish()
    assert shelf.written == ["first", "second"]
