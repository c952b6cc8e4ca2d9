"""Which cells of a document are which cells of a proposal and of its base. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from hermes_lab.model.payload import JsonObject
from hermes_lab.services.cell_alignment import Alignment, align


class CellKey(NamedTuple):
    """A cell across the three notebooks: by its index in base, else in remote, else in local."""

    side: str
    number: int


def proposed_keys(proposed: Alignment) -> list[CellKey]:
    """The cells of remote."""
    return [CellKey("remote", j) if i is None else CellKey("base", i) for j, i in enumerate(proposed.base_of)]


def local_keys(
    base: Sequence[JsonObject], local: Sequence[JsonObject], remote: Sequence[JsonObject], proposed: Alignment
) -> list[CellKey]:
    """The cells of local.

    Ids are trusted: an editor keeps them, and a cell with an id of the proposal is the proposed one, merged earlier or
    taken over by hand. A cell with another id is a cell of base that local has not by its id, where their contents
    say so, or what the proposal makes of it does.
    """
    ids = {cell["id"] for cell in local}
    known = {
        remote[j]["id"]: key
        for j, key in enumerate(proposed_keys(proposed))
        if key.side == "remote" or base[key.number]["id"] not in ids
    }
    known |= {cell["id"]: CellKey("base", i) for i, cell in enumerate(base)}
    keys = [known.get(cell["id"]) or CellKey("local", k) for k, cell in enumerate(local)]
    strangers = [k for k, key in enumerate(keys) if key.side == "local"]
    here = set(keys)
    missing = [i for i in range(len(base)) if CellKey("base", i) not in here]
    if not strangers or not missing:
        return keys
    for by_index in (dict(enumerate(base)), {i: remote[j] for j, i in enumerate(proposed.base_of) if i is not None}):
        looked_for = [i for i in missing if i in by_index]
        pairs = _paired([by_index[i] for i in looked_for], [local[k] for k in strangers])
        for i, k in [(looked_for[i], strangers[k]) for i, k in pairs]:
            keys[k] = CellKey("base", i)
            missing.remove(i)
            strangers.remove(k)
    return keys


def _paired(cells: Sequence[JsonObject], others: Sequence[JsonObject]) -> Iterable[tuple[int, int]]:
    """Pairs by content, without cells of which there are several: which of them is which would be a guess."""
    repeated = _repeated(cells) | _repeated(others)
    for k, i in enumerate(align(cells, others).base_of):
        if i is not None and repeated.isdisjoint((_content(cells[i]), _content(others[k]))):
            yield i, k


def _repeated(cells: Iterable[JsonObject]) -> frozenset[Hashable]:
    return frozenset(content for content, count in Counter(map(_content, cells)).items() if count > 1)


def _content(cell: JsonObject) -> Hashable:
    return cell["cell_type"], cell["source"]
