"""What a reader should know about a change before accepting it: computed from its text, never guessed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hermes_lab.model.payload import Payload

Touches = Literal["source", "whitespace", "metadata", "outputs", "position"]
RiskKind = Literal["shell", "network", "file_deletion", "credentials", "package_install"]


class RiskNote(Payload):
    """A line of the proposed cell that does what a reader wants to be told of."""

    kind: RiskKind
    line: int = Field(description="Of the proposed source, from 0")
    text: str = Field(description="The line; what looks like a credential is masked")
    words: str = Field(description="What the line does, in a sentence")
