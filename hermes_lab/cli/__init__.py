"""`jupyter hermes`: agents and their tokens, running notebooks, checking the audit log.

Nothing heavy is imported before a command needs it.
"""

from hermes_lab.cli.main import main

__all__ = ["main"]
