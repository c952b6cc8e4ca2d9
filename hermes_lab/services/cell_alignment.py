"""Which cells of two notebooks are the same cell.

First by cell id, then by equal source, then by similar source (an editor may have renamed the ids), so that
the work grows linearly with the number of cells. Pure functions.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from hermes_lab.model.payload import JsonObject

_TOKEN = re.compile(r"\w+|[^\w\s]")
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
        kept = longest_increasing([base for _, base in matched])
        return frozenset(remote for place, (remote, _) in enumerate(matched) if place not in kept)


def align(base: Cells, remote: Cells) -> Alignment:
    """Pair the cells of two lists; ids are expected to be unique within each list."""
    base_of: dict[int, int] = {}
    _pair_in_order(base, remote, base_of, base_key=lambda i: base[i]["id"], remote_key=lambda j: remote[j]["id"])
    if len(base_of) < min(len(base), len(remote)):
        _pair_equal_sources(base, remote, base_of)
        _pair_similar_sources(base, remote, base_of)
    remote_of = {i: j for j, i in base_of.items()}
    return Alignment(
        tuple(base_of.get(j) for j in range(len(remote))), tuple(remote_of.get(i) for i in range(len(base)))
    )


def longest_increasing(numbers: Sequence[int]) -> frozenset[int]:
    """The places of a longest increasing subsequence of distinct numbers, in n log n (patience sorting)."""
    tails: list[int] = []
    places: list[int] = []
    before: list[int | None] = []
    for place, number in enumerate(numbers):
        length = bisect_left(tails, number)
        before.append(places[length - 1] if length else None)
        tails[length : length + 1] = [number]
        places[length : length + 1] = [place]
    chain: list[int] = []
    last = places[-1] if places else None
    while last is not None:
        chain.append(last)
        last = before[last]
    return frozenset(chain)


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
    base_tokens = {i: _tokens(base[i]) for i in free_base}
    remote_tokens = {j: _tokens(remote[j]) for j in free_remote}
    in_place = _neighbours(base, remote, base_of)
    elsewhere = _sharing_rare_tokens(base_tokens, remote_tokens)
    scored = []
    for j in free_remote:
        for i in {*in_place[j], *elsewhere[j]}:
            likeness = _likeness(base_tokens[i], remote_tokens[j])
            enough = _SIMILAR_IN_PLACE if i in in_place[j] else _SIMILAR_ELSEWHERE
            if base[i]["cell_type"] == remote[j]["cell_type"] and likeness >= enough:
                scored.append((-likeness, abs(i - j), j, i))
    taken: set[int] = set()
    for _, _, j, i in sorted(scored):
        if j not in base_of and i not in taken:
            base_of[j] = i
            taken.add(i)


def _tokens(cell: JsonObject) -> Counter[str]:
    return Counter(_TOKEN.findall(cell["source"]))


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    """Dice's coefficient over words and signs: 0 for nothing in common, 1 for the same ones."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


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
    for i, tokens in base_tokens.items():
        for token in tokens:
            owners[token].append(i)
    sharing: dict[int, list[int]] = {}
    for j, tokens in remote_tokens.items():
        votes: Counter[int] = Counter()
        if tokens.total() >= _FEWEST_TOKENS_ELSEWHERE:
            for token in tokens:
                having = owners.get(token, [])
                if len(having) <= _RARE:
                    votes.update(having)
        sharing[j] = [i for i, _ in votes.most_common(_MOST_CANDIDATES)]
    return sharing
