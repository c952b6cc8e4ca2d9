"""What the executions of base and proposal come to when they are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hermes_lab.model.evidence_comparisons import ScrapChange, ScrapChangeKind
from hermes_lab.services.executed_sides import ExecutedSide


def judged(sides: Sequence[ExecutedSide]) -> dict[str, Any]:
    """What the runs come to: green if the proposal ran to its end, red if it failed, nothing if it was stopped.

    The answer has the fields of the evidence, its state included. One of the ``sides`` is the proposal.
    """
    runs = {side.name: side.run for side in sides}
    base, proposed = runs.get("base"), runs["proposal"]
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


def compare_scraps(before: dict[str, Any], after: dict[str, Any]) -> list[ScrapChange]:
    """Every scrap of either run, by name, with what became of it."""
    return [_compare(name, before, after) for name in sorted(before.keys() | after.keys())]


def _compare(name: str, before: dict[str, Any], after: dict[str, Any]) -> ScrapChange:
    if name not in before:
        return ScrapChange(name=name, after=after[name], change="added")
    if name not in after:
        return ScrapChange(name=name, before=before[name], change="removed")
    change: ScrapChangeKind = "same" if before[name] == after[name] else "changed"
    return ScrapChange(name=name, before=before[name], after=after[name], change=change)
