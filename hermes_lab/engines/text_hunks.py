"""The runs of lines in which two texts differ, and the words inside them. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hermes_lab.engines.line_edits import line_edits

_WORD = re.compile(r"\w+|\s|[^\w\s]")
_LEAST_KEPT = 0.3
"""Of the words of the longer side, the part that must be kept for the edits of single words to say anything."""


@dataclass(frozen=True)
class WordRange:
    """A run of words that differs, as character offsets into a hunk's `before` and `after`."""

    before_start: int
    before_end: int
    after_start: int
    after_end: int


@dataclass(frozen=True)
class LineHunk:
    """A run of lines that differs; `model.diffs.Hunk` says what the fields mean."""

    hunk_id: str
    base_start: int
    base_lines: int
    remote_start: int
    remote_lines: int
    before: str
    after: str

    @cached_property
    def words(self) -> list[WordRange]:
        """The words that differ; none where lines were only added or removed, or hardly a word is kept."""
        return word_edits(self.before, self.after) if self.before and self.after else []


def line_hunks(before: str, after: str) -> list[LineHunk]:
    """The runs of lines that differ, named h1, h2, … from the top. Lines are those of `str.splitlines`."""
    if before == after:
        return []
    base, remote = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return [
        LineHunk(
            hunk_id=f"h{number}",
            base_start=i,
            base_lines=i_end - i,
            remote_start=j,
            remote_lines=j_end - j,
            before="".join(base[i:i_end]),
            after="".join(remote[j:j_end]),
        )
        for number, (i, i_end, j, j_end) in enumerate(edits(base, remote), start=1)
    ]


def word_edits(before: str, after: str) -> list[WordRange]:
    """The runs of words, signs and white space that differ; none where hardly a word is kept."""
    base, remote = _WORD.findall(before), _WORD.findall(after)
    found = edits(base, remote)
    gone = sum(not word.isspace() for i, i_end, _, _ in found for word in base[i:i_end])
    words, others = (sum(not word.isspace() for word in side) for side in (base, remote))
    if words - gone < _LEAST_KEPT * max(words, others):
        return []
    of_base, of_remote = _offsets(base), _offsets(remote)
    return [WordRange(of_base[i], of_base[i_end], of_remote[j], of_remote[j_end]) for i, i_end, j, j_end in found]


Edit = tuple[int, int, int, int]
"""From i to i_end in the one sequence, from j to j_end in the other: what differs."""


def edits(base: Sequence[str], remote: Sequence[str]) -> list[Edit]:
    """The runs in which two sequences differ, from the start; between them they are equal."""
    i, i_end, j, j_end = 0, len(base), 0, len(remote)
    while i < i_end and j < j_end and base[i] == remote[j]:
        i, j = i + 1, j + 1
    while i < i_end and j < j_end and base[i_end - 1] == remote[j_end - 1]:
        i_end, j_end = i_end - 1, j_end - 1
    if i == i_end and j == j_end:
        return []
    here, there = base[i:i_end], remote[j:j_end]
    # Most edits are of one place; what finds the others costs more.
    if set(here).isdisjoint(there):
        return [(i, i_end, j, j_end)]
    return [
        (i + edit.start, i + edit.end, j + edit.other_start, j + edit.other_start + len(edit.lines))
        for edit in line_edits(here, there)
    ]


def _offsets(words: Sequence[str]) -> list[int]:
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word))
    return offsets
