"""Where accepted cells go in a document that may have changed. Pure functions.

A cell is placed after the cell that it follows in the proposal, or after the nearest earlier one that is there; if
that is because local deleted cells, after what local has in their place.
Only cells that stand in the proposal's order count for that: a cell whose move is not accepted is no landmark.
So the result is the same whether changes are accepted at once or one after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Landmarks(Generic[Key]):
    """For each cell of a notebook the nearest landmark before it; None at the start."""

    before: dict[Key, Key | None] = field(default_factory=dict)

    @classmethod
    def in_order(cls, order: Iterable[Key], landmarks: Collection[Key]) -> Landmarks[Key]:
        """Walk the cells of one notebook, given in its order."""
        found: dict[Key, Key | None] = {}
        last: Key | None = None
        for key in order:
            found[key] = last
            last = key if key in landmarks else last
        return cls(found)


def place(
    order: Sequence[Key], wanted: Sequence[Key], landmarks: Collection[Key], placing: Collection[Key]
) -> list[Key]:
    """``order`` with the cells of ``placing`` where ``wanted``, the proposal's order, has them.

    ``landmarks`` are cells that stand in the same order in base and in the proposal.
    """
    staying = [key for key in order if key not in placing]
    present = set(staying)
    present_landmarks = {key for key in landmarks if key in present}
    here = Landmarks.in_order(staying, present_landmarks).before
    there = Landmarks.in_order(wanted, present_landmarks).before
    following: dict[Key | None, list[Key]] = {}
    in_place_of_deleted: dict[Key | None, list[Key]] = {}
    anchor: Key | None = None
    target = following
    for key in wanted:
        if key in placing:
            target.setdefault(anchor, []).append(key)
        elif key in present_landmarks or (key in present and here[key] == there[key]):
            anchor, target = key, following
        elif key in landmarks:
            target = in_place_of_deleted
    proposed = set(wanted)
    placed = following.get(None, []).copy()
    last: Key | None = None
    for key in staying:
        if key in proposed:
            placed += in_place_of_deleted.get(last, [])
            last = key
        placed += [key, *following.get(key, [])]
    return [*placed, *in_place_of_deleted.get(last, [])]
