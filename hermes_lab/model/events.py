"""The event that says something changed: ids only, for it reaches every authenticated subscriber."""

from __future__ import annotations

from typing import Literal

from hermes_lab.model.payload import Payload

Noun = Literal["runs", "proposals", "evidence", "tool_calls"]


class Changed(Payload):
    """Fetch ``id`` again: its ``state`` or its progress moved on."""

    noun: Noun
    id: str
    state: str
