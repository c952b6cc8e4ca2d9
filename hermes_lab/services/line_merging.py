"""Text by lines: hunks between two versions, and the three-way merge of three. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from hermes_lab.engines.line_edits import LineEdit, line_edits
from hermes_lab.engines.text_hunks import line_hunks
from hermes_lab.model.decisions import Resolution
from hermes_lab.model.diffs import Hunk


def hunks(before: str, after: str) -> list[Hunk]:
    """The runs of lines that differ, named h1, h2, … from the top, and the words inside them."""
    return [Hunk.model_validate(hunk, from_attributes=True) for hunk in line_hunks(before, after)]


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
    # The same edits as the hunks: accepting all of them is accepting the change.
    lines = _ended_lines(base)
    found = line_edits(base.splitlines(keepends=True), remote.splitlines(keepends=True))
    edits = [_with_ends(edit, lines) for edit in found]
    return _as_text(_Merge(lines, edits, range(len(edits)), resolution).with_local(_ended_lines(local)))


def merge_hunks(
    base: str, local: str, found: Sequence[Hunk], accepted: Collection[str], resolution: Resolution | None = None
) -> MergedText:
    """Take the accepted ones of the hunks that were found in base into local.

    Hunks that local has already, merged before or made by hand, stay whether they are accepted or not.
    """
    taken = [number for number, hunk in enumerate(found) if hunk.hunk_id in accepted]
    if not taken:
        return MergedText(local, overlaps=False)
    lines = _ended_lines(base)
    edits = [_with_ends(_as_edit(hunk), lines) for hunk in found]
    return _as_text(_Merge(lines, edits, taken, resolution).with_local(_ended_lines(local)))


def merge_lines(
    base: Sequence[str], local: Sequence[str], remote: Sequence[str], resolution: Resolution | None
) -> tuple[list[str], bool]:
    """The same for lists of anything that is written as text: the merged list, and whether the sides overlap."""
    edits = line_edits(base, remote)
    return _Merge(base, edits, range(len(edits)), resolution).with_local(local)


def _ended_lines(text: str) -> list[str]:
    """The lines with their ends; the last one has one, too: a line added behind it leaves it as it was."""
    lines = f"{text}.".splitlines(keepends=True)
    return [*lines[:-1], f"{lines[-1][:-1]}\n"]


def _as_text(merged: tuple[list[str], bool]) -> MergedText:
    lines, overlaps = merged
    return MergedText("".join(lines).removesuffix("\n"), overlaps)


def _as_edit(hunk: Hunk) -> LineEdit:
    end = hunk.base_start + hunk.base_lines
    return LineEdit(hunk.base_start, end, hunk.after.splitlines(keepends=True), hunk.remote_start)


def _with_ends(edit: LineEdit, lines: Sequence[str]) -> LineEdit:
    """An edit between lines of texts as one between their ``_ended_lines``, which are ``lines`` in base."""
    if edit.end < len(lines) - (lines[-1] == "\n"):
        return edit
    replaced, by = list(lines[edit.start :]), _ended_lines("".join(edit.lines))
    start = edit.start
    while replaced and by and replaced[0] == by[0]:
        replaced, by, start = replaced[1:], by[1:], start + 1
    while replaced and by and replaced[-1] == by[-1]:
        replaced, by = replaced[:-1], by[:-1]
    return LineEdit(start, start + len(replaced), by, edit.other_start)


class _Merge:
    """A merge into local of the ``accepted`` ones of the proposed edits."""

    def __init__(
        self,
        base: Sequence[str],
        proposed: Sequence[LineEdit],
        accepted: Collection[int],
        resolution: Resolution | None,
    ) -> None:
        self._base = base
        self._proposed = proposed
        self._accepted = set(accepted)
        self._resolution = resolution
        self._overlaps = False

    def with_local(self, local: Sequence[str]) -> tuple[list[str], bool]:
        """The merged lines, and whether the sides overlap."""
        whole = _Region(0, len(self._base), [], list(range(len(self._proposed))))
        had = self._had(whole, local)
        if had is not None:
            # Local differs by proposed edits alone. Comparing its lines could mistake one equal line for another.
            return self._with_proposed(whole, had | self._accepted), False
        merged: list[str] = []
        done = 0
        for region in _regions(line_edits(self._base, local), enumerate(self._proposed)):
            merged += self._base[done : region.start]
            merged += self._merged(region)
            done = region.end
        return [*merged, *self._base[done:]], self._overlaps

    def _merged(self, region: _Region) -> list[str]:
        if not region.local:
            return self._with_proposed(region, self._accepted)
        ours = _edited(self._base, region.start, region.end, region.local)
        accepted = self._accepted.intersection(region.proposed)
        if not accepted:
            return ours
        had = self._had(region, ours)
        if had is not None:
            return self._with_proposed(region, had | accepted)
        if len(accepted) < len(region.proposed):
            return self._without_rejected(region, accepted)
        theirs = self._with_proposed(region, accepted)
        self._overlaps = True
        if self._resolution == "remote":
            return theirs
        return [*ours, *theirs] if self._resolution == "both" else ours

    def _without_rejected(self, region: _Region, accepted: Collection[int]) -> list[str]:
        """A region again that is only as large because of edits that are not accepted."""
        merged: list[str] = []
        done = region.start
        for part in _regions(region.local, [(number, self._proposed[number]) for number in sorted(accepted)]):
            merged += self._base[done : part.start]
            merged += self._merged(part)
            done = part.end
        return [*merged, *self._base[done : region.end]]

    def _with_proposed(self, region: _Region, taken: Collection[int]) -> list[str]:
        edits = [self._proposed[number] for number in region.proposed if number in taken]
        return _edited(self._base, region.start, region.end, edits)

    def _had(self, region: _Region, ours: Sequence[str]) -> set[int] | None:
        """The proposed edits with which the region's base lines are ours; None where ours are others."""
        if len(region.proposed) > _MOST_EDITS_TO_FIND:
            return None
        # For each edit and each place in ours that can be reached before it: from where, and whether it was taken.
        steps: list[dict[int, tuple[int, bool]]] = []
        reached: Iterable[int] = [0]
        done = region.start
        for number in region.proposed:
            edit = self._proposed[number]
            # Of two ways to the same place the first is kept: nothing is merged twice.
            ways = (True, False) if number in self._accepted else (False, True)
            kept = self._base[done : edit.start]
            step: dict[int, tuple[int, bool]] = {}
            for taken in ways:
                lines = edit.lines if taken else self._base[edit.start : edit.end]
                for place in reached:
                    next_place = place + len(kept) + len(lines)
                    if next_place not in step and [*ours[place:next_place]] == [*kept, *lines]:
                        step[next_place] = (place, taken)
            steps.append(step)
            reached = step
            done = edit.end
        rest = self._base[done : region.end]
        place = len(ours) - len(rest)
        if place not in reached or [*ours[place:]] != [*rest]:
            return None
        had: set[int] = set()
        for number, step in zip(reversed(region.proposed), reversed(steps), strict=True):
            place, taken = step[place]
            had |= {number} if taken else set()
        return had


_MOST_EDITS_TO_FIND = 200
"""Proposed edits up to which it is looked which of them local has already."""


def _edited(base: Sequence[str], start: int, end: int, edits: Iterable[LineEdit]) -> list[str]:
    lines: list[str] = []
    done = start
    for edit in edits:
        lines += [*base[done : edit.start], *edit.lines]
        done = edit.end
    return [*lines, *base[done:end]]


@dataclass
class _Region:
    """A run of base lines that edits of one or both sides touch; proposed edits are known by their number."""

    start: int
    end: int
    local: list[LineEdit]
    proposed: list[int]


def _regions(local: Iterable[LineEdit], proposed: Iterable[tuple[int, LineEdit]]) -> list[_Region]:
    """Edits in base order; edits whose base lines meet or touch share a region."""
    regions: list[_Region] = []
    tagged: list[tuple[LineEdit, int | None]] = [*((edit, None) for edit in local), *((e, n) for n, e in proposed)]
    for edit, number in sorted(tagged, key=lambda each: (each[0].start, each[0].end)):
        if not regions or edit.start > regions[-1].end:
            regions.append(_Region(edit.start, edit.end, [], []))
        region = regions[-1]
        region.end = max(region.end, edit.end)
        if number is None:
            region.local.append(edit)
        else:
            region.proposed.append(number)
    return regions
