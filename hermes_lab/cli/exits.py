"""Exit codes, and the exception that ends a command with one of them."""

from __future__ import annotations

OK = 0
FAILED = 1
"""A cell failed, or the audit log is broken."""
USAGE = 2
"""The command cannot be carried out as it was given."""
KERNEL = 3
TIMED_OUT = 4
CANCELLED = 130
"""As a shell counts a command that was interrupted."""


class CommandFailed(Exception):
    """The command cannot be carried out; the message is one line."""

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code
