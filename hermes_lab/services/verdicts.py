"""What the executions of base and proposal come to when they are compared."""

from __future__ import annotations

from typing import Any

from hermes_lab.model.evidence import compare_scraps
from hermes_lab.model.runs import Run


def judged(base: Run | None, proposed: Run) -> dict[str, Any]:
    """What the two runs come to: green if the proposal ran to its end, red if it failed, nothing if it was stopped."""
    scraps_before = base.result.scraps if base and base.result else {}
    scraps_after = proposed.result.scraps if proposed.result else {}
    fields: dict[str, Any] = {"scraps": compare_scraps(scraps_before, scraps_after)}
    if proposed.state == "cancelled" or proposed.cause == "interrupted":
        return {**fields, "state": "failed", "message": proposed.message or "The run was stopped."}
    if proposed.state == "failed":
        return {**fields, "state": "completed", "verdict": "red", "message": proposed.message}
    message = None
    if base is not None and base.state != "completed":
        message = "The notebook as it is now does not run to its end; with the proposal it does."
    return {**fields, "state": "completed", "verdict": "green", "message": message}
