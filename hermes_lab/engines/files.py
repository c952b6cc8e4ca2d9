"""The built-in provider's files: reading text inside the root."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from hermes_lab.engines.paths import Root
from hermes_lab.model.payload import JsonObject
from hermes_lab.model.tools import ReadFileArguments

MAX_LINE: Final = 2_000
"""Characters of a line that are shown (Hermes' number)."""
MAX_CONTENT: Final = 100_000
"""Characters of one answer (Hermes' number)."""
_LINE_BYTES: Final = MAX_LINE * 4
_SAMPLE: Final = 8_192
_BLOCK: Final = 1 << 20
_IMAGES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".ico"})


class Files:
    """Reads files, with the answers of Hermes' ``read_file``."""

    def __init__(self, root: Root) -> None:
        self._root = root

    async def read(self, arguments: ReadFileArguments, folder: Path) -> JsonObject:
        """The lines asked for, each with its number, or Hermes' ``{..., error}``.

        Raises:
            InvalidRequest: the path leads out of the root.
        """
        path = self._root.resolve(arguments.path, "arguments.path", within=folder)
        if any(part.startswith(".") for part in path.relative_to(self._root.folder).parts):
            return _failure(f"{arguments.path!r} is hidden; hidden files are not read for notebooks.")
        return await asyncio.to_thread(self._read, path, arguments)

    def _read(self, path: Path, arguments: ReadFileArguments) -> JsonObject:
        try:
            with self._open(path) as file:
                return _answer(file, path, arguments)
        except FileNotFoundError:
            return _failure(f"File not found: {arguments.path}")
        except OSError as error:
            return _failure(f"Failed to read file: {arguments.path}: {error.strerror}")

    def _open(self, path: Path) -> BinaryIO:
        """The file at a path that was resolved, even if a link was put in its place since."""
        # O_NONBLOCK: opening a named pipe would wait for a writer. It means nothing for regular files.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb")
        here = Path(f"/proc/self/fd/{descriptor}")
        if here.exists() and not Path(os.path.realpath(here)).is_relative_to(self._root.folder):
            file.close()
            raise FileNotFoundError(path)
        return file


def _answer(file: BinaryIO, path: Path, arguments: ReadFileArguments) -> JsonObject:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        return _failure(f"Not a regular file: {arguments.path}")
    if path.suffix.lower() in _IMAGES:
        return {**_shape(file_size=status.st_size), "is_binary": True, "is_image": True}
    if b"\0" in file.read(_SAMPLE):
        return {
            **_failure("Binary file - cannot display as text. Use appropriate tools to handle this file type."),
            "file_size": status.st_size,
            "is_binary": True,
        }
    file.seek(0)
    return _page(file, arguments, status.st_size)


def _page(file: BinaryIO, arguments: ReadFileArguments, file_size: int) -> JsonObject:
    lines: list[str] = []
    room, number = MAX_CONTENT, 0
    while number < arguments.offset + arguments.limit - 1 and (line := _next_line(file)) is not None:
        number += 1
        if number < arguments.offset:
            continue
        shown = f"{number}|{line}"
        room -= len(shown) + 1
        if room < 0 and lines:
            number -= 1
            break
        lines.append(shown)
    return _numbered(lines, arguments.offset, number, file, file_size, full=room < 0)


def _numbered(lines: list[str], first: int, last: int, file: BinaryIO, file_size: int, *, full: bool) -> JsonObject:
    file.seek(0)
    total = _count_lines(file)
    answer = {**_shape(file_size=file_size), "content": "\n".join(lines), "total_lines": total}
    if lines and total > last:
        answer["truncated"] = True
        answer["hint"] = f"Use offset={last + 1} to continue reading (showing {first}-{last} of {total} lines)"
        if full:
            answer |= {"truncated_by": "bytes", "next_offset": last + 1}
    return answer


def _next_line(file: BinaryIO) -> str | None:
    """The next line, shortened where it is too long to show; None at the end."""
    content = file.readline(_LINE_BYTES)
    if not content:
        return None
    rest = content
    while rest and not rest.endswith(b"\n"):
        rest = file.readline(_BLOCK)
    line = content.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r\n")
    return line if len(line) <= MAX_LINE else line[:MAX_LINE] + "... [truncated]"


def _count_lines(file: BinaryIO) -> int:
    count, last = 0, b"\n"
    while block := file.read(_BLOCK):
        count += block.count(b"\n")
        last = block[-1:]
    return count if last == b"\n" else count + 1


def _shape(file_size: int = 0) -> JsonObject:
    return {
        "content": "",
        "total_lines": 0,
        "file_size": file_size,
        "truncated": False,
        "is_binary": False,
        "is_image": False,
    }


def _failure(error: str) -> JsonObject:
    return {**_shape(), "error": error}
