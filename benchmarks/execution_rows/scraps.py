"""Reading the scraps of a folder of notebooks."""

from __future__ import annotations

from benchmarks.figures import Figure, at_most
from benchmarks.notebooks import glued
from benchmarks.place import Driver, Place
from benchmarks.turns import interleaved

_NOTEBOOKS = 100


def measure(place: Place, repetitions: int) -> list[Figure]:
    """The time for it, without that of importing anything."""
    folder = str(glued(place.folder / "glued", _NOTEBOOKS))
    hermes, incumbent = place.hermes(), place.incumbent()
    ours, theirs = interleaved(repetitions, lambda: _read(hermes, folder), lambda: _read(incumbent, folder))
    operation = f"scraps of {_NOTEBOOKS} notebooks vs scrapbook.read_notebooks"
    return [Figure("scraps", operation, "ms", at_most(0.03), ours, theirs)]


def _read(driver: Driver, folder: str) -> float:
    return 1000 * float(driver.call("read_scraps", folder=folder)["seconds"])


def profile(place: Place) -> None:
    """Reading them once."""
    place.profile("read_scraps", folder=str(glued(place.folder / "glued", _NOTEBOOKS)))
