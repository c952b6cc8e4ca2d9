"""The sample workspace: a git repository with the example notebook and its history."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

NOTEBOOK = "fleet_health_check.ipynb"
HISTORY = "sample_fleet_history.csv"
# Outputs of runs are results, not sources.
IGNORED = "runs/\n.ipynb_checkpoints/\n"


def make_workspace(checkout: Path, workspace: Path) -> None:
    """Make the folder, copy the example into it and commit it."""
    workspace.mkdir(parents=True)
    for name in (NOTEBOOK, HISTORY):
        shutil.copy(checkout / "examples" / name, workspace)
    (workspace / ".gitignore").write_text(IGNORED)
    git(workspace, "init", "--quiet", "--initial-branch=main")
    git(workspace, "config", "user.name", "hermes_lab demo")
    git(workspace, "config", "user.email", "demo@localhost")
    git(workspace, "config", "commit.gpgsign", "false")
    git(workspace, "add", ".")
    git(workspace, "commit", "--quiet", "--message", "Fleet health check")


def git(workspace: Path, *arguments: str) -> str:
    """Run git in the workspace; returns what it printed."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=True).stdout
