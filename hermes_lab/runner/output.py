"""The output notebook on disk: whole at every instant, and never more than two writes a second."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import time
from pathlib import Path

from hermes_lab.model.payload import Notebook
from hermes_lab.runner.files import Identity, identity, write_whole
from hermes_lab.runner.serialised import SerialisedNotebook
from hermes_lab.runner.spill import remove_spilled

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_SAVES = 0.5
_SAVING_SHARE = 0.1
"""A notebook that is slow to write is written less often: saving may take this share of the time …"""
_MOST_SECONDS_BETWEEN_SAVES = 30.0
"""… but what has changed is on disk after so long, whatever it costs."""


class OutputNotebook:
    """Keeps the file of one run up to date with the notebook in memory."""

    def __init__(self, notebook: Notebook, path: Path, replaces: str) -> None:
        self._serialised = SerialisedNotebook(notebook)
        self._path = path
        self._replaces = replaces
        self._written: Identity | None = None
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

    def changed(self, cell_id: str) -> None:
        """Have the notebook written soon, with this cell as it is then."""
        self._serialised.changed(cell_id)
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
        content = await self._save()
        return await asyncio.to_thread(_sha256, content)

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
            share = (time.monotonic() - began) / _SAVING_SHARE
            pause = min(max(_SECONDS_BETWEEN_SAVES, share), _MOST_SECONDS_BETWEEN_SAVES)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause)

    async def _save(self) -> list[bytes]:
        content = self._serialised.chunks()
        await asyncio.to_thread(self._write, content)
        return content

    def _write(self, content: list[bytes]) -> None:
        """Write the file unless it is somebody else's: a person may have saved theirs at its place meanwhile."""
        present = identity(self._path)
        ours = present == self._written if self._written else self._may_replace()
        if present is not None and not ours:
            raise FileExistsError(errno.EEXIST, "somebody else wrote it, and it is left as it is", str(self._path))
        if self._written is None and present is not None:
            remove_spilled(self._path)
        write_whole(self._path, content, new=present is None)
        self._written = identity(self._path)

    def _may_replace(self) -> bool:
        if self._replaces in ("anything", "nothing"):
            return self._replaces == "anything"
        return hashlib.sha256(self._path.read_bytes()).hexdigest() == self._replaces


def _sha256(content: list[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in content:
        digest.update(chunk)
    return digest.hexdigest()
