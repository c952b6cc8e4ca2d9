"""nbdime: the differences inside matched cells, as its diff operations (JEP 8), and what it takes for noise.

The one home of nbdime.

Which cells match is decided by the caller: nbdime's own alignment grows with the square of the number of
cells (measured: 300 cells that all differ take 16 s). nbdime is imported where it is used: it costs 1.4 s.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from hermes_lab.model.payload import JsonObject, Notebook

_CELL = "/cells/*"
_TEXT = ("text/", "image/svg+xml", "application/javascript")


def diff_ops(base: Notebook, remote: Notebook, pairs: Sequence[tuple[int, int]]) -> list[JsonObject]:
    """The operations with which ``nbdime.patching.patch`` makes remote of base.

    ``pairs`` are the matched cells as (index in base, index in remote), both increasing; all other cells are
    removed and added.
    """
    from nbdime.diff_format import MappingDiffBuilder
    from nbdime.diffing.generic import diff

    ops = MappingDiffBuilder()
    for op in diff(_without_cells(base), _without_cells(remote)):
        ops.append(op)
    ops.patch("cells", _cells_ops(base["cells"], remote["cells"], pairs))
    built: list[JsonObject] = ops.validated()
    return built


@cache
def transient_cell_metadata() -> frozenset[str]:
    """The keys of a cell's metadata that nbdime's merge takes for noise: how the cell is shown, not what it is."""
    from nbdime.merging.notebooks import notebook_merge_strategies

    below = f"{_CELL}/metadata/"
    return frozenset(
        path.removeprefix(below) for path in notebook_merge_strategies(None).transients if path.startswith(below)
    )


def _without_cells(notebook: Notebook) -> JsonObject:
    return {key: value for key, value in notebook.items() if key != "cells"}


def _cells_ops(
    base: Sequence[JsonObject], remote: Sequence[JsonObject], pairs: Sequence[tuple[int, int]]
) -> list[JsonObject]:
    from nbdime.diff_format import SequenceDiffBuilder
    from nbdime.diffing.generic import diff

    config = _cell_config()
    ops = SequenceDiffBuilder()
    i = j = 0
    for next_i, next_j in [*pairs, (len(base), len(remote))]:
        ops.addrange(i, list(remote[j:next_j]))
        ops.removerange(i, next_i - i)
        if next_i < len(base) and base[next_i] != remote[next_j]:
            ops.patch(next_i, diff(base[next_i], remote[next_j], path=_CELL, config=config))
        i, j = next_i + 1, next_j + 1
    built: list[JsonObject] = ops.validated()
    return built


def _cell_config() -> Any:
    """How nbdime compares the parts of a cell.

    nbdime's own configuration is one object for the whole process, and its server extension changes it by
    what the user ignores; operations made with it could leave something out.
    """
    from nbdime.diffing.config import DiffConfig
    from nbdime.diffing.generic import diff, diff_sequence_multilevel
    from nbdime.diffing.notebooks import compare_output_approximate, compare_output_strict

    predicates = _ByPath([operator.eq])
    predicates[f"{_CELL}/outputs"] = [compare_output_approximate, compare_output_strict]
    differs = _ByPath(diff)
    differs[f"{_CELL}/outputs"] = diff_sequence_multilevel
    differs[f"{_CELL}/outputs/*/data"] = _bundle_ops
    differs[f"{_CELL}/attachments"] = _attachments_ops
    return DiffConfig(predicates=predicates, differs=differs, atomic_paths={f"{_CELL}/id": True})


class _ByPath(dict[str, Any]):
    """Rules by path, with a default that is not remembered.

    nbdime's own mapping stores the default at each look-up, and nbdime refuses a path that was a list in one
    cell and an object in another ("Found predicate(s) for path").
    """

    def __init__(self, default: Any) -> None:
        super().__init__()
        self._default = default

    def __missing__(self, path: str) -> Any:
        return self._default


def _attachments_ops(base: JsonObject, remote: JsonObject, **_: Any) -> list[JsonObject]:
    """The operations between the attachments of two cells, by name."""

    def change(ops: Any, name: str) -> None:
        ops.patch(name, _bundle_ops(base[name], remote[name]))

    return _mapping_ops(base, remote, change)


def _bundle_ops(base: JsonObject, remote: JsonObject, **_: Any) -> list[JsonObject]:
    """The operations between two MIME bundles; text is compared by lines, all else is replaced whole."""
    from nbdime.diffing.generic import diff

    def change(ops: Any, mime: str) -> None:
        if _is_text(mime, base[mime]) and _is_text(mime, remote[mime]):
            ops.patch(mime, diff(base[mime], remote[mime]))
        else:
            ops.replace(mime, remote[mime])

    return _mapping_ops(base, remote, change)


def _mapping_ops(base: JsonObject, remote: JsonObject, change: Callable[[Any, str], None]) -> list[JsonObject]:
    from nbdime.diff_format import MappingDiffBuilder

    ops = MappingDiffBuilder()
    for key in sorted({*base, *remote}):
        if key not in remote:
            ops.remove(key)
        elif key not in base:
            ops.add(key, remote[key])
        elif base[key] != remote[key]:
            change(ops, key)
    built: list[JsonObject] = ops.validated()
    return built


def _is_text(mime: str, value: Any) -> bool:
    return isinstance(value, str) and mime.lower().startswith(_TEXT)
