"""Many trivial cells: what a cell costs, and how that grows with their number."""

from __future__ import annotations

from pathlib import Path

from benchmarks.drivers.loop import Answer
from benchmarks.figures import Figure, at_most, itself_at_most
from benchmarks.notebooks import trivial_cells
from benchmarks.place import Driver, Place
from benchmarks.turns import interleaved

FEW, TWICE_AS_MANY, MANY = 200, 400, 1000


def measure_200(place: Place, repetitions: int) -> list[Figure]:
    """The time for 200 cells, and how the client's processor time grows from there to 400."""
    few, many = _trivial(place, FEW), _trivial(place, TWICE_AS_MANY)
    hermes, incumbent = place.hermes(), place.incumbent()
    _warm_up(place, hermes, incumbent)
    rounds = [
        [_execute(place, driver, notebook) for notebook in (few, many) for driver in (hermes, incumbent)]
        for _ in range(repetitions)
    ]
    ours = [few["seconds"] for few, _, _, _ in rounds]
    theirs = [few["seconds"] for _, few, _, _ in rounds]
    our_growth = [many["cpu_seconds"] / few["cpu_seconds"] for few, _, many, _ in rounds]
    their_growth = [many["cpu_seconds"] / few["cpu_seconds"] for _, few, _, many in rounds]
    growth = f"client CPU, {TWICE_AS_MANY} cells / {FEW} cells"
    return [
        Figure("cells-200", f"{FEW} cells vs papermill API", "s", at_most(0.22), ours, theirs),
        Figure("cells-200", growth, "x", itself_at_most(2.2), our_growth, their_growth),
    ]


def measure_1000(place: Place, repetitions: int) -> list[Figure]:
    """The time for 1000 cells."""
    notebook = _trivial(place, MANY)
    hermes, incumbent = place.hermes(), place.incumbent()
    _warm_up(place, hermes, incumbent)
    ours, theirs = interleaved(
        repetitions,
        lambda: float(_execute(place, hermes, notebook)["seconds"]),
        lambda: float(_execute(place, incumbent, notebook)["seconds"]),
        rehearsed=False,
    )
    return [Figure("cells-1000", f"{MANY} cells vs papermill API", "s", at_most(0.05), ours, theirs)]


def profile_200(place: Place) -> None:
    """Executing 200 cells in one process."""
    _profile(place, FEW)


def profile_1000(place: Place) -> None:
    """Executing 1000 cells in one process."""
    _profile(place, MANY)


def _profile(place: Place, count: int) -> None:
    place.profile("execute", input_path=str(_trivial(place, count)), output_path=str(place.new_output()))


def _trivial(place: Place, count: int) -> Path:
    return trivial_cells(place.folder / f"trivial-{count}.ipynb", count)


def _warm_up(place: Place, *drivers: Driver) -> None:
    for driver in drivers:
        _execute(place, driver, _trivial(place, 1))


def _execute(place: Place, driver: Driver, notebook: Path) -> Answer:
    return driver.call("execute", input_path=str(notebook), output_path=str(place.new_output()))
