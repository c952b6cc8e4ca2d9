"""The output notebook on disk: whole at every instant, and never more than two writes a second."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import time
from pathlib import Path

from nbformat import NotebookNode, from_dict
from nbformat.v4 import writes_json

from hermes_lab.engines.strict_json import encode, finite

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_SAVES = 0.5
_SAVING_SHARE = 0.1
"""A notebook that is slow to write is written less often: saving may take this share of the time."""


def serialize(notebook: NotebookNode) -> bytes:
    """The notebook as nbformat writes it, but as JSON that every parser reads."""
    try:
        text = writes_json(notebook, allow_nan=False)
    except ValueError:
        text = writes_json(from_dict(finite(notebook)), allow_nan=False)
    return encode(text) + b"\n"


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash, finds the old content or the new one, never a part.

    Raises:
        OSError: nothing was replaced, and nothing is left behind.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(target.stat().st_mode)
        temporary.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class OutputNotebook:
    """Keeps the file of one run up to date with the notebook in memory."""

    def __init__(self, notebook: NotebookNode, path: Path) -> None:
        self._notebook = notebook
        self._path = path
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._saving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Write the notebook for the first time, then again whenever `changed` was called.

        Raises:
            OSError: the file cannot be written; nothing should run.
        """
        await self._save()
        self._saving = asyncio.create_task(self._save_changes())

    def changed(self) -> None:
        """Have the notebook written soon."""
        self._changed.set()

    async def close(self) -> str:
        """Write the notebook for the last time and return the sha256 of the file.

        Raises:
            OSError: the file holds the last state that could be written.
        """
        self._closing.set()
        self._changed.set()
        if self._saving is not None:
            await self._saving
        return await self._save()

    async def _save_changes(self) -> None:
        while not self._closing.is_set():
            await self._changed.wait()
            self._changed.clear()
            if self._closing.is_set():
                return
            began = time.monotonic()
            try:
                await self._save()
            except OSError as error:  # the disk may have room again by the end; `close` has the last word
                _LOG.warning("The output notebook %s cannot be written now: %s", self._path, error)
            pause = max(_SECONDS_BETWEEN_SAVES, (time.monotonic() - began) / _SAVING_SHARE)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause)

    async def _save(self) -> str:
        content = serialize(self._notebook)
        await asyncio.to_thread(write_whole, self._path, content)
        return hashlib.sha256(content).hexdigest()
