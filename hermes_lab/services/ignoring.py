"""What a diff leaves out: nbdime's switches, and its `Ignore` of paths and keys.

What is ignored is taken from base before anything is compared. A diff with that is one that leaves it out, in
words and in operations alike. Pure functions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hermes_lab.engines.text_hunks import edits
from hermes_lab.model.values import JsonObject, Notebook
from hermes_lab.services.cell_alignment import Alignment, align

_CELL, _OUTPUTS, _OUTPUT = "/cells/*", "/cells/*/outputs", "/cells/*/outputs/*"
SWITCHES: Mapping[str, Mapping[str, bool | Sequence[str]]] = {
    "sources": {f"{_CELL}/source": True},
    "outputs": {_OUTPUTS: True},
    "attachments": {f"{_CELL}/attachments": True},
    "metadata": {"/metadata": True, f"{_CELL}/metadata": True, f"{_OUTPUT}/metadata": True},
    "id": {f"{_CELL}/id": True},
    "details": {_CELL: ["execution_count"], _OUTPUT: ["execution_count"]},
}
"""What each of nbdime's switches ignores when it is off."""
_METADATA = ("/metadata", f"{_CELL}/metadata", f"{_OUTPUT}/metadata")
_OBJECTS = frozenset({*_METADATA, _CELL, f"{_CELL}/attachments", _OUTPUT, f"{_OUTPUT}/data"})
_OTHERS = frozenset(
    {"/cells", _OUTPUTS}
    | {f"{_CELL}/{name}" for name in ("source", "id", "execution_count")}
    | {f"{_OUTPUT}/{name}" for name in ("execution_count", "text", "name", "ename", "evalue", "traceback")}
)
_OF_ONE_TYPE = frozenset({"outputs", "execution_count", "attachments"})
"""Fields that cells of one type have and cells of another do not."""


def is_path(path: str) -> bool:
    """Whether there is such a place in notebooks: one that the format names, or any below metadata."""
    return path in _OBJECTS or path in _OTHERS or path.startswith(tuple(f"{each}/" for each in _METADATA))


def has_keys(path: str) -> bool:
    """Whether what is at a path may be an object, of which single keys can be ignored."""
    return path not in _OTHERS


@dataclass(frozen=True)
class Ignored:
    """The paths that are ignored whole, and those of whose objects some keys are."""

    whole: frozenset[str] = frozenset()
    keys: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, switched_off: Iterable[str], ignore: Mapping[str, bool | Sequence[str]]) -> Ignored:
        """By the names of switches that are off, and nbdime's `Ignore`: true ignores a path, keys are ignored in
        addition, and false compares what a switch would ignore."""
        whole: set[str] = set()
        keys: dict[str, frozenset[str]] = {}
        for mapping in [*(SWITCHES[name] for name in switched_off), ignore]:
            for path, what in mapping.items():
                if what is True:
                    whole.add(path)
                elif what is False:
                    whole.discard(path)
                    keys.pop(path, None)
                else:
                    keys[path] = keys.get(path, frozenset()).union(what)
        return cls(frozenset(whole), keys)

    def __bool__(self) -> bool:
        return bool(self.whole or self.keys)

    def applied(self, base: Notebook, remote: Notebook, alignment: Alignment) -> tuple[Notebook, Alignment]:
        """Remote with what is ignored as base has it, and how its cells are aligned."""
        if not self:
            return remote, alignment
        metadata = self._value("/metadata", base["metadata"], remote["metadata"])
        if "/cells" in self.whole:
            return {**remote, "metadata": metadata, "cells": base["cells"]}, align(base["cells"], base["cells"])
        cells = [
            cell if i is None else self._cell(base["cells"][i], cell)
            for i, cell in zip(alignment.base_of, remote["cells"], strict=True)
        ]
        return {**remote, "metadata": metadata, "cells": cells}, alignment

    @cached_property
    def _inner(self) -> frozenset[str]:
        """The paths below which something is ignored, each with its own."""
        found: set[str] = set()
        for path in {*self.whole, *self.keys}:
            steps = path.split("/")
            found.update("/".join(steps[:count]) for count in range(1, len(steps) + 1))
        return frozenset(found)

    def _cell(self, base: JsonObject, remote: JsonObject) -> JsonObject:
        if base["cell_type"] == remote["cell_type"]:
            return self._object(_CELL, base, remote)
        # It keeps its type, and what belongs to that type.
        own = {key: remote[key] for key in _OF_ONE_TYPE if key in remote}
        merged = {key: value for key, value in self._object(_CELL, base, remote).items() if key not in _OF_ONE_TYPE}
        return {**merged, **own, "cell_type": remote["cell_type"]}

    def _value(self, path: str, base: Any, remote: Any) -> Any:
        if path in self.whole:
            return base
        if path not in self._inner:
            return remote
        if isinstance(base, dict) and isinstance(remote, dict):
            return self._object(path, base, remote)
        if isinstance(base, list) and isinstance(remote, list) and path == _OUTPUTS:
            return self._outputs(base, remote)
        return remote

    def _object(self, path: str, base: JsonObject, remote: JsonObject) -> JsonObject:
        if path in self.whole:
            return base
        ignored = self._ignored_keys(path, [*base, *remote])
        merged = {}
        for key, value in remote.items():
            if key not in ignored:
                merged[key] = self._value(f"{path}/{key}", base[key], value) if key in base else value
        return merged | {key: base[key] for key in ignored if key in base}

    def _outputs(self, base: list[JsonObject], remote: list[JsonObject]) -> list[JsonObject]:
        merged = list(remote)
        for i, j in self._pairs(base, remote):
            if base[i]["output_type"] == remote[j]["output_type"]:
                merged[j] = self._object(_OUTPUT, base[i], remote[j])
        return merged

    def _pairs(self, base: list[JsonObject], remote: list[JsonObject]) -> Iterable[tuple[int, int]]:
        """Outputs that are the same but for what is ignored, and those in the same place between them."""
        compared = [[self._compared(_OUTPUT, output) for output in side] for side in (base, remote)]
        i = j = 0
        for first, last, other_first, other_last in [*edits(*compared), (len(base), 0, len(remote), 0)]:
            yield from zip(range(i, first), range(j, other_first), strict=True)
            yield from zip(range(first, last), range(other_first, other_last), strict=False)
            i, j = last, other_last

    def _compared(self, path: str, value: JsonObject) -> str:
        return json.dumps(self._without(path, value), sort_keys=True)

    def _without(self, path: str, value: Any) -> Any:
        if not isinstance(value, dict) or path not in self._inner:
            return value
        ignored = self._ignored_keys(path, value)
        return {key: self._without(f"{path}/{key}", inner) for key, inner in value.items() if key not in ignored}

    def _ignored_keys(self, path: str, keys: Collection[str]) -> set[str]:
        """Those of the keys of an object that are ignored, by their name or by their path."""
        named = self.keys.get(path, frozenset())
        return {key for key in keys if key in named or f"{path}/{key}" in self.whole}


NOTHING = Ignored()
"""Everything is compared."""
