"""The nice value of a session: where Linux divides processors among sessions first (``sched_autogroup_enabled``), that
of a process counts within its own session alone."""

from __future__ import annotations

import logging
import os
from pathlib import Path

_LOG = logging.getLogger(__name__)


def leads_session(pid: int) -> bool:
    """Whether the process has a session of its own by now; True, too, where it has ended."""
    try:
        return os.getsid(pid) == pid
    except OSError:
        return True


def nice_of(pid: int) -> int | None:
    """That of the session of the process; None where none can be told."""
    try:
        words = _file(pid).read_text(encoding="ascii").split()
    except OSError:  # it has ended, or Linux was built without
        return None
    return int(words[2]) if len(words) == 3 else None


def set_nice(pid: int, nice: int) -> bool:
    """Give the session of the process this value; False where that is not allowed."""
    try:
        _file(pid).write_text(str(nice), encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):  # it has ended, as whoever waits for it will see
        return True
    except OSError as error:
        _LOG.warning("The priority of sessions cannot be set here: %s", error)
        return False
    return True


def _file(pid: int) -> Path:
    return Path(f"/proc/{pid}/autogroup")
