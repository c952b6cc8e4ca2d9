"""difflib: the runs of lines in which two texts differ, and the words inside them.

difflib grows with the square of the number of lines, so that it gets what is left between the lines that occur
once on both sides; these are found in n log n (the "patience" way).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from hermes_lab.model.sequences import longest_increasing

_WORD = re.compile(r"\w+|\s|[^\w\s]")
_MOST_COMPARED = 40_000
"""Lines times lines, or words times words, up to which difflib answers at once whatever they are."""
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


def edits(base: Sequence[Hashable], remote: Sequence[Hashable]) -> list[Edit]:
    """The runs in which two sequences differ, from the start; between them they are equal."""
    return list(_joined(_edits_between(base, remote, 0, len(base), 0, len(remote))))


def _edits_between(
    base: Sequence[Hashable], remote: Sequence[Hashable], i: int, i_end: int, j: int, j_end: int
) -> Iterator[Edit]:
    while i < i_end and j < j_end and base[i] == remote[j]:
        i, j = i + 1, j + 1
    while i < i_end and j < j_end and base[i_end - 1] == remote[j_end - 1]:
        i_end, j_end = i_end - 1, j_end - 1
    if i == i_end and j == j_end:
        return
    if i == i_end or j == j_end or set(base[i:i_end]).isdisjoint(remote[j:j_end]):
        yield i, i_end, j, j_end
    elif (i_end - i) * (j_end - j) <= _MOST_COMPARED:
        matcher = SequenceMatcher(None, base[i:i_end], remote[j:j_end], autojunk=False)
        for tag, first, last, other_first, other_last in matcher.get_opcodes():
            if tag != "equal":
                yield i + first, i + last, j + other_first, j + other_last
    else:
        anchors = _anchors(base, remote, i, i_end, j, j_end)
        if not anchors:
            yield i, i_end, j, j_end
            return
        for anchor_i, anchor_j in [*anchors, (i_end, j_end)]:
            yield from _edits_between(base, remote, i, anchor_i, j, anchor_j)
            i, j = anchor_i + 1, anchor_j + 1


def _anchors(
    base: Sequence[Hashable], remote: Sequence[Hashable], i: int, i_end: int, j: int, j_end: int
) -> list[tuple[int, int]]:
    """Pairs of equal lines that occur once on each side, as many as are in the same order there."""
    counts, others = Counter(base[i:i_end]), Counter(remote[j:j_end])
    places = {remote[at]: at for at in range(j, j_end)}
    pairs = [(at, places[base[at]]) for at in range(i, i_end) if counts[base[at]] == others[base[at]] == 1]
    kept = longest_increasing([at for _, at in pairs])
    return [pair for number, pair in enumerate(pairs) if number in kept]


def _joined(found: Iterator[Edit]) -> Iterator[Edit]:
    """Edits that touch become one."""
    open_edit: Edit | None = None
    for i, i_end, j, j_end in found:
        if open_edit is not None and (open_edit[1], open_edit[3]) == (i, j):
            open_edit = (open_edit[0], i_end, open_edit[2], j_end)
        else:
            if open_edit is not None:
                yield open_edit
            open_edit = (i, i_end, j, j_end)
    if open_edit is not None:
        yield open_edit


def _offsets(words: Sequence[str]) -> list[int]:
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word))
    return offsets
