"""The one gate between a path that somebody names and a file that hermes_lab touches."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from hermes_lab.model.errors import InvalidRequest

_LONGEST_NAME = 255
"""Bytes; the limit of Linux and macOS."""


class Root:
    """A folder that nothing may lead out of: not ``..``, not a symlink, not a sibling with the same prefix.

    ``closed`` are folders inside it that stay shut too, such as Jupyter's runtime folder with its tokens.
    """

    def __init__(self, folder: str | os.PathLike[str], closed: Iterable[str | os.PathLike[str]] = ()) -> None:
        self.folder = Path(os.path.realpath(folder))
        self._closed = tuple(Path(os.path.realpath(path)) for path in closed)

    def resolve(self, path: str | os.PathLike[str], field: str = "path", *, within: Path | None = None) -> Path:
        """The real path, every symlink followed. It need not exist.

        A relative path starts at ``within`` (default: the root); an absolute one must lie inside the root.

        Raises:
            InvalidRequest: code ``path_outside_root`` where it leads out of the root, ``path_closed`` where
                it leads into a closed folder, ``invalid_path`` where no file can have this name.
        """
        if "\0" in os.fspath(path):
            raise InvalidRequest("A path cannot hold a NUL character.", code="invalid_path", field=field)
        if any(len(os.fsencode(part)) > _LONGEST_NAME for part in Path(path).parts):
            raise InvalidRequest("A name in the path is too long for a file.", code="invalid_path", field=field)
        real = Path(os.path.realpath((within or self.folder) / path))
        if not real.is_relative_to(self.folder):
            raise InvalidRequest(
                f"{os.fspath(path)!r} leads out of the root folder.", code="path_outside_root", field=field
            )
        if self.closes(real):
            raise InvalidRequest(
                f"{os.fspath(path)!r} is in a folder that holds the server's own secrets.",
                code="path_closed",
                field=field,
            )
        return real

    def closes(self, path: Path) -> bool:
        """Whether this real path is in a folder that stays shut."""
        return any(path.is_relative_to(folder) for folder in self._closed)

    def api_path(self, path: str | os.PathLike[str], field: str = "path") -> str:
        """``path`` as Jupyter's contents API names it: relative to the root, with ``/``.

        Raises:
            InvalidRequest: as `resolve`.
        """
        relative = self.resolve(path, field).relative_to(self.folder).as_posix()
        return "" if relative == "." else relative
