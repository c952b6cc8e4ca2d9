"""Scratch copies of a working folder, so that what runs in them never writes the original."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from hermes_lab.model.errors import TooLarge

LEFT_OUT = frozenset({".git", ".ipynb_checkpoints", "__pycache__", "node_modules", ".venv", "runs"})
"""Folders that are not copied: history, caches, installations, and the outputs of earlier runs."""


Skips = Callable[[Path], bool]
"""Whether a file or folder, by its real path, is left out."""


def copy_folder(
    source: Path, target: Path, limit_bytes: int, skips: Skips = lambda _path: False, *, with_hidden: bool = True
) -> None:
    """Copy the files below ``source`` to ``target``, with the contents that links point to and never as links: a link
    would lead a write back into the original. A linked folder that contains ``source`` is not followed, a link that
    leads nowhere is left out; a folder that does not exist is an empty one. Without hidden ones, whatever has a name
    that begins with a dot is left out too: that is where keys and settings are kept.

    Raises:
        TooLarge: the files add up to more than ``limit_bytes``; nothing is copied.
    """

    def is_left_out(path: Path) -> bool:
        return (path.name.startswith(".") and not with_hidden) or skips(path.resolve())

    paths = list(_files(source, frozenset({source.resolve()}), is_left_out)) if source.is_dir() else []
    total = sum(path.stat().st_size for path in paths)
    if total > limit_bytes:
        raise TooLarge(
            f"The notebook's folder holds {total} bytes; a scratch copy may hold {limit_bytes}.",
            code="folder_too_large",
            field="path",
            limit_bytes=limit_bytes,
        )
    target.mkdir(parents=True)
    for path in paths:
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied)


def _files(folder: Path, above: frozenset[Path], is_left_out: Skips) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            path = Path(entry.path)
            if _leads_nowhere(entry) or is_left_out(path):
                continue
            if entry.is_dir():
                real = path.resolve()
                if entry.name not in LEFT_OUT and real not in above:
                    yield from _files(path, above | {real}, is_left_out)
            elif entry.is_file():
                yield path


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    try:
        entry.stat()
    except OSError:  # a link to itself, or to what is gone
        return True
    return False
