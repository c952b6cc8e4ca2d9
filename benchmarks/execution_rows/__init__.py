"""The rows of the table of `benchmarks/execution.py`, one file for each kind of measurement.

``ROWS`` maps the name of a row to the function that measures it; a function may give several lines of the table.
In every repetition ours and the incumbent's turn follow each other, so that a busy machine is busy for both.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.execution_rows import (
    cells,
    command,
    first_reply,
    flood,
    outputs,
    sandbox,
    scraps,
    throughput,
    warm_server,
)
from benchmarks.figures import Figure
from benchmarks.place import Place

Measure = Callable[[Place, int], list[Figure]]
Profile = Callable[[Place], None]

ROWS: dict[str, Measure] = {
    "warm-server": warm_server.measure,
    "cells-200": cells.measure_200,
    "cells-1000": cells.measure_1000,
    "outputs": outputs.measure,
    "first-reply": first_reply.measure,
    "throughput": throughput.measure,
    "scraps": scraps.measure,
    "flood": flood.measure,
    "command": command.measure,
    "sandbox": sandbox.measure,
}
PROFILES: dict[str, Profile] = {
    "warm-server": warm_server.profile,
    "cells-200": cells.profile_200,
    "cells-1000": cells.profile_1000,
    "outputs": outputs.profile,
    "scraps": scraps.profile,
    "command": command.profile,
}
