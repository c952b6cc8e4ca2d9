"""Scratch copies: what is in them, what is not and is told, and that nothing leads from them to the original."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hermes_lab.engines.inclusion import Inclusion
from hermes_lab.engines.scratch import MAX_LINKED_FOLDERS, Selection, copy_again, copy_folder, remove_folder
from hermes_lab.model.errors import TooLarge

pytestmark = pytest.mark.requirement("EVID-12")
ENOUGH = 10_000_000


@pytest.fixture
def original(tmp_path: Path) -> Path:
    folder = tmp_path / "original"
    folder.mkdir()
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def tree(folder: Path) -> dict[str, bytes]:
    """Path -> bytes of every file; folders end with a slash."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    files = {name: path.read_bytes() for name, path in found.items() if path.is_file()}
    return {**files, **{f"{name}/": b"" for name, path in found.items() if path.is_dir()}}


def test_files_have_their_bytes_times_and_permissions_and_folders_are_there_though_empty(
    original: Path, copy: Path
) -> None:
    (original / "empty" / "folder").mkdir(parents=True)
    (original / "program.sh").write_bytes(b"#!/bin/sh\n")
    (original / "program.sh").chmod(0o4755)
    os.utime(original / "program.sh", ns=(1, 1_000_000_000))
    (original / "read only").touch(0o444)
    assert copy_folder(original, copy, ENOUGH) == []
    assert tree(copy) == tree(original)
    copied = (copy / "program.sh").stat()
    assert (stat.S_IMODE(copied.st_mode), copied.st_mtime_ns) == (0o755, 1_000_000_000)
    assert stat.S_IMODE((copy / "read only").stat().st_mode) == 0o444


def test_no_file_of_a_copy_is_one_of_the_original(original: Path, copy: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "shared.txt").write_text("outside")
    (original / "one.txt").write_text("one")
    (original / "hard.txt").hardlink_to(original / "one.txt")
    (original / "link.txt").symlink_to(outside / "shared.txt")
    (original / "folder").symlink_to(outside)
    (original / "around").symlink_to(original)
    assert copy_folder(original, copy, ENOUGH) == []
    copy_again(copy, tmp_path / "again")
    for scratch in (copy, tmp_path / "again"):
        assert sorted(tree(scratch)) == ["folder/", "folder/shared.txt", "hard.txt", "link.txt", "one.txt"]
        assert not any(path.is_symlink() for path in scratch.rglob("*"))
        for name in ("one.txt", "hard.txt", "link.txt", "folder/shared.txt"):
            (scratch / name).write_text("written")
    assert [path.read_text() for path in (original / "one.txt", original / "hard.txt")] == ["one", "one"]
    assert (outside / "shared.txt").read_text() == "outside"


def test_what_cannot_be_copied_is_told_and_nothing_is_waited_for(original: Path, copy: Path) -> None:
    (original / "nowhere").symlink_to("gone")
    (original / "loop").symlink_to("loop")
    for number in range(4):
        os.mkfifo(original / f"pipe{number}")
    (original / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(original / "socket"))
        notes = copy_folder(original, copy, ENOUGH)
    assert notes == [
        "Not in the scratch copies, for they lead nowhere: loop, nowhere.",
        "Not in the scratch copies, for they are sockets, pipes or devices: pipe0, pipe1, pipe2 and 3 more.",
    ]
    assert tree(copy) == {}


def test_what_the_server_may_not_read_is_told(original: Path, copy: Path) -> None:
    (original / "shut").mkdir()
    (original / "secret").write_text("secret")
    (original / "open").touch()
    for name in ("shut", "secret"):
        (original / name).chmod(0)
    source = (
        "import os, sys; from pathlib import Path; from hermes_lab.engines.scratch import copy_folder\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        f"print(copy_folder(Path({str(original)!r}), Path(sys.argv[1]) / 'copy', 10))"
    )
    for folder in (original, *list(original.parents)[:4]):
        folder.chmod(folder.stat().st_mode | 0o055)
    copy.mkdir()
    copy.chmod(0o777)
    told = subprocess.run([sys.executable, "-c", source, str(copy)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['Not in the scratch copies, for they cannot be read: shut, secret.']"
    (original / "shut").chmod(0o700)
    assert tree(copy) == {"copy/": b"", "copy/open": b""}


def test_what_was_never_written_of_a_sparse_file_costs_nothing(original: Path, copy: Path) -> None:
    with (original / "sparse").open("wb") as file:
        file.write(b"beginning")
        file.truncate(50_000_000_000)
        file.seek(20_000_000_000)
        file.write(b"middle")
    assert copy_folder(original, copy, ENOUGH) == []
    copied = (copy / "sparse").stat()
    assert copied.st_size == 50_000_000_000
    assert copied.st_blocks * 512 < 1_000_000
    with (copy / "sparse").open("rb") as file:
        assert file.read(12) == b"beginning\0\0\0"
        file.seek(19_999_999_999)
        assert file.read(8) == b"\0middle\0"


def test_too_much_is_refused_with_the_size_and_a_way_out(original: Path, copy: Path, tmp_path: Path) -> None:
    for number in range(3):
        (original / f"{number}.bin").write_bytes(os.urandom(400_000))
    with pytest.raises(TooLarge, match=r"holds 12\d+ bytes.*may hold 1000000.*`include`"):
        copy_folder(original, copy, 1_000_000)
    selection = Selection(inclusion=Inclusion(["[01].bin"]))
    assert copy_folder(original, tmp_path / "fits", 1_000_000, selection) == []


def test_links_that_lead_to_ever_more_are_given_up(original: Path, copy: Path) -> None:
    for name in "abcdefghijklmnopqrst":
        (original / name).mkdir()
        for other in "abcdefghijklmnopqrst":
            (original / name / other).symlink_to(original / other)
    with pytest.raises(TooLarge, match=str(MAX_LINKED_FOLDERS)):
        copy_folder(original, copy, ENOUGH)


def test_a_file_that_does_not_keep_still_is_told_and_all_copies_have_the_same(
    original: Path, copy: Path, tmp_path: Path
) -> None:
    written = original / "log"
    written.write_bytes(b"x" * 200_000_000)
    writes = f"file = open({str(written)!r}, 'ab', buffering=0)\nwhile True: file.write(b'y')"
    with subprocess.Popen([sys.executable, "-c", writes]) as writer:
        try:
            while written.stat().st_size == 200_000_000:
                assert writer.poll() is None
            notes = copy_folder(original, copy, 1_000_000_000)
        finally:
            writer.kill()
    assert notes == ["Written while they were copied, again and again: log."]
    copy_again(copy, tmp_path / "again")
    assert (tmp_path / "again" / "log").read_bytes() == (copy / "log").read_bytes()


def test_history_caches_and_installations_are_left_out_unless_a_pattern_names_them(
    original: Path, copy: Path, tmp_path: Path
) -> None:
    for name in (".git", "runs", "kept"):
        (original / name).mkdir()
        (original / name / "file").touch()
    copy_folder(original, copy, ENOUGH)
    assert sorted(tree(copy)) == ["kept/", "kept/file"]
    copy_folder(original, tmp_path / "named", ENOUGH, Selection(inclusion=Inclusion(["runs/*"])))
    assert sorted(tree(tmp_path / "named")) == ["runs/", "runs/file"]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("*.csv", {"a.csv"}),
        ("data", {"data/b.csv", "data/deep/c.csv", "data/deep/d.txt"}),
        ("data/", {"data/b.csv", "data/deep/c.csv", "data/deep/d.txt"}),
        ("data/*.csv", {"data/b.csv"}),
        ("./data/*/?.csv", {"data/deep/c.csv"}),
        ("**/*.csv", {"a.csv", "data/b.csv", "data/deep/c.csv"}),
        ("data/**/c.csv", {"data/deep/c.csv"}),
        ("data/**", {"data/b.csv", "data/deep/c.csv", "data/deep/d.txt"}),
        ("[ad].*", {"a.csv"}),
        ("**", {"a.csv", "data/b.csv", "data/deep/c.csv", "data/deep/d.txt"}),
    ],
)
def test_patterns_mean_what_they_mean_in_a_shell(original: Path, copy: Path, pattern: str, meant: set[str]) -> None:
    for path in ("a.csv", "data/b.csv", "data/deep/c.csv", "data/deep/d.txt"):
        (original / path).parent.mkdir(parents=True, exist_ok=True)
        (original / path).touch()
    assert copy_folder(original, copy, ENOUGH, Selection(inclusion=Inclusion([pattern]))) == []
    assert {path for path in tree(copy) if not path.endswith("/")} == meant


def test_a_pattern_that_means_nothing_is_told(original: Path, copy: Path) -> None:
    assert copy_folder(original, copy, ENOUGH, Selection(inclusion=Inclusion(["*.cvs"]))) == [
        "Nothing is meant by: *.cvs."
    ]


def test_a_copy_is_removed_whatever_was_made_of_it_and_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(0o500)
    (outside / "kept").touch()
    scratch = tmp_path / "scratch"
    (scratch / "deep" / "deeper").mkdir(parents=True)
    (scratch / "deep" / "deeper" / "file").touch(0)
    (scratch / "deep" / "link").symlink_to(outside)
    for folder in (scratch / "deep" / "deeper", scratch / "deep"):
        folder.chmod(0)
    remove_folder(scratch)
    assert not scratch.exists()
    assert (outside / "kept").exists()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o500
