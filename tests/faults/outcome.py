"""What became of a run that met a fault, through whichever door, and whether that is what is expected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.faults.fault import Expected
from tests.faults.scene import Scene, code_cells, printed, verdict
from tests.written_notebooks import Json

PAPERMILLS_WORDS = {
    "not_run": "pending",
    "running": "running",
    "completed": "completed",
    "failed": "failed",
    "died": "failed",
    "cancelled": "failed",
}
_LARGE = 50_000_000
"""More bytes than an output notebook of these rows may have."""


@dataclass(frozen=True)
class Outcome:
    """The end of a run as it was answered. ``cells`` are null where the door does not tell them."""

    state: str
    cause: str | None
    message: str | None
    cells: tuple[str, ...] | None
    failed_cell: tuple[str, str] | None
    ended_at: float
    """Seconds since the epoch, when the answer was there."""
    output_path: str | None = None
    """Where the output is, if not where it was asked for; null too where the door does not tell."""
    output_hash: str | None = None
    output_bytes: dict[str, int | None] | None = None
    growth: int | None = None
    spilled_to: tuple[str, ...] = ()

    @classmethod
    def of(cls, ended: Json, **fields: object) -> Outcome:
        """From the JSON of a run's end: an `ExecutionEnded`, or a `Run`."""
        result = ended.get("result") or {}
        failed = result.get("failed_cell")
        return cls(
            state=ended["state"],
            cause=ended["cause"],
            message=ended["message"],
            cells=tuple(cell["state"] for cell in ended["cells"]),
            failed_cell=(failed["cell_id"], failed["ename"]) if failed else None,
            ended_at=time.time(),
            output_path=ended["output_path"],
            output_hash=ended["output_hash"],
            output_bytes={cell["cell_id"]: cell["output_bytes"] for cell in ended["cells"]},
            spilled_to=tuple(cell["spilled_to"] for cell in ended["cells"] if cell["spilled_to"]),
            **fields,  # type: ignore[arg-type]
        )


def differences(expected: Expected, outcome: Outcome, scene: Scene, *, asked_at: float) -> list[str]:
    """Everything in which the outcome, the files and the processes differ from what the table says."""
    return [
        *_of_the_answer(expected, outcome, scene),
        *_of_time(expected, outcome, since=scene.struck_at or asked_at),
        *_of_files(expected, outcome, scene),
        *(f"alive: {process}" for process in scene.alive()),
    ]


def _of_the_answer(expected: Expected, outcome: Outcome, scene: Scene) -> Iterator[str]:
    answered = (outcome.state, outcome.cause)
    if answered != (expected.state, expected.cause):
        yield f"state and cause: {answered}: {outcome.message}"
    if outcome.cells is not None and expected.cells is not None and outcome.cells != expected.cells:
        yield f"cells: {outcome.cells}"
    if outcome.failed_cell != expected.failed_cell:
        yield f"failed cell: {outcome.failed_cell}"
    if expected.state in ("failed", "refused") and not outcome.message:
        yield "no word about why"
    for cell_id, count in expected.output_bytes.items():
        if (outcome.output_bytes or {}).get(cell_id) != count:
            yield f"bytes of output: {outcome.output_bytes}"
    if expected.growth is not None and (outcome.growth is None or outcome.growth > expected.growth):
        yield f"memory: grew by {outcome.growth}"
    if scene.second_answer != expected.refusal:
        yield f"the second run: {scene.second_answer}"


def _of_time(expected: Expected, outcome: Outcome, *, since: float) -> Iterator[str]:
    took = outcome.ended_at - since
    if took > expected.within:
        yield f"time: ended {took:.1f} s after the fault, not within {expected.within:g} s"


def _of_files(expected: Expected, outcome: Outcome, scene: Scene) -> Iterator[str]:
    output, beside = scene.output, list(outcome.spilled_to)
    if expected.foreign is not None:
        output = Path(outcome.output_path or output)
        beside.append(output.name)
        if scene.output.read_text() != expected.foreign:
            yield "what somebody else wrote is gone"
        if output == scene.output or output.name not in (outcome.message or ""):
            yield f"the output is not said to be elsewhere: {output}: {outcome.message}"
    if output.exists() and output.stat().st_size > _LARGE:
        yield f"output: a notebook of {output.stat().st_size} bytes"
        return
    found = verdict(output)
    if found != expected.output:
        yield f"output: {found}"
    yield from (f"left behind: {path}" for path in scene.leftovers(*(Path(name).name for name in beside)))
    if (scene.folder / "ran").exists():
        yield "a cell ran"
    if found == "valid":
        yield from _of_the_notebook(expected, outcome, output)


def _of_the_notebook(expected: Expected, outcome: Outcome, output: Path) -> Iterator[str]:
    if outcome.output_hash not in (None, sha256(output.read_bytes()).hexdigest()):
        yield "the output is not the one whose hash was answered"
    cells = code_cells(output)
    states = tuple(cell["metadata"]["hermes"]["status"] for cell in cells)
    if expected.cells is not None and states != expected.cells:
        yield f"states in the notebook: {states}"
    words = [cell["metadata"]["papermill"]["status"] for cell in cells]
    if words != [PAPERMILLS_WORDS[state] for state in states]:
        yield f"papermill's states in the notebook: {words}"
    for cell_id, text in expected.prints.items():
        found = printed(next(cell for cell in cells if cell["id"] == cell_id))
        if found != text:
            yield f"printed by {cell_id}: {found[:40]!r}, {len(found)} characters"
