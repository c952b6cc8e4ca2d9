"""The inverse of a merge that was written: what to propose so that exactly it is undone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.payload import Notebook
from hermes_lab.model.proposals import Conflict
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.merging import merge

_UNDO = ChangeDecision(decision="accept")
_UNDO_NEWER = ChangeDecision(decision="accept", resolution="remote")
_LEAVE = ChangeDecision(decision="accept", resolution="local")


@dataclass(frozen=True)
class Inverse:
    """The notebook to propose on what the document is now, and where it takes back more than the merge.

    Each conflict of ``newer`` is a place that was changed again after the merge: its ``base`` is what the merge
    wrote, ``local`` what is there now, ``remote`` what was there before the merge, which is what is proposed. Its
    cell is named as now, so the change of the proposal is found by its ``cell_id``.
    """

    notebook: Notebook
    newer: list[Conflict]


def inverse(before: Notebook | None, after: Notebook, now: Notebook) -> Inverse:
    """What undoes the merge from before to after, against now: everything that was changed since is kept.

    It is the three-way merge of the way back (after to before) into now. Where what the merge wrote was changed
    since, the text from before is proposed, for the person to judge: they see it as a change of what is there now.
    A cell that is gone by now stays gone: nothing of the merge is left in it. Results are never brought back; those
    that now has stay where the source does. Before is None where the merge made the document: its cells are
    undone, a document without cells stays.
    """
    undone = {**after, "cells": []} if before is None else before
    decisions = {change.change_id: _UNDO for change in diff_notebooks(after, undone, outputs=False)}
    first = merge(after, now, undone, decisions)
    if not first.conflicts:
        return Inverse(first.notebook, [])
    newer = [conflict for conflict in first.conflicts if conflict.local is not None]
    decisions |= {conflict.change_id: _LEAVE for conflict in first.conflicts}
    decisions |= {conflict.change_id: _UNDO_NEWER for conflict in newer}
    return Inverse(merge(after, now, undone, decisions).notebook, newer)
