"""Finding processes of this machine from outside."""

from __future__ import annotations

from pathlib import Path


def process_with(argument: str) -> int | None:
    """The process that was started with this argument."""
    for folder in Path("/proc").iterdir():
        try:
            if argument.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                return int(folder.name)
        except (OSError, ValueError):
            continue
    return None
