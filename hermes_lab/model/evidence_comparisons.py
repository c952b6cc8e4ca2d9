"""How the executions that evidence is made of compare, as data (DESIGN section 4)."""

from __future__ import annotations

from typing import Any, Literal

from hermes_lab.model.payload import Payload

SideName = Literal["base", "base_again", "proposal"]
ScrapChangeKind = Literal["added", "removed", "changed", "same"]


class ScrapChange(Payload):
    """A scrap before and after; a side where it was not glued is null, and ``change`` says so."""

    name: str
    before: Any = None
    after: Any = None
    change: ScrapChangeKind
