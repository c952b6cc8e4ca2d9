"""A cgroup (version 2) for one kernel, where this process may make one: Linux kills and counts all of it at once."""

from __future__ import annotations

import logging
import os
import time
import uuid
from functools import cache
from pathlib import Path

_LOG = logging.getLogger(__name__)
_LEFT_OVER_SECONDS = 60.0


def make_cgroup() -> Path | None:
    """An empty cgroup below the one that this process is in; None where that is not allowed."""
    own = _own_cgroup()
    if own is None:
        return None
    folder = own / f"hermes-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
    except OSError as error:
        _LOG.warning("%s cannot be made any more: %s", folder, error)
        return None
    return folder


@cache
def _own_cgroup() -> Path | None:
    """The cgroup of this process, if it is its to divide."""
    mount = _mount()
    if mount is None:
        return None
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    paths = [line.removeprefix("0::") for line in lines if line.startswith("0::")]
    own = mount / paths[0].lstrip("/") if paths else None
    if own is None or not _can_be_divided(own):
        return None
    _remove_leftovers(own)
    return own


def _remove_leftovers(own: Path) -> None:
    """Empty cgroups whose keepers were killed. A fresh one may be empty because its kernel is only about to come."""
    for folder in own.glob("hermes-*"):
        try:
            if time.time() - folder.stat().st_mtime > _LEFT_OVER_SECONDS:
                folder.rmdir()
        except OSError:  # in use, or somebody else was first
            continue


def _mount() -> Path | None:
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return None
    found = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    return Path(found[0]) if found else None


def _can_be_divided(own: Path) -> bool:
    """Tried rather than asked: permissions, read-only mounts and old versions of Linux all forbid it their way."""
    if not os.access(own / "cgroup.procs", os.W_OK):
        return False
    trial = own / f"hermes-{uuid.uuid4().hex}"
    try:
        trial.mkdir()
        works = (trial / "cgroup.kill").exists()
        trial.rmdir()
    except OSError:
        return False
    return works
