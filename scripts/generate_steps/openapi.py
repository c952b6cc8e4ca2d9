"""docs/openapi.json."""

from __future__ import annotations

import json

from hermes_lab.handlers.openapi import document


def text() -> str:
    """The document that the server serves, in lines that a diff can show."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
