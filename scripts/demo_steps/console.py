"""What the demo says while it works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SECONDS_BETWEEN_LINES = 20


class Failed(Exception):
    """A step failed; the message says which one, why, and what to do where we know."""


def step(message: str) -> None:
    """Announce the next step."""
    print(f"==> {message}", flush=True)


def note(message: str) -> None:
    """Say something about the present step."""
    print(f"    {message}", flush=True)


def run_logged(command: Sequence[str], log: Path, cwd: Path) -> None:
    """Run a command that takes a while: its output goes to a file, the time that passes to the console.

    Raises:
        Failed: the command failed; the message ends with the last lines of its output.
    """
    started = time.monotonic()
    with log.open("a", encoding="utf-8") as output:
        child = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            while not _ended_within(child, 1 if sys.stdout.isatty() else SECONDS_BETWEEN_LINES):
                _show_time(time.monotonic() - started, log)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)  # npm and the compilers that the command started, too
            child.wait()
            raise
    if sys.stdout.isatty():
        print("\r\x1b[K", end="")
    if child.returncode:
        raise Failed(f"{' '.join(command[:4])} … failed. The end of {log}:\n{tail(log)}")
    note(f"done in {time.monotonic() - started:.0f} s")


def tail(log: Path, lines: int = 25) -> str:
    """The last lines of a log file, indented."""
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"    | {line}" for line in text[-lines:])


def _ended_within(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _show_time(seconds: float, log: Path) -> None:
    last_line = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2].strip()
    line = f"    {seconds:4.0f} s  {last_line[:90]}"
    print(
        f"\r\x1b[K{line}" if sys.stdout.isatty() else line,
        end="" if sys.stdout.isatty() else "\n",
        flush=True,
    )
