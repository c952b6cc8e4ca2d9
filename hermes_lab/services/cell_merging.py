"""The three-way merge of what is inside one cell, or of a notebook's own metadata. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable

from hermes_lab.engines import nbdime
from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.payload import JsonObject
from hermes_lab.services.cell_parts import (
    differing_keys,
    retyped,
    same_writing,
    without_results,
    written_metadata_keys,
)
from hermes_lab.services.conflicts import Conflicts
from hermes_lab.services.line_merging import hunks, merge_hunks, merge_texts, with_hunks
from hermes_lab.services.value_merging import merge_objects


def merge_cell(
    base: JsonObject, local: JsonObject, remote: JsonObject, decision: ChangeDecision, conflicts: Conflicts
) -> JsonObject:
    """Local with the accepted edits from base to remote; local itself where they change nothing.

    Results follow the code that made them: a cell whose source or type becomes another loses its outputs,
    execution count and run records.
    """
    merged = with_source(local, _merged_source(base, local, remote, decision, conflicts))
    if decision.decision != "accept":
        # Single hunks are accepted, and nothing else of the cell.
        return merged
    cell_type = _merged_type(base, local, remote, conflicts)
    merged = merged if cell_type == local["cell_type"] else retyped(merged, cell_type)
    merged = _with_metadata(merged, base, remote, conflicts)
    return merged if cell_type == "code" else _with_attachments(merged, base, remote, conflicts)


def with_source(cell: JsonObject, source: str) -> JsonObject:
    """The cell with this source, and without the results of another one."""
    return cell if cell["source"] == source else without_results({**cell, "source": source})


def merge_keys(
    base: JsonObject,
    local: JsonObject,
    remote: JsonObject,
    keys: Iterable[str],
    conflicts: Conflicts,
    noise: Callable[[], Collection[str]] = frozenset,
) -> JsonObject:
    """Local with these keys as remote has them, merged where both changed them; local itself where none differs."""
    merged = merge_objects(base, local, remote, keys, conflicts.resolution, noise)
    if merged.overlapping:
        conflicts.add("metadata", *(_as_text(side, merged.overlapping) for side in (base, local, remote)))
    return merged.value


def is_edited(base: JsonObject, local: JsonObject) -> bool:
    """Whether somebody edited the cell: more than runs leave in it, and than nbdime takes for noise."""
    if same_writing(base, local):
        return False
    keys = written_metadata_keys(base, local)
    shown = {**local, "metadata": {**base["metadata"]}}
    return not (same_writing(base, shown) and nbdime.transient_cell_metadata().issuperset(keys))


def _as_text(side: JsonObject, keys: list[str]) -> str:
    return json.dumps({key: side[key] for key in keys if key in side}, indent=1, sort_keys=True, ensure_ascii=False)


def _merged_source(
    base: JsonObject, local: JsonObject, remote: JsonObject, decision: ChangeDecision, conflicts: Conflicts
) -> str:
    was, ours, theirs = (str(side["source"]) for side in (base, local, remote))
    if decision.hunks and decision.text is None:
        found = hunks(was, theirs)
        chosen = {each.hunk_id for each in found if decision.hunks.get(each.hunk_id, decision.decision) == "accept"}
        theirs = with_hunks(was, found, chosen)
        merged = merge_hunks(was, ours, found, chosen, conflicts.resolution)
    else:
        theirs = theirs if decision.text is None else decision.text
        merged = merge_texts(was, ours, theirs, conflicts.resolution)
    if not merged.overlaps:
        return merged.text
    conflicts.add("source", was, ours, theirs)
    # The text of an `edited` resolution is what the person wants the whole cell to be.
    return theirs if conflicts.resolution == "edited" else merged.text


def _merged_type(base: JsonObject, local: JsonObject, remote: JsonObject, conflicts: Conflicts) -> str:
    was, ours, theirs = (str(side["cell_type"]) for side in (base, local, remote))
    if theirs in {was, ours}:
        return ours
    if ours == was:
        return theirs
    conflicts.add("cell_type", was, ours, theirs)
    return theirs if conflicts.remote_wins else ours


def _with_metadata(merged: JsonObject, base: JsonObject, remote: JsonObject, conflicts: Conflicts) -> JsonObject:
    keys = written_metadata_keys(base, remote)
    if not keys:
        return merged
    metadata = merge_keys(
        base["metadata"], merged["metadata"], remote["metadata"], keys, conflicts, nbdime.transient_cell_metadata
    )
    return merged if metadata is merged["metadata"] else {**merged, "metadata": metadata}


def _with_attachments(merged: JsonObject, base: JsonObject, remote: JsonObject, conflicts: Conflicts) -> JsonObject:
    was, ours, theirs = (side.get("attachments", {}) for side in (base, merged, remote))
    attachments = merge_keys(was, ours, theirs, differing_keys(was, theirs), conflicts)
    if attachments is ours:
        return merged
    without = {key: value for key, value in merged.items() if key != "attachments"}
    return {**without, "attachments": attachments} if attachments else without
