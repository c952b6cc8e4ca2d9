"""Taking turns: ours and the incumbent's measurements follow each other, so that a busy machine is busy for both."""

from __future__ import annotations

from collections.abc import Callable

Turn = Callable[[], float]


def interleaved(repetitions: int, *turns: Turn, rehearsed: bool = True) -> list[list[float]]:
    """What each of them measures in each round.

    ``rehearsed``: a round before, which does not count, compiles byte code and fills caches.
    """
    if rehearsed:
        for turn in turns:
            turn()
    rounds = [[turn() for turn in turns] for _ in range(repetitions)]
    return [list(measured) for measured in zip(*rounds, strict=True)]
