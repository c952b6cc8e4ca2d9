"""nbdime: differences as its diff operations (JEP 8), which its tools and widgets take, and what it takes for noise.

The one home of nbdime.

Which cells match is decided by the caller: nbdime's own alignment grows with the square of the number of cells
(measured: 300 cells that all differ take 16 s). Inside matched cells nbdime compares the lines of short hunks. What it
is slow at is done here: it compares every line of a text with every other, tells images by a regular expression,
and checks what it made at every level. nbdime is imported where it is used: it costs 1.4 s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from typing import Any

from hermes_lab.engines.text_hunks import LineHunk, edits, line_hunks
from hermes_lab.model.values import JsonObject, Notebook, fingerprint, same

FindHunks = Callable[[str, str], Sequence[LineHunk]]
Ops = list[JsonObject]

_TEXT = ("text/", "image/svg+xml", "application/javascript", "application/json")
_MOST_COMPARED_LINES = 64
"""Lines times lines of a hunk that nbdime compares; those of a longer one are removed and added."""
_MOST_COMPARED_CHARACTERS = 2_000


def diff_ops(
    base: Notebook,
    remote: Notebook,
    pairs: Sequence[tuple[int, int]],
    *,
    unequal: Collection[int],
    find_hunks: FindHunks = line_hunks,
) -> Ops:
    """The operations with which ``nbdime.patching.patch`` makes remote of base.

    ``pairs`` are the matched cells as (index in base, index in remote), both increasing; all other cells are
    removed and added. ``unequal`` are the indices in remote of those that are not the same as in base.
    """
    building = _Building(find_hunks)
    ops = building.of_objects(_without_cells(base), _without_cells(remote), building.of_values)
    of_cells = list(building.of_cells(base["cells"], remote["cells"], pairs, unequal))
    if of_cells:
        ops.append(building.patch("cells", of_cells))
    return sorted(ops, key=lambda op: str(op["key"]))


def _fingerprints(*sides: Sequence[Any]) -> list[list[str]]:
    return [[fingerprint(item).decode("latin-1") for item in side] for side in sides]


@cache
def transient_cell_metadata() -> frozenset[str]:
    """The keys of a cell's metadata that nbdime's merge takes for noise: how the cell is shown, not what it is."""
    from nbdime.merging.notebooks import notebook_merge_strategies

    below = "/cells/*/metadata/"
    return frozenset(
        path.removeprefix(below) for path in notebook_merge_strategies(None).transients if path.startswith(below)
    )


def _without_cells(notebook: Notebook) -> JsonObject:
    return {key: value for key, value in notebook.items() if key != "cells"}


Compare = Callable[[str, Any, Any], Ops | None]
"""The operations between two values of this name; None where one replaces the other."""


class _Building:
    """Builds operations; nbdime's own classes, which its tools tell by their type."""

    def __init__(self, find_hunks: FindHunks) -> None:
        from nbdime import diff_format
        from nbdime.diffing.sequences import diff_strings_linewise

        self._find_hunks = find_hunks
        self._add, self._remove, self._replace = diff_format.op_add, diff_format.op_remove, diff_format.op_replace
        self._add_range, self._remove_range = diff_format.op_addrange, diff_format.op_removerange
        self.patch: Callable[[int | str, Ops], JsonObject] = diff_format.op_patch
        self._compare_lines: Callable[[str, str], Ops] = diff_strings_linewise

    def of_objects(self, base: JsonObject, remote: JsonObject, compare: Compare) -> Ops:
        """The operations between two objects; ``compare`` makes those of values that differ."""
        ops: Ops = []
        for key in sorted({*base, *remote}):
            if key not in remote:
                ops.append(self._remove(key))
            elif key not in base:
                ops.append(self._add(key, remote[key]))
            elif not same(base[key], remote[key]):
                inner = compare(key, base[key], remote[key])
                ops.append(self._replace(key, remote[key]) if inner is None else self.patch(key, inner))
        return ops

    def of_cells(
        self,
        base: Sequence[JsonObject],
        remote: Sequence[JsonObject],
        pairs: Sequence[tuple[int, int]],
        unequal: Collection[int],
    ) -> Iterator[JsonObject]:
        """The operations between two lists of cells."""
        i = j = 0
        for next_i, next_j in [*pairs, (len(base), len(remote))]:
            if next_i > i or next_j > j:
                yield from self._replaced(i, next_i - i, remote[j:next_j])
            if next_j in unequal:
                yield self.patch(next_i, self.of_objects(base[next_i], remote[next_j], self._of_cell_fields))
            i, j = next_i + 1, next_j + 1

    def of_values(self, _: str, base: Any, remote: Any) -> Ops | None:
        """The operations between any two JSON values."""
        if isinstance(base, str) and isinstance(remote, str):
            return list(self._of_texts(base, remote))
        if isinstance(base, dict) and isinstance(remote, dict):
            return self.of_objects(base, remote, self.of_values)
        if isinstance(base, list) and isinstance(remote, list):
            return list(self._of_lists(base, remote))
        return None

    def _of_cell_fields(self, key: str, base: Any, remote: Any) -> Ops | None:
        if key in {"id", "cell_type"}:
            return None
        if key == "outputs":
            return list(self._of_lists(base, remote, self._of_outputs))
        if key == "attachments":
            return self.of_objects(base, remote, self._of_bundles)
        return self.of_values(key, base, remote)

    def _of_outputs(self, base: JsonObject, remote: JsonObject) -> Ops | None:
        """None where two outputs are of different kinds, so that one is no later state of the other."""
        if base["output_type"] != remote["output_type"] or base.get("name") != remote.get("name"):
            return None
        return self.of_objects(base, remote, self._of_output_fields)

    def _of_output_fields(self, key: str, base: Any, remote: Any) -> Ops | None:
        return self._of_bundles(key, base, remote) if key == "data" else self.of_values(key, base, remote)

    def _of_bundles(self, _: str, base: JsonObject, remote: JsonObject) -> Ops:
        """Between two MIME bundles: text is compared by lines, images are replaced whole."""
        return self.of_objects(base, remote, self._of_mime_values)

    def _of_mime_values(self, mime: str, base: Any, remote: Any) -> Ops | None:
        if isinstance(base, str) and not mime.lower().startswith(_TEXT):
            return None
        return self.of_values(mime, base, remote)

    def _of_lists(
        self, base: Sequence[Any], remote: Sequence[Any], compare: Callable[[Any, Any], Ops | None] | None = None
    ) -> Iterator[JsonObject]:
        """Between two lists; ``compare`` makes the operations between items in the same place between equal ones."""
        found = [(0, 1, 0, 1)] if len(base) == len(remote) == 1 else edits(*_fingerprints(base, remote))
        for start, end, other_start, other_end in found:
            i, j = start, other_start
            while compare is not None and i < end and j < other_end:
                ops = compare(base[i], remote[j])
                if ops is None:
                    yield from self._replaced(i, 1, remote[j : j + 1])
                elif ops:
                    yield self.patch(i, ops)
                i, j = i + 1, j + 1
            yield from self._replaced(i, end - i, remote[j:other_end])

    def _of_texts(self, base: str, remote: str) -> Iterator[JsonObject]:
        for hunk in self._find_hunks(base, remote):
            at, lines = hunk.base_start, hunk.base_lines * hunk.remote_lines
            if lines == 1 and hunk.words:
                yield self.patch(at, list(self._of_words(hunk)))
            elif 1 < lines <= _MOST_COMPARED_LINES and len(hunk.before + hunk.after) <= _MOST_COMPARED_CHARACTERS:
                for op in self._compare_lines(hunk.before, hunk.after):
                    op["key"] += at
                    yield op
            else:
                yield from self._replaced(at, hunk.base_lines, hunk.after.splitlines(keepends=True))

    def _of_words(self, hunk: LineHunk) -> Iterator[JsonObject]:
        """The operations inside one line, by its characters."""
        for edit in hunk.words:
            yield from self._replaced(
                edit.before_start, edit.before_end - edit.before_start, hunk.after[edit.after_start : edit.after_end]
            )

    def _replaced(self, at: int, length: int, values: Sequence[Any]) -> Iterator[JsonObject]:
        """What takes the place of so many items or characters."""
        if values:
            yield self._add_range(at, values if isinstance(values, str) else list(values))
        if length:
            yield self._remove_range(at, length)
