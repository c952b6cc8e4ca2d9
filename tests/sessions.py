"""The priority of sessions, where Linux divides processors among these first."""

from __future__ import annotations

import re
from pathlib import Path

_OWN = Path("/proc/self/autogroup")
_HAS_THEM = _OWN.exists() and _OWN.read_text() != ""
_BOTH = 1 << 23 | 1 << 21
MAY_SET_SESSIONS = _HAS_THEM and (
    int(re.findall(r"CapEff:\s+(\w+)", Path("/proc/self/status").read_text())[0], 16) & _BOTH == _BOTH
)
"""Whether this process has CAP_SYS_NICE and CAP_SYS_ADMIN; where not, sessions stay as they are."""


def nice_of_the_session(pid: int) -> str:
    """As Linux tells it; "0" where it tells nothing."""
    return Path(f"/proc/{pid}/autogroup").read_text().split()[-1] if _HAS_THEM else "0"
