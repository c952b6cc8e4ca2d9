"""Finding and killing everything that a run started, however far it went to get away.

A keeper finds everything. Where there is none, or it was killed, there are three ways to belong to a run: to descend
from its kernel, to be in the kernel's session, or to carry the run's id in the environment, which a child inherits even
when it detaches from its parent and its session.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from hermes_lab.engines.descendants import kill_descendants
from hermes_lab.runner.keeping import PROGRAM

_RUNNER = ["-m", "hermes_lab.runner"]
"""How a runner's process is started; two arguments follow."""
RUN_MARKER = "HERMES_LAB_RUN_ID"
"""Environment variable that every process of a run carries."""


def descendants(root: psutil.Process) -> set[psutil.Process]:
    """The process and all that descend from it now; empty when it is gone."""
    try:
        return {root, *root.children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def strangers() -> set[psutil.Process]:
    """What a kernel left behind whose own keepers were killed: it has come to the keeper of this runner."""
    parent = psutil.Process(os.getppid())
    try:
        command = parent.cmdline()
        # Whoever started the runner may have another installation of this package than the runner has.
        is_keeper = any(Path(word).parts[-3:] == PROGRAM.parts[-3:] for word in command)
        is_runners_keeper = is_keeper and command[-len(_RUNNER) - 2 : -2] == _RUNNER
        others = [child for child in parent.children() if child.pid != os.getpid()] if is_runners_keeper else []
        return {each for child in others for each in descendants(child)}
    except psutil.Error:  # it ends, and sees to what it has
        return set()


def kill_run(run_id: str, known: Iterable[psutil.Process] = (), session: int | None = None) -> None:
    """Kill every process of a run and return when all are gone. Blocks; up to 5 s for one that cannot die.

    ``known`` are processes seen earlier, whose link to the kernel may be lost by now; ``session`` is the id
    of the kernel's session.
    """
    seen = set(known)
    kill_descendants(RUN_MARKER, run_id, session=session, more=lambda: seen | strangers())
