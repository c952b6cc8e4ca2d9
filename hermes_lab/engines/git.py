"""git: where the repository of a notebook stands."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

from hermes_lab.model.run_records import GitRevision

_log = logging.getLogger(__name__)
_SECONDS = 10.0
_NONE = {"(initial)", "(detached)"}


def revision_of(document: Path) -> GitRevision | None:
    """The revision of the repository that the document lies in; None where it lies in none, or there is no git.

    Nothing of the repository is changed, nor executed: a repository may name a program that git asks for changes.
    """
    status = _git(document.parent, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if status is None:
        return None
    lines = status.splitlines()
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    changed = any(not line.startswith("#") for line in lines)
    tracked = bool(_git(document.parent, "ls-files", "--", document.name))
    return GitRevision(
        revision=_known(heads.get("branch.oid")),
        branch=_known(heads.get("branch.head")),
        dirty=changed or not tracked,
    )


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers; None where it does not."""
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "--literal-pathspecs", *arguments],
            cwd=folder,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.info("git does not answer for %s: %s", folder, error)
        return None
    return done.stdout if done.returncode == 0 else None


def _known(word: str | None) -> str | None:
    return None if word in _NONE else word
