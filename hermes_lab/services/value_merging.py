"""The three-way merge of JSON objects: metadata of cells and notebooks, attachments. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hermes_lab.model.decisions import Resolution
from hermes_lab.model.payload import JsonObject
from hermes_lab.model.values import same
from hermes_lab.services.line_merging import merge_lines, merge_texts

_ABSENT = object()
"""Stands for the value of a key that an object has not."""


@dataclass(frozen=True)
class MergedObject:
    """The merged object, which is local itself where nothing changed it, and the keys in which the sides overlap."""

    value: JsonObject
    overlapping: list[str]


def merge_objects(
    base: JsonObject,
    local: JsonObject,
    remote: JsonObject,
    keys: Iterable[str],
    resolution: Resolution | None = None,
    noise: Callable[[], Collection[str]] = frozenset,
) -> MergedObject:
    """Local with these keys as remote has them; what both changed is merged as deep as it goes.

    Objects are merged key by key, texts by lines, lists by items. Where the sides overlap, ``resolution`` chooses;
    without one, local stands. Keys of ``noise``, asked for only then, never overlap: as in nbdime what one side
    removed is gone, and of two values local's is as good as any.
    """
    values: JsonObject = {}
    overlapping: list[str] = []
    for key in keys:
        was, ours, theirs = (side.get(key, _ABSENT) for side in (base, local, remote))
        value, overlaps = _merged(was, ours, theirs, resolution, is_set=key == "tags")
        if overlaps and key in noise():
            value = _ABSENT if theirs is _ABSENT else ours
        elif overlaps:
            overlapping.append(key)
        if value is not ours:
            values[key] = value
    if not values:
        return MergedObject(local, overlapping)
    kept = {key: value for key, value in local.items() if key not in values}
    return MergedObject(kept | {k: value for k, value in values.items() if value is not _ABSENT}, overlapping)


def _merged(base: Any, local: Any, remote: Any, resolution: Resolution | None, *, is_set: bool) -> tuple[Any, bool]:
    if _same(remote, base) or _same(remote, local):
        return local, False
    if _same(local, base):
        return remote, False
    if isinstance(local, dict) and isinstance(remote, dict):
        was = base if isinstance(base, dict) else {}
        inner = merge_objects(was, local, remote, sorted({*was, *remote}), resolution)
        return inner.value, bool(inner.overlapping)
    if isinstance(local, list) and isinstance(remote, list):
        return _merged_lists(base if isinstance(base, list) else [], local, remote, resolution, is_set=is_set)
    if isinstance(base, str) and isinstance(local, str) and isinstance(remote, str):
        text = merge_texts(base, local, remote, resolution)
        return text.text, text.overlaps
    return (remote if resolution in {"remote", "edited"} else local), True


def _same(one: Any, other: Any) -> bool:
    return one is other if _ABSENT in (one, other) else same(one, other)


def _merged_lists(
    base: Sequence[Any], local: Sequence[Any], remote: Sequence[Any], resolution: Resolution | None, *, is_set: bool
) -> tuple[list[Any], bool]:
    """Items are compared as JSON: unlike in Python, true is not 1."""
    written: dict[str, Any] = {}
    was, ours, theirs = ([_written(item, written) for item in side] for side in (base, local, remote))
    merged, overlaps = merge_lines(was, ours, theirs, resolution)
    if is_set and (overlaps or len(set(merged)) < len(merged)):
        # The order of tags means nothing and none occurs twice.
        kept = [tag for tag in ours if tag in theirs or tag not in was]
        merged, overlaps = [*kept, *(tag for tag in theirs if tag not in was and tag not in kept)], False
    return [written[item] for item in merged], overlaps


def _written(item: Any, written: dict[str, Any]) -> str:
    text = json.dumps(item, sort_keys=True)
    written.setdefault(text, item)
    return text
