"""What lies in a folder before and after an execution."""

from __future__ import annotations

import os
import socket
from hashlib import sha256
from pathlib import Path

import pytest

from hermes_lab.engines.file_listings import list_files

pytestmark = pytest.mark.requirement("EVID-10")


def test_each_file_has_its_size_and_the_hash_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.txt").write_bytes(b"one")
    found = list_files(tmp_path)
    assert {path: (file.size, file.digest) for path, file in found.items()} == {
        "folder/one.txt": (3, sha256(b"one").hexdigest())
    }


def test_what_was_written_removed_or_made_since_is_told_from_what_was_not(tmp_path: Path) -> None:
    for name in ("kept", "written", "same bytes", "same size", "gone"):
        (tmp_path / name).write_text("1")
    before = list_files(tmp_path)
    (tmp_path / "written").write_text("22")
    (tmp_path / "same bytes").write_text("1")
    (tmp_path / "same size").write_text("2")
    modified = before["same size"].stamp[1]
    os.utime(tmp_path / "same size", ns=(modified, modified))
    (tmp_path / "gone").unlink()
    (tmp_path / "made").touch()
    after = list_files(tmp_path, before)
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == {
        *("written", "same size", "gone", "made")
    }


def test_no_link_is_followed_and_nothing_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside").write_text("outside")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "around").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket"))
        found = list_files(folder)
    assert found.keys() == {"around", "link"}
    assert found["link"].digest not in (None, sha256(b"outside").hexdigest())
