"""Bringing the output notebook of a run to the truth whose runner did not live to do it."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from hermes_lab.engines.papermill import INJECTED, STATUS, is_error_marker
from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.model.runs import CellState, CellTiming
from hermes_lab.runner.files import identity, is_as_written, write_whole

_LOG = logging.getLogger(__name__)


def settle(output: Path, run_id: str, cells: Iterable[CellTiming], sources: Mapping[str, str]) -> str | None:
    """Write into the output notebook that the run was interrupted, and what became of its cells.

    ``sources`` are the `sources_of` its input. A file that is not this run's, or whose cells somebody has changed since
    the run wrote it, is left as it is; whatever is in there, nothing is raised.

    Returns:
        The sha256 of the file; null where it is left, cannot be written, or may hold what somebody has changed.
    """
    try:
        return _settle(output, run_id, {cell.cell_id: cell.state for cell in cells}, sources)
    # Not JSON, no notebook, not that of a run, nested too deeply, out of reach …
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        _LOG.warning("The output notebook %s of an interrupted run is left as it is: %r", output, error)
        return None


def sources_of(notebook: Notebook) -> dict[str, str]:
    """The sources of an input notebook's cells, by their ids, as its output notebook has them."""
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"] if not is_error_marker(cell)}


def _settle(output: Path, run_id: str, states: Mapping[str, CellState], sources: Mapping[str, str]) -> str | None:
    present = identity(output)
    if present is None or not output.is_file():
        return None
    nobody_wrote_it = is_as_written(output)
    content = output.read_bytes()
    notebook: JsonObject = json.loads(content)
    if notebook["metadata"]["hermes"]["run_id"] != run_id or not _is_as_written(notebook, states, sources):
        return None
    settled = copy.deepcopy(notebook)
    settled["metadata"]["hermes"].update(state="failed", cause="interrupted")
    settled["metadata"]["papermill"]["exception"] = True
    for cell in settled["cells"]:
        if cell["cell_type"] == "code":
            # An injected cell is not among the run's; when the kernel was lost in it, that was its end.
            was = cell["metadata"]["hermes"]["status"]
            _settle_cell(cell["metadata"], states.get(cell["id"], "died" if was == "running" else was))
    if settled != notebook:
        content = json.dumps(settled, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"
        write_whole(output, [content], own=present)
    elif identity(output) != present:
        return None
    # Outputs that somebody has cleared, say, cannot be told from ours by what is in the file.
    return hashlib.sha256(content).hexdigest() if nobody_wrote_it else None


def _is_as_written(notebook: JsonObject, states: Mapping[str, CellState], sources: Mapping[str, str]) -> bool:
    """Whether its cells are those that the run wrote: none more, none less, none with another source."""
    cells = notebook["cells"]
    own = [cell for cell in cells if cell["id"] in sources]
    return (
        [cell["id"] for cell in own] == list(sources)
        and states.keys() <= sources.keys()
        and all("papermill" in cell["metadata"] for cell in cells)
        # Parameters are the run's own, be it in a cell that the input had for them.
        and all(
            "".join(cell["source"]) == sources.get(cell["id"])
            for cell in cells
            if INJECTED not in cell["metadata"]["tags"]
        )
    )


def _settle_cell(metadata: JsonObject, state: CellState) -> None:
    metadata["hermes"]["status"] = state
    metadata["papermill"].update(status=STATUS[state])
    if state != "not_run":
        metadata["papermill"].update(exception=state != "completed")
