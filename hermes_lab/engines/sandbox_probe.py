"""Whether this machine lets us shut a kernel off: found out by doing it, and said in words where it does not."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermes_lab.engines.interpreters import interpreter
from hermes_lab.engines.sandbox import Bubblewrap, Enclosure

_SECONDS: Final = 30.0
_OLDEST: Final = (0, 4)
_SYSTEM_SETTINGS: Final = {
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "kernel.unprivileged_userns_clone=1"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", "kernel.apparmor_restrict_unprivileged_userns=0"),
    "/proc/sys/user/max_user_namespaces": ("0", "user.max_user_namespaces=10000"),
}
"""What forbids user namespaces: the file, the value that does, and the setting that allows them."""


@dataclass(frozen=True)
class SandboxReport:
    """``reason`` says in words why it does not work and what can be done; null where it works."""

    bubblewrap: Bubblewrap | None
    reason: str | None = None

    @property
    def works(self) -> bool:
        """Whether kernels can be shut off here."""
        return self.reason is None

    @property
    def version(self) -> str | None:
        """Of bubblewrap; null where there is none."""
        return ".".join(map(str, self.bubblewrap.version)) if self.bubblewrap else None


def probe() -> SandboxReport:
    """Start a Python in a sandbox, once for each bubblewrap that PATH leads to. Blocks for some 50 ms."""
    return _probed(shutil.which("bwrap"), sys.platform)


@functools.lru_cache(maxsize=8)
def _probed(program: str | None, platform: str) -> SandboxReport:
    if platform != "linux":
        return SandboxReport(None, "bubblewrap needs Linux.")
    if program is None:
        return SandboxReport(None, "bubblewrap is missing: install the package `bubblewrap` (Debian, Ubuntu, Fedora).")
    try:
        return _tried(program, _version(program))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return SandboxReport(None, f"bubblewrap at {program} cannot be used: {error}")


def _tried(program: str, version: tuple[int, ...]) -> SandboxReport:
    found = Bubblewrap(program, version)
    if version < _OLDEST:
        return SandboxReport(found, f"bubblewrap {_dotted(version)} is too old: {_dotted(_OLDEST)} is the oldest.")
    complaint = _complaint(found)
    if complaint is None:
        return SandboxReport(found)
    # Where user namespaces are forbidden, root has no need of one.
    without = Bubblewrap(program, version, own_users=False)
    return SandboxReport(found, _explained(complaint)) if _complaint(without) else SandboxReport(without)


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=True).stdout
    numbers = re.search(r"\d+(\.\d+)+", said)
    if numbers is None:
        raise ValueError(f"it says {said.strip()!r} when asked for its version")
    return tuple(map(int, numbers[0].split(".")))


def _complaint(bubblewrap: Bubblewrap) -> str | None:
    """What it says when a kernel's interpreter does not start in it."""
    with tempfile.TemporaryDirectory(prefix="hermes-") as name:
        folder = Path(name)
        scratch = folder / "scratch"
        scratch.mkdir()
        enclosure = Enclosure(folder, scratch, interpreter(Path(sys.executable)))
        enclosure.connection_file.touch()
        enclosure.prepare()
        command = enclosure.wrap([sys.executable, "-I", "-S", "-c", ""], bubblewrap, scratch)
        done = subprocess.run(
            command,
            env=enclosure.environment({}, {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    if done.returncode == 0:
        return None
    return done.stderr.strip() or f"exit status {done.returncode}"


def _explained(complaint: str) -> str:
    said = f" ({complaint.splitlines()[-1]})"
    for file, (value, remedy) in _SYSTEM_SETTINGS.items():
        if Path(file).exists() and Path(file).read_text().strip() == value:
            return f"User namespaces are forbidden here: an administrator can allow them, `sysctl -w {remedy}`{said}."
    lowered = complaint.lower()
    if "namespace" in lowered or "uid map" in lowered or "no space left" in lowered:
        return f"User namespaces are forbidden here; in a container, its host's administrator allows them{said}."
    if "loopback" in lowered or "rtm_" in lowered:
        return f"A network namespace is forbidden here; in a container, its host's administrator allows them{said}."
    if "proc" in lowered and "mount" in lowered:
        return (
            "A new /proc cannot be mounted here. In Docker: start the container with "
            f"`--security-opt systempaths=unconfined`{said}."
        )
    return f"bubblewrap does not start a program here{said}."


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
