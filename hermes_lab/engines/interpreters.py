"""Where a Python interpreter lives: the folders that it needs in order to start and to import what is installed."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 30.0
# A folder beside the prefixes counts only by its name: a user's site-packages, or the dist-packages of Debian. What an
# editable installation adds to the path is somebody's working folder.
_ASK = """
import json, os, site, sys
prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
installed = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
print(json.dumps([prefixes + installed, site.getuserbase() if site.ENABLE_USER_SITE else None]))
"""


@dataclass(frozen=True)
class Interpreter:
    """``program`` is what is executed, no link followed; ``user_base`` is null where user installations are off."""

    program: Path
    folders: tuple[Path, ...]
    user_base: Path | None


def program_of(name: str) -> Path:
    """What a kernel's command starts; a bare ``python`` is this interpreter, as Jupyter has it.

    Raises:
        FileNotFoundError: there is no such program.
    """
    this = {"python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info)}
    found = sys.executable if name in this else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"There is no program {name!r}.")
    return Path(os.path.abspath(found))  # noqa: PTH100 - resolve() would follow the links that make a virtual environment


def interpreter(program: Path) -> Interpreter:
    """The folders of a Python program. Blocks while it is asked, once for as long as it stays the same.

    Raises:
        OSError: it does not say.
    """
    return _asked(program, program.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _asked(program: Path, _modified: int) -> Interpreter:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # `-c` puts the present folder first on the path, and anybody's files may lie in the server's.
    asked = subprocess.run(
        [program, "-c", _ASK], cwd="/", env=clean, capture_output=True, timeout=_SECONDS, text=True, check=False
    )
    if asked.returncode != 0:
        raise OSError(f"{program} does not say where it is installed: {asked.stderr.strip()[-500:]}")
    folders, user_base = json.loads(asked.stdout)
    unique = dict.fromkeys(Path(folder) for folder in folders if os.path.isdir(folder))  # noqa: PTH112
    return Interpreter(program, tuple(unique), Path(user_base) if user_base else None)
