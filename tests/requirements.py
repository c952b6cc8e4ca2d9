"""What the product promises, one sentence each. Tests name these ids, and every id has a test."""

from __future__ import annotations

REQUIREMENTS: dict[str, str] = {
    # Run
    "RUN-1": "A run executes a notebook in a fresh kernel with injected parameters and answers the scraps.",
}
