"""Files that are written whole, and other savers at the same name."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from hermes_lab.runner.files import identity, write_whole

pytestmark = pytest.mark.requirement("RUN-24")

ROUNDS = 2000


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a file system that syncs at once")
def test_a_file_that_is_renamed_to_the_name_at_the_same_time_is_never_lost() -> None:
    """As vim, git and rsync save. Their renaming comes at another moment of ours in each round."""
    folder = Path("/dev/shm") / f"hermes-files-{os.getpid()}"
    folder.mkdir()
    target, theirs = folder / "out.ipynb", folder / "theirs"
    took = 0.001
    lost: list[int] = []
    noticed = 0
    try:
        for number in range(ROUNDS):
            target.unlink(missing_ok=True)
            own = write_whole(target, [b"ours"], own=None)
            theirs.write_bytes(b"theirs")
            start = threading.Barrier(2)

            def save(after: float, start: threading.Barrier = start) -> None:
                start.wait()
                until = time.perf_counter() + after
                while time.perf_counter() < until:
                    pass
                theirs.replace(target)

            saver = threading.Thread(target=save, args=(took * number / ROUNDS,))
            saver.start()
            start.wait()
            began = time.perf_counter()
            try:
                write_whole(target, [b"ours again"], own=own)
            except FileExistsError:
                noticed += 1
            took = max(took * 0.9, time.perf_counter() - began)
            saver.join()
            if target.read_bytes() != b"theirs":
                lost.append(number)
            assert {file.name for file in folder.iterdir()} == {"out.ipynb"}
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    assert lost == []
    assert 0 < noticed < ROUNDS


def test_what_is_private_is_private_from_its_first_byte_on(tmp_path: Path) -> None:
    target = tmp_path / "out.ipynb"
    seen: list[int] = []

    def content() -> list[bytes]:
        seen.extend(file.stat().st_mode & 0o777 for file in tmp_path.iterdir() if file != target)
        return [b"more"]

    target.write_bytes(b"first")
    target.chmod(0o600)
    write_whole(target, (chunk for _ in range(2) for chunk in content()), own=identity(target))
    assert seen == [0o600, 0o600]
    assert target.stat().st_mode & 0o777 == 0o600
