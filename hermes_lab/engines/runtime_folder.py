"""A folder that holds hermes_runtime and nothing else, for the ``PYTHONPATH`` of kernels.

The folder that the package is installed in holds the server's other libraries too; on the path of a kernel of
another environment they would hide that environment's own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_PACKAGE: Final = "hermes_runtime"
_DIGITS: Final = 16


def runtime_folder(parent: Path) -> Path:
    """The folder below ``parent`` for the installed version of hermes_runtime, made where it is missing.

    Its name is the hash of its content, so that an upgrade never changes files under a running kernel.

    Raises:
        ModuleNotFoundError: hermes_runtime is not installed.
    """
    source = _source()
    folder = parent / _digest(source)[:_DIGITS]
    if not folder.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=parent))
        shutil.copytree(source, fresh / _PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        fresh.chmod(0o755)
        try:
            os.rename(fresh, folder)  # noqa: PTH104 - must fail, not replace, where another server was first
        except OSError:
            shutil.rmtree(fresh)
            if not folder.is_dir():
                raise
    return folder


def _source() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {_PACKAGE!r}", name=_PACKAGE)
    return Path(spec.origin).parent


def _digest(source: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(source.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            total.update(file.relative_to(source).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()
