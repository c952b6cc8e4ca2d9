"""What a person decides about one change of a proposal (DESIGN section 4)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from hermes_lab.model.payload import Payload

Resolution = Literal["local", "remote", "both", "edited"]


class ChangeDecision(Payload):
    """What a person decides about one change.

    ``hunks`` accepts or rejects single hunks of a `modify` (a hunk not named follows ``decision``); ``text`` is the
    source that the person wants instead of the proposed one; ``resolution`` settles a conflict.
    """

    decision: Literal["accept", "reject", "undecided"]
    hunks: dict[str, Literal["accept", "reject"]] | None = None
    text: str | None = Field(default=None, max_length=5_000_000)
    resolution: Resolution | None = None
    comment: str | None = Field(default=None, max_length=10_000)

    @model_validator(mode="after")
    def _edited_needs_text(self) -> ChangeDecision:
        if self.resolution == "edited" and self.text is None:
            raise ValueError("the resolution 'edited' needs `text`")
        return self


def _from_word(value: object) -> object:
    return {"decision": value} if isinstance(value, str) else value


Decision = Annotated[
    ChangeDecision,
    BeforeValidator(_from_word, json_schema_input_type=Literal["accept", "reject", "undecided"] | ChangeDecision),
]
"""A ChangeDecision, or the bare word as its short form."""
