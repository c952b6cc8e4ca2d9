"""docs/faults.md: every fault of the suite, what becomes of a run here, and what papermill made of it."""

from __future__ import annotations

from tests.faults.fault import Expected, Fault
from tests.faults.papermill_outcomes import recorded
from tests.faults.table import FAULTS
from tests.written_notebooks import Json

_HEAD = """# Faults

<!-- Written by scripts/generate from tests/faults/table.py and tests/faults/papermill_outcomes.json. -->

What becomes of a run when something goes wrong, and what papermill {version} makes of the same fault. Each row is a
test: `tests/faults/table.py` says what is done and expected, with a real kernel, a real runner and, where it matters, a
real server.

For every row these hold too, unless it says otherwise:

- the answer names state and cause, and says in words what happened; the notebook's `metadata.hermes` says the same;
- the output notebook is there, is valid, and has the hash that was answered; nothing lies beside it but files that the
  run names (`spilled_to`), and no temporary file is left;
- no process that the run started is alive when the run has ended, wherever it went;
- a cell that did not run is `not_run`, and papermill's own key in the notebook says `pending`;
- the same runner executes the next run.

The notebook of most rows has three code cells: the fault strikes in the second. *Within* counts from the fault to the
end of the run, on a busy machine, time limits and the grace of an interrupt (3 s) included. The column of papermill
says how `papermill.execute_notebook` ended, what it wrote about each cell, and what was wrong besides.
`python -m tests.faults.papermill_outcomes` measures it again; a busy machine with two processors was used.

| fault | run here | cells here | within | papermill ends with | cells of papermill | besides |
|---|---|---|---|---|---|---|
"""
_TAIL = """
## What this does not cover

- A thread's output goes to the cell that the kernel names. ipykernel names the cell that runs, unless the thread was
  started in its cell's context (`contextvars.copy_context().run`); no output is lost either way.
- Memory that runs out is an exception where the limit is the process's own. Where the system kills the kernel, it is
  the row of SIGKILL; where it kills the runner, the row of the runner.
- A provisioner that blocks the runner, or anything else that does, ends the other runs of that runner too: they are
  `interrupted` after `HermesLab.runner_unresponsive_seconds` (here 10 s). A command without a server waits for it.
- A disk that fails to keep what it acknowledged.
"""


def text() -> str:
    """One row a fault."""
    record = recorded()
    outcomes = record["outcomes"]
    rows = "".join(_row(fault, outcomes.get(fault.name)) for fault in FAULTS)
    return f"{_HEAD.format(version=record['papermill'])}{rows}{_counted(outcomes)}{_TAIL}"


def _row(fault: Fault, theirs: Json | None) -> str:
    expected = fault.expected
    run = f"{expected.state}, `{expected.cause}`" if expected.cause else expected.state
    if expected.foreign is not None:
        run = f"{run}; theirs stays, the output is beside it"
    if expected.refusal:
        run = f"{run}; the second is refused, `{expected.refusal}`"
    ours = f"| {fault.name} | {run} | {_cells(expected.cells)} | {expected.within:g} s "
    if theirs is None:
        has_none = "(it has no server)" if fault.door == "server" else "(it has no keeper)"
        return f"{ours}| {'not measured' if fault.with_papermill else has_none} | | |\n"
    return f"{ours}| {_ended(theirs)} | {_cells(theirs['cells'])} | {_besides(expected, theirs)} |\n"


def _ended(theirs: Json) -> str:
    first = _word(theirs["ended"])
    return f"{first}; the second with {_word(theirs['second'])}" if theirs["second"] else first


def _word(ended: str) -> str:
    return ended if " " in ended or ended.islower() else f"`{ended}`"


def _cells(states: list[str | None] | tuple[str, ...] | None) -> str:
    return ", ".join(str(state).replace("_", " ") for state in states) if states else "-"


def _besides(expected: Expected, theirs: Json) -> str:
    false = _falsely_completed(expected, theirs)
    said = [
        f"{false} called completed that {'was' if false == 1 else 'were'} not" if false else "",
        f"output {theirs['output'].partition(':')[0]}" if theirs["output"] not in ("valid", expected.output) else "",
        f"{theirs['lost']:,} characters of output lost" if theirs.get("lost") else "",
        "what somebody else wrote is overwritten" if theirs.get("overwritten") else "",
        _survivors(theirs["survivors"] or 0),
        f"{theirs['memory'] / 1e9:.1f} GB of memory" if theirs["memory"] else "",
    ]
    return "; ".join(each for each in said if each)


def _survivors(count: int) -> str:
    if count == 0:
        return ""
    return "1 process survives" if count == 1 else f"{count} processes survive"


def _falsely_completed(expected: Expected, theirs: Json) -> int:
    """How many cells papermill calls completed that were not."""
    if theirs["cells"] is None or expected.cells is None or len(theirs["cells"]) != len(expected.cells):
        return 0
    return sum(
        word == "completed" and state != "completed"
        for word, state in zip(theirs["cells"], expected.cells, strict=True)
    )


def _counted(outcomes: dict[str, Json]) -> str:
    rows = [(fault.expected, outcomes[fault.name]) for fault in FAULTS if fault.name in outcomes]
    false = sum(_falsely_completed(expected, theirs) > 0 for expected, theirs in rows)
    hang = sum(theirs["ended"] == "hangs" for _, theirs in rows)
    survive = sum(bool(theirs["survivors"]) for _, theirs in rows)
    return (
        f"\nOf these {len(FAULTS)} faults, {len(rows)} can befall papermill, too. It calls cells completed that were "
        f"not in {false} of them, does not end in {hang}, and leaves processes behind in {survive}.\n"
    )
