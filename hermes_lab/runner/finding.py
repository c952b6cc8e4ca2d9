"""Finding texts in another text: the one that comes first, and of those that do the longest; however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

_FEW = 64
"""So many texts are found fastest by looking for each of them by itself."""
_SAMPLES = ((32, 8), (16, 8), (8, 6), (4, 4), (1, 1))
"""Texts of at least so many characters are told from samples of so many."""
_KNOWN_BY = 4
"""Characters by which the texts are found that begin with them."""
_LIKELY_ALL = 64
"""Characters that hardly two texts begin with."""

Found = tuple[int, str]
"""Where a text begins, and which one it is."""


class Finder:
    """Finds ``texts``, of which none is empty."""

    def __init__(self, texts: Collection[str]) -> None:
        self._texts = texts
        self._telling: tuple[str, ...] = ()
        self._sampled: tuple[_Sampled, ...] = ()
        if len(texts) <= _FEW:
            # Where there is a longer text there is the one inside it: to look for that is enough.
            self._telling = tuple(each for each in texts if not any(o != each and o in each for o in texts))
        else:
            self._sampled = tuple(_by_length(texts))

    def found(self, text: str) -> Iterable[Found]:
        """What is in the text, from its beginning on; no two overlap."""
        if self._sampled:
            return self._from_samples(text)
        # Nearly always there is none, and to find that out a plain search is many times faster.
        return self._one_by_one(text) if any(each in text for each in self._telling) else ()

    def _one_by_one(self, text: str) -> Iterator[Found]:
        ahead = {each: start for each in self._texts if (start := text.find(each)) >= 0}
        while ahead:
            start, length = min((start, -len(each)) for each, start in ahead.items())
            end = start - length
            yield start, text[start:end]
            for each in [each for each, start in ahead.items() if start < end]:
                ahead[each] = text.find(each, end)
                if ahead[each] < 0:
                    del ahead[each]

    def _from_samples(self, text: str) -> Iterator[Found]:
        everywhere = {found for sampled in self._sampled for found in sampled.found(text)}
        end = 0
        for start, each in sorted(everywhere, key=lambda found: (found[0], -len(found[1]))):
            if start >= end:
                yield start, each
                end = start + len(each)


class Beginnings:
    """Knows where the end of a text may be the beginning of one of ``texts``, of which the rest may follow."""

    def __init__(self, texts: Collection[str]) -> None:
        self._longest = max(map(len, texts), default=0)
        self._characters = {each[0] for each in texts}
        self._short = {each[:size] for each in texts for size in range(1, min(len(each), _KNOWN_BY))}
        self._by_beginning: defaultdict[str, list[str]] = defaultdict(list)
        for each in texts:
            self._by_beginning[each[:_KNOWN_BY]].append(each)

    def one_at_the_end_of(self, text: str, at: int) -> int:
        """Where from ``at`` on one begins that is not all there; the end of the text, where none does."""
        size = len(text)
        for start in range(max(at, size - self._longest + 1), size):
            if text[start] in self._characters and self._is_one(text, start):
                return start
        return size

    def _is_one(self, text: str, start: int) -> bool:
        beginning = text[start : start + _KNOWN_BY]
        if len(beginning) < _KNOWN_BY:
            return beginning in self._short
        known = self._by_beginning.get(beginning, ())
        rest = len(text) - start
        # What is long differs early, and is compared as a whole where it does not.
        more = text[start : start + _LIKELY_ALL]
        return any(len(each) > rest and each.startswith(more) and text.endswith(each[:rest]) for each in known)


class _Sampled:
    """Texts of at least ``shortest`` characters. Wherever one is, the first sample that begins in it is one of a few of
    its own: to look at every so many characters of another text is enough, however many texts are looked for."""

    def __init__(self, texts: Iterable[str], shortest: int, size: int) -> None:
        self._size = size
        self._every = shortest - size + 1
        self._at: defaultdict[str, list[Found]] = defaultdict(list)
        for each in texts:
            for offset in range(self._every):
                self._at[each[offset : offset + size]].append((offset, each))

    def found(self, text: str) -> Iterator[Found]:
        """Every occurrence, in no order."""
        size, known = self._size, self._at
        places = range(0, len(text) - size + 1, self._every)
        samples = [text[place : place + size] for place in places]
        if known.keys().isdisjoint(samples):
            return
        for place, sample in zip(places, samples, strict=True):
            for offset, each in known.get(sample, ()):
                if offset <= place and text.startswith(each, place - offset):
                    yield place - offset, each


def _by_length(texts: Collection[str]) -> Iterator[_Sampled]:
    left = set(texts)
    for shortest, size in _SAMPLES:
        if long := {each for each in left if len(each) >= shortest}:
            left -= long
            yield _Sampled(long, shortest, size)
