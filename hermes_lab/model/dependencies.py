"""Which cells stand on which: names that one cell defines and another uses (Python only)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hermes_lab.model.payload import Payload

DependencyProblem = Literal["rejected", "undecided", "removed", "later"]


class DependencyNote(Payload):
    """A name that a cell of the merged notebook uses, and that no cell before it would define.

    ``problem`` says why: the change that defines it is rejected or undecided, an accepted change removed the
    definition, or it comes after its use.
    """

    name: str
    problem: DependencyProblem
    used_in: str = Field(description="cell_id")
    defined_in: str | None = Field(default=None, description="cell_id of the definition that is or was there")
    change_id: str | None = Field(default=None, description="The change whose decision makes the difference")
    words: str = Field(description="The problem in a sentence")
