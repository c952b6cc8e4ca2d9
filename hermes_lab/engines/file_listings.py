"""What lies in a folder: each file's size and bytes, to tell what an execution made of it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MAX_FILES: Final = 100_000
"""So many files are listed; what a run leaves behind may be any number."""
MAX_HASHED_BYTES: Final = 4_000_000_000
"""So many bytes of one folder are read; a run may leave a file of any size."""
_CACHES: Final = frozenset({"__pycache__", ".ipynb_checkpoints"})
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class FoundFile:
    """A file in a folder. ``digest`` is the sha256 of its bytes, or of where it leads for a link; null: it could not
    be read, or there was too much to read. ``stamp`` tells cheaply whether it was touched since."""

    size: int
    digest: str | None
    stamp: tuple[int, ...] = field(default=(), compare=False, repr=False)


Listing = Mapping[str, FoundFile]
"""Path from the folder, with ``/`` -> file; folders, sockets, devices and caches of interpreters are not listed."""


def list_files(folder: Path, before: Listing | None = None, *, copy_of: Listing | None = None) -> dict[str, FoundFile]:
    """The files below the folder, no link followed. What was not touched since ``before`` is not read again, and
    nothing is of a copy that has the same bytes as another folder had."""
    found: dict[str, FoundFile] = {}
    left = MAX_HASHED_BYTES
    for path, entry in _files(folder):
        if len(found) == MAX_FILES:
            break
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:  # it went meanwhile
            continue
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)
        known = (before or {}).get(path)
        if known is not None and known.stamp == stamp:
            found[path] = known
            continue
        digest = None
        original = (copy_of or {}).get(path)
        if original is not None:
            digest = original.digest
        elif stat.S_ISLNK(status.st_mode):
            digest = _of_link(entry.path)
        elif status.st_size <= left:
            left -= status.st_size
            digest = _of_file(entry.path, status.st_size)
        found[path] = FoundFile(status.st_size, digest, stamp)
    return found


def _files(folder: Path, inside: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda each: each.name)
    except OSError:  # a run may take away the right to look into it
        return
    for entry in entries:
        path = f"{inside}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _CACHES:
                yield from _files(Path(entry.path), f"{path}/")
        elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
            yield path, entry


def _of_link(path: str) -> str | None:
    try:
        return hashlib.sha256(b"link to " + os.fsencode(os.readlink(path))).hexdigest()  # noqa: PTH115
    except OSError:
        return None


def _of_file(path: str, size: int) -> str | None:
    """Of at most ``size`` bytes: somebody may still be writing it."""
    digest = hashlib.sha256()
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            while size > 0 and (chunk := file.read(min(_CHUNK, size))):
                digest.update(chunk)
                size -= len(chunk)
    except OSError:
        return None
    return digest.hexdigest()
