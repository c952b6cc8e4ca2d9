"""Chromium for the browser tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from demo_steps.console import Failed, note, run_logged, step

NAMES = ("chromium", "chromium-browser", "google-chrome")


def ensure_browser(log: Path) -> bool:
    """Whether there is a Chromium; installs Debian's where it is missing and this may."""
    if any(shutil.which(name) for name in NAMES):
        return True
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        note(f"there is no {' and no '.join(NAMES)}: the browser tests are skipped (as root: apt install chromium)")
        return False
    step("installing Chromium for the browser tests")
    log.write_text("")
    try:
        run_logged(["apt-get", "update"], log, cwd=log.parent)
        packages = ["chromium", "fonts-dejavu-core"]
        run_logged(["apt-get", "install", "--yes", "--no-install-recommends", *packages], log, cwd=log.parent)
    except Failed as failure:
        note(f"Chromium cannot be installed, the browser tests are skipped: {failure}")
        return False
    return True
