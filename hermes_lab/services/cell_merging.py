"""The three-way merge of what is inside one cell, or of a notebook's own metadata. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from hermes_lab.model.decisions import ChangeDecision, Resolution
from hermes_lab.model.diffs import Change
from hermes_lab.model.payload import JsonObject
from hermes_lab.model.proposals import Conflict
from hermes_lab.services.cell_parts import (
    differing_keys,
    retyped,
    same,
    without_results,
    written_metadata_keys,
)
from hermes_lab.services.line_merging import merge_texts, with_hunks


@dataclass
class Conflicts:
    """Collects the conflicts of one change."""

    change: Change
    resolution: Resolution | None
    found: list[Conflict] = field(default_factory=list)

    def add(self, where: str, base: str | None, local: str | None, remote: str | None) -> None:
        """Record that the sides differ and no resolution says which one holds."""
        if self.resolution is None:
            sides = {"base": base, "local": local, "remote": remote}
            conflict = {"change_id": self.change.change_id, "cell_id": self.change.cell_id, "where": where}
            self.found.append(Conflict.model_validate(conflict | sides))

    @property
    def remote_wins(self) -> bool:
        """Whether the proposed side holds where there is no way to have both."""
        return self.resolution in {"remote", "edited"}


def accepted_cell(change: Change, decision: ChangeDecision, base: JsonObject, remote: JsonObject) -> JsonObject:
    """The proposed cell as far as it is accepted: single hunks, or with the text the person wrote instead."""
    accepted = decision.decision == "accept"
    whole = remote if accepted else base
    if decision.text is not None:
        return {**whole, "source": decision.text}
    if not decision.hunks:
        return whole
    chosen = {hunk.hunk_id for hunk in change.hunks if decision.hunks.get(hunk.hunk_id, decision.decision) == "accept"}
    return {**whole, "source": with_hunks(base["source"], change.hunks, chosen)}


def merge_cell(base: JsonObject, local: JsonObject, remote: JsonObject, conflicts: Conflicts) -> JsonObject:
    """Local with the edits from base to remote; local itself where they change nothing.

    Results follow the code that made them: a cell whose source or type becomes another loses its outputs,
    execution count and run records.
    """
    cell_type = _merged_type(base, local, remote, conflicts)
    source = _merged_source(base, local, remote, conflicts)
    merged = local if cell_type == local["cell_type"] else retyped(local, cell_type)
    if source != local["source"]:
        merged = without_results({**merged, "source": source})
    merged = _with_metadata(merged, base, remote, conflicts)
    return merged if cell_type == "code" else _with_attachments(merged, base, remote, conflicts)


def merge_keys(
    base: JsonObject, local: JsonObject, remote: JsonObject, keys: Iterable[str], conflicts: Conflicts
) -> JsonObject:
    """Local with these keys as remote has them, unless local changed them in another way; local where none is."""
    taken: list[str] = []
    overlapping: list[str] = []
    for key in keys:
        if not _same_at(key, local, remote):
            (taken if _same_at(key, local, base) else overlapping).append(key)
    if overlapping:
        conflicts.add("metadata", *(_as_text(side, overlapping) for side in (base, local, remote)))
        taken += overlapping if conflicts.remote_wins else []
    if not taken:
        return local
    kept = {key: value for key, value in local.items() if key not in taken}
    return kept | {key: remote[key] for key in taken if key in remote}


def _same_at(key: str, one: JsonObject, other: JsonObject) -> bool:
    if key not in one or key not in other:
        return key not in one and key not in other
    return same(one[key], other[key])


def _as_text(side: JsonObject, keys: list[str]) -> str:
    return json.dumps({key: side[key] for key in keys if key in side}, indent=1, sort_keys=True, ensure_ascii=False)


def _merged_type(base: JsonObject, local: JsonObject, remote: JsonObject, conflicts: Conflicts) -> str:
    was, ours, theirs = (str(side["cell_type"]) for side in (base, local, remote))
    if theirs in {was, ours}:
        return ours
    if ours != was:
        conflicts.add("cell_type", was, ours, theirs)
        return theirs if conflicts.remote_wins else ours
    return theirs


def _merged_source(base: JsonObject, local: JsonObject, remote: JsonObject, conflicts: Conflicts) -> str:
    was, ours, theirs = (str(side["source"]) for side in (base, local, remote))
    merged = merge_texts(was, ours, theirs, conflicts.resolution)
    if not merged.overlaps:
        return merged.text
    conflicts.add("source", was, ours, theirs)
    # The text of an `edited` resolution is what the person wants the whole cell to be.
    return theirs if conflicts.resolution == "edited" else merged.text


def _with_metadata(merged: JsonObject, base: JsonObject, remote: JsonObject, conflicts: Conflicts) -> JsonObject:
    keys = written_metadata_keys(base, remote)
    metadata = merge_keys(base["metadata"], merged["metadata"], remote["metadata"], keys, conflicts)
    return merged if metadata is merged["metadata"] else {**merged, "metadata": metadata}


def _with_attachments(merged: JsonObject, base: JsonObject, remote: JsonObject, conflicts: Conflicts) -> JsonObject:
    was, ours, theirs = (side.get("attachments", {}) for side in (base, merged, remote))
    attachments = merge_keys(was, ours, theirs, differing_keys(was, theirs), conflicts)
    if attachments is ours:
        return merged
    without = {key: value for key, value in merged.items() if key != "attachments"}
    return {**without, "attachments": attachments} if attachments else without
