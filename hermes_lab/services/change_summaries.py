"""Changes in words, for people who read a list of them."""

from __future__ import annotations

from collections.abc import Sequence

from hermes_lab.engines.text_hunks import LineHunk
from hermes_lab.model.values import JsonObject

_SHOWN = 40


def insertion(cell: JsonObject, predecessor: JsonObject | None) -> str:
    """Where a cell was inserted and how long it is."""
    return f"{_kind(cell)} cell inserted {position(predecessor)}, {_counted(_line_count(cell), 'line')}"


def position(predecessor: JsonObject | None) -> str:
    """A place in a notebook by the cell before it."""
    return "at the top" if predecessor is None else f"after {_named(predecessor)}"


def deletion(cell: JsonObject) -> str:
    """What was deleted."""
    return f"{_kind(cell)} cell deleted, {_counted(_line_count(cell), 'line')}: {_named(cell)}"


def difference(
    *,
    retyped: tuple[str, str] | None,
    hunks: Sequence[LineHunk],
    attachments: bool,
    moved: tuple[int, int] | None,
    metadata_keys: Sequence[str],
    results: Sequence[str],
) -> str:
    """All that differs in a cell that is in both notebooks, the weightiest first."""
    parts = []
    if retyped:
        parts.append(f"{retyped[0]} cell became a {retyped[1]} cell")
    if hunks:
        parts.append(_lines(hunks))
    if attachments:
        parts.append("attachments changed")
    if moved:
        parts.append(f"moved from position {moved[0] + 1} to {moved[1] + 1}")
    if metadata_keys:
        parts.append(f"metadata changed: {', '.join(metadata_keys)}")
    if results:
        parts.append(f"{' and '.join(results)} changed")
    words = "; ".join(parts)
    return words[:1].upper() + words[1:]


def _lines(hunks: Sequence[LineHunk]) -> str:
    verb = "changed"
    if not any(hunk.base_lines for hunk in hunks):
        verb = "added"
    elif not any(hunk.remote_lines for hunk in hunks):
        verb = "removed"
    count = sum(max(hunk.base_lines, hunk.remote_lines) for hunk in hunks)
    where = f" in {len(hunks)} places" if len(hunks) > 1 else ""
    return f"{_counted(count, 'line')} {verb}{where}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _line_count(cell: JsonObject) -> int:
    return len(cell["source"].splitlines())


def _kind(cell: JsonObject) -> str:
    return str(cell["cell_type"]).capitalize()


def _named(cell: JsonObject) -> str:
    """A cell by its first line with something in it."""
    line = next((line.strip() for line in cell["source"].splitlines() if line.strip()), "")
    if not line:
        return "an empty cell"
    return f"“{line}”" if len(line) <= _SHOWN else f"“{line[: _SHOWN - 1]}…”"
