"""The command line, from its arguments to its exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hermes_lab.cli.exits import CANCELLED, OK, USAGE, CommandFailed
from hermes_lab.cli.parser import parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code. What went wrong is one line on stderr."""
    command_line = parser()
    options = command_line.parse_args(arguments)
    if options.command is None:
        command_line.print_help(sys.stderr)
        return USAGE
    # jsonschema's checks of internationalised addresses take a second to import, and nothing here uses them.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    try:
        code: int = options.command(options)
        sys.stdout.flush()
    except CommandFailed as error:
        print(f"jupyter hermes: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return CANCELLED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has read enough
        return OK
    return code
