"""How the executions that evidence is made of compare, as data (DESIGN section 4)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hermes_lab.model.diffs import Hunk
from hermes_lab.model.payload import JsonObject, Payload
from hermes_lab.model.runs import CellState

SideName = Literal["base", "base_again", "proposal"]
CellVerdict = Literal["same", "changed", "nondeterministic", "failed", "fixed", "not_run", "new", "gone"]
ScrapChangeKind = Literal["added", "removed", "changed", "same"]
NbvalVerdict = Literal["passed", "failed", "skipped"]


class ImageSize(Payload):
    """In pixels."""

    width: int
    height: int


class ComparedOutput(Payload):
    """An output of a cell before and after, by the MIME type that says most of both.

    ``hunks`` are there for text. For images ``pixels_changed`` is the share of pixels (0 to 1) that differ, null
    where their sizes do. For tables ``rows`` and ``values`` say what differs.
    """

    index: int = Field(description="Among the outputs of the side that has it, from 0")
    kind: Literal["text", "image", "table", "error", "data"]
    mime_type: str
    change: Literal["added", "removed", "changed", "same"]
    hunks: list[Hunk] = Field(default_factory=list)
    pixels_changed: float | None = Field(default=None, ge=0, le=1)
    size_before: ImageSize | None = None
    size_after: ImageSize | None = None
    rows_added: int = 0
    rows_removed: int = 0
    values_changed: int = 0
    words: str = Field(description="The difference in words")


class ComparedCell(Payload):
    """A cell of the executions, by its id. A side where the cell is not, or did not run, is null.

    `nondeterministic`: the cell differs between two executions of the base; the change is not to blame.
    """

    cell_id: str
    verdict: CellVerdict
    state_before: CellState | None = None
    state_after: CellState | None = None
    seconds_before: float | None = None
    seconds_after: float | None = None
    outputs: list[ComparedOutput] = Field(default_factory=list)
    stderr: list[Hunk] = Field(default_factory=list, description="From the base's stderr to the proposal's")
    new_warnings: list[str] = Field(default_factory=list, description="Lines of stderr that warn, and did not before")
    nbval: NbvalVerdict | None = Field(
        default=None, description="nbval's verdict in its lax mode, with the base's execution as the reference"
    )
    nbval_message: str | None = None
    words: str = Field(description="The verdict in words")


class ScrapChange(Payload):
    """A scrap before and after, with its type; a side where it was not glued is null, and ``change`` says so."""

    name: str
    before: Any = None
    after: Any = None
    type_before: str | None = Field(default=None, description="JSON type of the value, or the scrap's display type")
    type_after: str | None = None
    change: ScrapChangeKind
    nondeterministic: bool = Field(default=False, description="It differs between two executions of the base too")
    words: str | None = None


class FileChange(Payload):
    """A file that an execution left in its scratch copy otherwise than it found it."""

    path: str = Field(description="From the notebook's folder")
    before: Literal["created", "changed", "removed"] | None = Field(description="By the base; null for not at all")
    after: Literal["created", "changed", "removed"] | None = Field(description="By the proposal")
    same: bool = Field(description="Whether both executions left the same bytes")
    bytes_before: int | None = None
    bytes_after: int | None = None


class UsedTool(Payload):
    """A tool that an execution called. ``replayed``: it got the answer that the same call got in another execution."""

    side: SideName
    tool: str
    arguments: JsonObject
    replayed: bool = False
    failed: bool = False
