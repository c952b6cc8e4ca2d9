"""What differs between two notebooks: one change a cell, hunks inside it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hermes_lab.model.payload import JsonObject, Notebook, Payload, Sha256

ChangeKind = Literal["insert", "delete", "modify", "move", "retype", "metadata", "outputs"]

NOTEBOOK_CHANGE_ID = "notebook"
"""The change_id of the one change that concerns the notebook's own metadata and not a cell."""


class WordEdit(Payload):
    """A run of words that differs inside a hunk, as character offsets into its `before` and its `after`."""

    before_start: int
    before_end: int
    after_start: int
    after_end: int


class Hunk(Payload):
    """A run of lines that differs. Line numbers count from 0; `before` and `after` keep their line ends.

    ``words`` is empty where lines were only added or removed, and where hardly a word is left of what was there.
    """

    hunk_id: str
    base_start: int
    base_lines: int
    remote_start: int
    remote_lines: int
    before: str
    after: str
    words: list[WordEdit] = Field(default_factory=list)


class Move(Payload):
    """Where a moved cell stood and where it stands, as 0-based indices in base and remote."""

    from_index: int
    to_index: int


class Change(Payload):
    """All that differs for one cell.

    ``kind`` is the weightiest difference (retype, modify, move, metadata, outputs in this order); a cell that was
    edited and moved is one `modify` with ``move`` set. That a cell has another id is no change by itself. ``before``
    and ``after`` are whole nbformat cells, null for an insert and a delete; for the notebook's own metadata
    (``cell_id`` null) they are ``{"metadata": …}``.
    """

    change_id: str = Field(
        description='The cell\'s id in base, of an insertion its id in remote, or "notebook"; unique within a diff. An '
        "insertion whose id is another cell's in base has one made of it"
    )
    kind: ChangeKind
    cell_id: str | None
    cell_type: Literal["code", "markdown", "raw"] | None
    base_index: int | None = None
    remote_index: int | None = None
    before: JsonObject | None = None
    after: JsonObject | None = None
    hunks: list[Hunk] = Field(default_factory=list)
    move: Move | None = None
    metadata_keys: list[str] = Field(default_factory=list, description="Metadata keys that differ")
    lines_added: int = Field(default=0, description="Lines of source that remote has and base has not")
    lines_removed: int = Field(default=0, description="Lines of source that base has and remote has not")
    summary: str = Field(description="The change in words")


class NotebookSource(Payload):
    """One side of a diff: exactly one of the fields."""

    path: str | None = None
    notebook: Notebook | None = None
    run_id: str | None = Field(default=None, description="The output notebook of this run")
    proposal_id: str | None = Field(default=None, description="The notebook that this proposal proposes")

    @model_validator(mode="after")
    def _exactly_one(self) -> NotebookSource:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of path, notebook, run_id, proposal_id")
        return self


class CreateDiff(Payload):
    """Compare two notebooks: from base to remote. The switches and ``ignore`` use nbdime's names."""

    base: NotebookSource
    remote: NotebookSource
    sources: bool = Field(default=True, description="Compare the sources of cells")
    outputs: bool = Field(default=True, description="Compare outputs")
    attachments: bool = Field(default=True, description="Compare attachments")
    metadata: bool = Field(default=True, description="Compare metadata")
    id: bool = Field(default=True, description="Compare cell ids")
    details: bool = Field(default=True, description="Compare what no other switch names, such as execution counts")
    ignore: dict[str, bool | list[str]] = Field(
        default_factory=dict,
        description="nbdime's `Ignore`: a path such as `/metadata` or `/cells/*/metadata` -> true for all of it, or "
        "the keys to leave out",
    )


class ChangeCounts(Payload):
    """How many changes of each kind."""

    insert: int = 0
    delete: int = 0
    modify: int = 0
    move: int = 0
    retype: int = 0
    metadata: int = 0
    outputs: int = 0


class Diff(Payload):
    """The differences, per cell for people and as nbdime's diff operations (JEP 8) for tools."""

    base_hash: Sha256
    remote_hash: Sha256
    changes: list[Change]
    counts: ChangeCounts
    ops: list[JsonObject] = Field(
        description="nbdime's diff: `nbdime.patching.patch(base, ops)` is remote but for what is ignored, both as "
        "`get_notebook` answers them (format 4.5, every source one string, every cell with an id)"
    )
    other_ids: int = Field(
        description="Cells that have another id and are otherwise the same: these are no change, only in `ops`"
    )
