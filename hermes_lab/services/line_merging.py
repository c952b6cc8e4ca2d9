"""Text by lines: hunks between two versions, and the three-way merge of three. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from hermes_lab.model.decisions import Resolution
from hermes_lab.model.diffs import Hunk


def hunks(before: str, after: str) -> list[Hunk]:
    """The runs of lines that differ, named h1, h2, … from the top."""
    base, remote = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return [
        Hunk(
            hunk_id=f"h{number}",
            base_start=edit.start,
            base_lines=edit.end - edit.start,
            remote_start=edit.other_start,
            remote_lines=len(edit.lines),
            before="".join(base[edit.start : edit.end]),
            after="".join(edit.lines),
        )
        for number, edit in enumerate(_edits(base, remote), start=1)
    ]


def with_hunks(before: str, found: Sequence[Hunk], accepted: Collection[str]) -> str:
    """``before`` with the accepted hunks; with all of them it is the text that they were found in."""
    base = before.splitlines(keepends=True)
    parts: list[str] = []
    done = 0
    for hunk in found:
        if hunk.hunk_id in accepted:
            parts += [*base[done : hunk.base_start], hunk.after]
            done = hunk.base_start + hunk.base_lines
    return "".join([*parts, *base[done:]])


@dataclass(frozen=True)
class MergedText:
    """The text of a merge, and whether both sides changed the same or touching lines in different ways."""

    text: str
    overlaps: bool


def merge_texts(base: str, local: str, remote: str, resolution: Resolution | None = None) -> MergedText:
    """Take the edits of both sides. Where they overlap, ``resolution`` chooses; without one, local stands."""
    if remote in {local, base}:
        return MergedText(local, overlaps=False)
    if local == base:
        return MergedText(remote, overlaps=False)
    # Split at line ends and not after them: a line added behind the last one leaves that one as it was.
    lines = base.split("\n")
    merged: list[str] = []
    overlaps = False
    done = 0
    for region in _regions(_edits(lines, local.split("\n")), _edits(lines, remote.split("\n"))):
        merged += lines[done : region.start]
        ours, theirs = region.versions(lines)
        done = region.end
        if region.one_sided or ours == theirs:
            merged += theirs if region.local == [] else ours
        else:
            overlaps = True
            merged += _resolved(ours, theirs, resolution)
    return MergedText("\n".join([*merged, *lines[done:]]), overlaps)


def _resolved(ours: list[str], theirs: list[str], resolution: Resolution | None) -> list[str]:
    if resolution == "remote":
        return theirs
    return [*ours, *theirs] if resolution == "both" else ours


@dataclass(frozen=True)
class _Edit:
    """Base lines ``start`` to ``end`` become ``lines``, which start at ``other_start`` in the other text."""

    start: int
    end: int
    lines: list[str]
    other_start: int


@dataclass
class _Region:
    """A run of base lines that edits of one or both sides touch."""

    start: int
    end: int
    local: list[_Edit]
    remote: list[_Edit]

    @property
    def one_sided(self) -> bool:
        return not (self.local and self.remote)

    def versions(self, base: list[str]) -> tuple[list[str], list[str]]:
        """The region's lines as local has them and as remote has them."""
        return self._with(base, self.local), self._with(base, self.remote)

    def _with(self, base: list[str], edits: list[_Edit]) -> list[str]:
        lines: list[str] = []
        done = self.start
        for edit in edits:
            lines += [*base[done : edit.start], *edit.lines]
            done = edit.end
        return [*lines, *base[done : self.end]]


def _edits(base: list[str], other: list[str]) -> list[_Edit]:
    # With autojunk, texts of many equal lines do not take quadratic time; it sets in at 200 lines.
    matcher = SequenceMatcher(None, base, other, autojunk=True)
    return [
        _Edit(start, end, other[first:last], first)
        for tag, start, end, first, last in matcher.get_opcodes()
        if tag != "equal"
    ]


def _regions(local: list[_Edit], remote: list[_Edit]) -> list[_Region]:
    """Edits in base order; edits whose base lines meet or touch share a region."""
    regions: list[_Region] = []
    tagged = [(edit, True) for edit in local] + [(edit, False) for edit in remote]
    for edit, is_local in sorted(tagged, key=lambda each: (each[0].start, each[0].end)):
        if not regions or edit.start > regions[-1].end:
            regions.append(_Region(edit.start, edit.end, [], []))
        region = regions[-1]
        region.end = max(region.end, edit.end)
        (region.local if is_local else region.remote).append(edit)
    return regions
