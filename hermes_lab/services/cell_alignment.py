"""Which cells of two notebooks are the same cell.

First by cell id, where the sources do not say that ids were given anew; then by equal source, then by similar
source (an editor may have renamed the ids), so that the work grows linearly with the number of cells. Pure functions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import lt

from hermes_lab.engines.notebook_shape import counted_ids, made_id
from hermes_lab.model.sequences import longest_increasing
from hermes_lab.model.values import JsonObject, Notebook
from hermes_lab.services.reassigned_ids import correct_reassigned_ids
from hermes_lab.services.source_likeness import likeness, tokens

_SIMILAR_IN_PLACE = 0.6
"""Least likeness (0 to 1) of two sources that stand in the same place to be the same cell."""
_SIMILAR_ELSEWHERE = 0.75
"""The same for sources in different places, where chance likeness is more probable."""
_FEWEST_TOKENS_ELSEWHERE = 6
_RARE = 8
"""A token in more base cells than this says nothing about which cell it is."""
_MOST_CANDIDATES = 4

Cells = Sequence[JsonObject]


@dataclass(frozen=True)
class Alignment:
    """Pairs of cells, as indices into two lists; a cell without a partner has None."""

    base_of: tuple[int | None, ...]
    """By remote index: the index of the same cell in base."""
    remote_of: tuple[int | None, ...]
    """By base index: the index of the same cell in remote."""

    @cached_property
    def moved(self) -> frozenset[int]:
        """Remote indices of the fewest cells whose moving explains the new order."""
        matched = [(remote, base) for remote, base in enumerate(self.base_of) if base is not None]
        order = [base for _, base in matched]
        if all(map(lt, order, order[1:])):
            return frozenset()
        kept = longest_increasing(order)
        return frozenset(remote for place, (remote, _) in enumerate(matched) if place not in kept)


def align(base: Cells, remote: Cells) -> Alignment:
    """Pair the cells of two lists; ids are expected to be unique within each list."""
    base_of = _with_equal_ids(base, remote)
    _part_counted_ids(base, remote, base_of)
    correct_reassigned_ids(base, remote, base_of)
    if len(base_of) < min(len(base), len(remote)):
        _pair_equal_sources(base, remote, base_of)
        _pair_similar_sources(base, remote, base_of)
    remote_of = {i: j for j, i in base_of.items()}
    return Alignment(tuple(map(base_of.get, range(len(remote)))), tuple(map(remote_of.get, range(len(base)))))


def ids_of_insertions(base: Cells, remote: Cells, alignment: Alignment) -> dict[int, str]:
    """By remote index, the id by which each inserted cell is known.

    It is the cell's own, unless whoever wrote remote gave it an id that in base is another cell's.
    """
    inserted = [j for j, i in enumerate(alignment.base_of) if i is None]
    if not inserted:
        return {}
    taken = {cell["id"] for cell in base}
    known = {j: str(remote[j]["id"]) for j in inserted}
    clashing = [j for j in inserted if known[j] in taken]
    if clashing:
        taken.update(cell["id"] for cell in remote)
        for j in clashing:
            known[j] = made_id(f"{remote[j]['id']}\n{remote[j]['source']}", taken)
            taken.add(known[j])
    return known


def with_ids_of_insertions(base: Notebook, remote: Notebook, alignment: Alignment) -> Notebook:
    """Remote, in which each inserted cell has the id by which it is known."""
    known = ids_of_insertions(base["cells"], remote["cells"], alignment)
    if all(remote["cells"][j]["id"] == cell_id for j, cell_id in known.items()):
        return remote
    cells = [
        {**cell, "id": known[j]} if known.get(j, cell["id"]) != cell["id"] else cell
        for j, cell in enumerate(remote["cells"])
    ]
    return {**remote, "cells": cells}


def _with_equal_ids(base: Cells, remote: Cells) -> dict[int, int]:
    by_id = {cell["id"]: i for i, cell in enumerate(base)}
    return {j: by_id[cell["id"]] for j, cell in enumerate(remote) if cell["id"] in by_id}


def _part_counted_ids(base: Cells, remote: Cells, base_of: dict[int, int]) -> None:
    """Undo pairs of cells whose ids only count equal sources.

    A file without ids gets ids made of sources, the first of equal ones another than the second. When one more
    is inserted above, the counting shifts: where one side has more of them, equal ids do not say which it has more.
    """
    if all(len({cell["source"] for cell in side}) == len(side) for side in (base, remote)):
        return
    ids, others = _ids_by_source(base), _ids_by_source(remote)
    counted = {
        source
        for source in ids.keys() & others.keys()
        if len(ids[source]) != len(others[source])
        and all(found == counted_ids(source, len(found)) for found in (ids[source], others[source]))
    }
    for j in [j for j in base_of if remote[j]["source"] in counted]:
        del base_of[j]


def _ids_by_source(cells: Cells) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        found[cell["source"]].add(cell["id"])
    return found


def _free(base: Cells, remote: Cells, base_of: dict[int, int]) -> tuple[list[int], list[int]]:
    taken = set(base_of.values())
    return [i for i in range(len(base)) if i not in taken], [j for j in range(len(remote)) if j not in base_of]


def _pair_in_order(
    base: Cells,
    remote: Cells,
    base_of: dict[int, int],
    *,
    base_key: Callable[[int], Hashable],
    remote_key: Callable[[int], Hashable],
    only_unique: bool = False,
) -> None:
    """Pair free cells whose keys are equal: the first with the first, the second with the second."""
    free_base, free_remote = _free(base, remote, base_of)
    by_key = _grouped(free_base, base_key)
    for key, remotes in _grouped(free_remote, remote_key).items():
        bases = by_key.get(key, [])
        if not only_unique or (len(bases) == 1 and len(remotes) == 1):
            base_of.update(zip(remotes, bases, strict=False))


def _grouped(indices: Iterable[int], key: Callable[[int], Hashable]) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index in indices:
        groups[key(index)].append(index)
    return groups


def _pair_equal_sources(base: Cells, remote: Cells, base_of: dict[int, int]) -> None:
    """Sources that occur once are certain; repeated ones pair within the same place first, then in order."""

    def content(cell: JsonObject) -> Hashable:
        return cell["cell_type"], cell["source"]

    def pair(base_key: Callable[[int], Hashable], remote_key: Callable[[int], Hashable], unique: bool) -> None:
        _pair_in_order(base, remote, base_of, base_key=base_key, remote_key=remote_key, only_unique=unique)

    pair(lambda i: content(base[i]), lambda j: content(remote[j]), True)
    base_place, remote_place = _places(base, remote, base_of)
    pair(lambda i: (base_place[i], content(base[i])), lambda j: (remote_place[j], content(remote[j])), False)
    pair(lambda i: content(base[i]), lambda j: content(remote[j]), False)


def _places(base: Cells, remote: Cells, base_of: dict[int, int]) -> tuple[list[int], list[int]]:
    """For each cell its place: the base index of the paired cell that it follows, -1 at the start."""
    taken = set(base_of.values())
    base_place, remote_place = [], []
    place = -1
    for i in range(len(base)):
        place = i if i in taken else place
        base_place.append(place)
    place = -1
    for j in range(len(remote)):
        place = base_of.get(j, place)
        remote_place.append(place)
    return base_place, remote_place


def _pair_similar_sources(base: Cells, remote: Cells, base_of: dict[int, int]) -> None:
    """Pair the most similar first. A cell's candidates are few: those in its place or with its rare words."""
    free_base, free_remote = _free(base, remote, base_of)
    if not free_base or not free_remote:
        return
    base_tokens = {i: tokens(base[i]) for i in free_base}
    remote_tokens = {j: tokens(remote[j]) for j in free_remote}
    in_place = _neighbours(base, remote, base_of)
    elsewhere = _sharing_rare_tokens(base_tokens, remote_tokens)
    scored = []
    for j in free_remote:
        for i in {*in_place[j], *elsewhere[j]}:
            alike = likeness(base_tokens[i], remote_tokens[j])
            enough = _SIMILAR_IN_PLACE if i in in_place[j] else _SIMILAR_ELSEWHERE
            if base[i]["cell_type"] == remote[j]["cell_type"] and alike >= enough:
                scored.append((-alike, abs(i - j), j, i))
    taken: set[int] = set()
    for _, _, j, i in sorted(scored):
        if j not in base_of and i not in taken:
            base_of[j] = i
            taken.add(i)


def _neighbours(base: Cells, remote: Cells, base_of: dict[int, int]) -> dict[int, set[int]]:
    """For each free remote cell the free base cells of its place that stand about as far into it."""
    free_base, free_remote = _free(base, remote, base_of)
    base_place, remote_place = _places(base, remote, base_of)
    bases = _grouped(free_base, lambda i: base_place[i])
    near: dict[int, set[int]] = {}
    for place, remotes in _grouped(free_remote, lambda j: remote_place[j]).items():
        here = bases.get(place, [])
        for position, j in enumerate(remotes):
            near[j] = set(here[max(0, position - 2) : position + 3])
    return near


def _sharing_rare_tokens(
    base_tokens: dict[int, Counter[str]], remote_tokens: dict[int, Counter[str]]
) -> dict[int, list[int]]:
    owners: dict[str, list[int]] = defaultdict(list)
    for i, words in base_tokens.items():
        for token in words:
            owners[token].append(i)
    sharing: dict[int, list[int]] = {}
    for j, words in remote_tokens.items():
        votes: Counter[int] = Counter()
        if words.total() >= _FEWEST_TOKENS_ELSEWHERE:
            for token in words:
                having = owners.get(token, [])
                if len(having) <= _RARE:
                    votes.update(having)
        sharing[j] = [i for i, _ in votes.most_common(_MOST_CANDIDATES)]
    return sharing
