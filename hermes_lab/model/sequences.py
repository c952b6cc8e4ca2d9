"""What is true of sequences of numbers, whatever they count."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def longest_increasing(numbers: Sequence[int]) -> frozenset[int]:
    """The places of a longest increasing subsequence of distinct numbers, in n log n (patience sorting)."""
    tails: list[int] = []
    places: list[int] = []
    before: list[int | None] = []
    for place, number in enumerate(numbers):
        length = len(tails) if not tails or number > tails[-1] else bisect_left(tails, number)
        before.append(places[length - 1] if length else None)
        tails[length : length + 1] = [number]
        places[length : length + 1] = [place]
    chain: list[int] = []
    last = places[-1] if places else None
    while last is not None:
        chain.append(last)
        last = before[last]
    return frozenset(chain)
