"""Which files of a folder are meant by glob patterns, told from their paths alone."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_ANY: Final = "**"

Steps = tuple[str, ...]
"""The parts of a path from the folder, or of a pattern."""


class Inclusion:
    """Patterns such as ``data/*.csv``, ``**/*.py`` or ``images``: a folder that matches is meant with all in it.

    As in a shell, ``*`` and ``?`` stay in one folder; ``**`` is any number of folders, none too.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = {pattern: _steps(pattern) for pattern in patterns}
        self.unmet = set(self._patterns)
        """The patterns that have meant nothing yet."""

    def means(self, path: Steps) -> bool:
        """Whether the file, or a folder that it is in, matches a pattern."""
        found = {text for text, pattern in self._patterns.items() if _means(pattern, path)}
        self.unmet -= found
        return bool(found)

    def may_be_in(self, folder: Steps) -> bool:
        """Whether a file below the folder may be meant."""
        return any(_may_be_in(pattern, folder) for pattern in self._patterns.values())

    def names(self, part: str) -> bool:
        """Whether a pattern says this very name."""
        return any(part in pattern for pattern in self._patterns.values())


def _steps(pattern: str) -> Steps:
    return tuple(step for step in pattern.split("/") if step not in ("", "."))


def _means(pattern: Steps, path: Steps) -> bool:
    if not pattern:
        return True
    if pattern[0] == _ANY:
        # At its end it stands for whatever is inside, else for nothing or for one folder and what it stands for there.
        return bool(path) and (_means(pattern[1:], path) or _means(pattern, path[1:]))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _means(pattern[1:], path[1:])


def _may_be_in(pattern: Steps, folder: Steps) -> bool:
    if not pattern or not folder or pattern[0] == _ANY:
        return True
    return fnmatchcase(folder[0], pattern[0]) and _may_be_in(pattern[1:], folder[1:])
