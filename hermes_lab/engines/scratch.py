"""Scratch copies of a working folder, so that what runs in them never writes the original."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hermes_lab.engines.file_copies import FileCopies, open_regular
from hermes_lab.engines.inclusion import Inclusion, Steps
from hermes_lab.model.errors import TooLarge

LEFT_OUT: Final = frozenset({".git", ".ipynb_checkpoints", "__pycache__", "node_modules", ".venv", "runs"})
"""Folders that are not copied unless a pattern names them: history, caches, installations, outputs of earlier runs."""
MAX_ENTRIES: Final = 100_000
"""So many files and folders are looked at; what holds more is no folder to be copied for each execution."""
MAX_LINKED_FOLDERS: Final = 1000
"""So many links to folders are followed: a few that lead to each other lead to any number of files."""
_BLOCK: Final = 512
_SHOWN: Final = 3
_UNREADABLE: Final = "cannot be read"
_log = logging.getLogger(__name__)

Skips = Callable[[Path], bool]
"""Whether a folder, or what a link leads to, is left out, by its real path."""


@dataclass(frozen=True)
class Selection:
    """What of a folder is copied.

    Without hidden ones, whatever has a name that begins with a dot is left out: that is where keys and settings are
    kept. ``inclusion`` null: all of it.
    """

    skips: Skips = lambda _path: False
    with_hidden: bool = True
    inclusion: Inclusion | None = None
    left_out: frozenset[str] = LEFT_OUT

    def enters(self, folder: Steps, real: Path) -> bool:
        """Whether something below the folder may be copied."""
        if self.skips(real) or (self.inclusion is not None and not self.inclusion.may_be_in(folder)):
            return False
        name = folder[-1]
        return name not in self.left_out or (self.inclusion is not None and self.inclusion.names(name))

    def means(self, path: Steps) -> bool:
        """Whether it is asked for."""
        return self.inclusion is None or self.inclusion.means(path)


@dataclass
class _Contents:
    """What is found to be copied, by the path from the folder; and what is asked for and is not copied, and why."""

    selection: Selection
    folders: list[str] = field(default_factory=list)
    files: list[tuple[str, Path]] = field(default_factory=list)
    size: int = 0
    """Bytes on the disk: what was never written of a sparse file is not counted."""
    omitted: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seen: int = 0
    followed: int = 0

    def look_into(self, folder: Path, parts: Steps, above: frozenset[Path]) -> None:
        """Find what is below the folder, which is named by its real path."""
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda each: each.name)
        except OSError:
            self._omit(_UNREADABLE, parts)
            return
        if parts and self.selection.means(parts):
            self.folders.append("/".join(parts))
        for entry in entries:
            self.seen += 1
            if self.seen > MAX_ENTRIES:
                raise _too_large(f"more than {MAX_ENTRIES} files and folders", MAX_ENTRIES)
            if self.selection.with_hidden or not entry.name.startswith("."):
                self._look_at(entry, folder / entry.name, (*parts, entry.name), above)

    def _look_at(self, entry: os.DirEntry[str], path: Path, parts: Steps, above: frozenset[Path]) -> None:
        try:
            status = entry.stat()
            real = path.resolve(strict=True) if entry.is_symlink() else path
        except (OSError, RuntimeError):  # a link to itself or to what is gone; or it went just now
            self._omit("lead nowhere", parts)
            return
        if stat.S_ISDIR(status.st_mode):
            if real not in above and self.selection.enters(parts, real):
                self.followed += entry.is_symlink()
                if self.followed > MAX_LINKED_FOLDERS:
                    raise _too_large(f"more than {MAX_LINKED_FOLDERS} links to folders", MAX_LINKED_FOLDERS)
                self.look_into(real, parts, above | {real})
        elif entry.is_symlink() and self.selection.skips(real):
            return
        elif not stat.S_ISREG(status.st_mode):
            self._omit("are sockets, pipes or devices", parts)
        elif self.selection.means(parts):
            self.files.append(("/".join(parts), real))
            self.size += min(status.st_size, getattr(status, "st_blocks", status.st_size) * _BLOCK)

    def _omit(self, why: str, parts: Steps) -> None:
        if self.selection.means(parts):
            self.omitted[why].append("/".join(parts))


def copy_folder(source: Path, target: Path, limit_bytes: int, selection: Selection | None = None) -> list[str]:
    """Copy what is below ``source`` to ``target``, with the contents that links point to and never as links of any
    kind: one would lead a write back into the original. Where the file system can, the copies share their blocks with
    the originals until somebody writes. A linked folder that contains ``source`` is not followed; a folder that does
    not exist is an empty one. Answers, in sentences, what the copy lacks and what changed meanwhile.

    Raises:
        TooLarge: more than ``limit_bytes`` would have to be copied, or there are too many files; what is there of the
            copy is for the caller to remove.
    """
    contents = _Contents(selection or Selection())
    if source.is_dir():
        real = source.resolve()
        contents.look_into(real, (), frozenset({real}))
    target.mkdir(parents=True)
    for path in contents.folders:
        (target / path).mkdir(parents=True, exist_ok=True)
    changed = _copy_files(contents, target, limit_bytes)
    notes = [_told(f"Not in the scratch copies, for they {why}", paths) for why, paths in contents.omitted.items()]
    if changed:
        notes.append(_told("Written while they were copied, again and again", changed))
    unmet = sorted(contents.selection.inclusion.unmet) if contents.selection.inclusion else []
    return [*notes, _told("Nothing is meant by", unmet)] if unmet else notes


def copy_again(first: Path, target: Path) -> None:
    """Another copy, the same to the byte, of a scratch copy in which nothing has run yet."""
    copy_folder(first, target, sys.maxsize, Selection(left_out=frozenset()))


def remove_folder(folder: Path) -> None:
    """Remove a scratch copy whatever a run has made of it, no link followed; logs what cannot be removed."""
    _make_enterable(folder)
    for below, folders, _files in os.walk(folder):
        for name in folders:
            _make_enterable(Path(below, name))
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        _log.warning("The scratch folder %s could not be removed.", folder)


def _copy_files(contents: _Contents, target: Path, limit_bytes: int) -> list[str]:
    """Copy them, and answer which of them did not keep still."""
    left, changed = limit_bytes, []

    def take(size: int) -> None:
        nonlocal left
        left -= size
        if left < 0 or (contents.size > limit_bytes and not copies.have_shared):
            raise _too_large(f"{max(contents.size, limit_bytes - left)} bytes", limit_bytes)

    copies = FileCopies(take)
    made = {target}
    for path, file in contents.files:
        try:
            read = open_regular(file)
        except OSError:
            contents.omitted[_UNREADABLE].append(path)
            continue
        try:
            copied = target / path
            if copied.parent not in made:
                copied.parent.mkdir(parents=True, exist_ok=True)
                made.add(copied.parent)
            if not copies.copy(read, copied):
                changed.append(path)
        finally:
            os.close(read)
    return changed


def _too_large(held: str, limit: int) -> TooLarge:
    return TooLarge(
        f"The notebook's folder holds {held}; a scratch copy may hold {limit}. Name what the notebook needs with "
        "`include`.",
        code="folder_too_large",
        field="include",
        limit=limit,
    )


def _told(what: str, paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{what}: {', '.join(paths[:_SHOWN])}{more}."


def _make_enterable(folder: Path) -> None:
    try:
        mode = folder.lstat().st_mode
        if stat.S_ISDIR(mode) and stat.S_IMODE(mode) & stat.S_IRWXU != stat.S_IRWXU:
            folder.chmod(stat.S_IRWXU)
    except OSError as error:  # gone, or another user's: removing says what remains
        _log.debug("%s stays as it is: %s", folder, error)
