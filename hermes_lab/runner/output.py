"""The output notebook on disk: whole at every instant, and never more than two writes a second."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from hermes_lab.engines.regular_files import read_regular
from hermes_lab.engines.storage import scheme_of
from hermes_lab.model.payload import Notebook, now
from hermes_lab.runner.beside import names_beside
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
    """Keeps the file of one run up to date with the notebook in memory.

    Where somebody else writes that file while the run goes on, theirs is left as it is, and the run's goes on beside
    it. ``on_moved`` is then called with the new file, which is there.
    """

    def __init__(
        self, notebook: Notebook, path: Path, replaces: str, run_id: str, on_moved: Callable[[Path], None]
    ) -> None:
        self._notebook = notebook
        self._serialised = SerialisedNotebook(notebook)
        self._asked = self._path = path.resolve()
        self._replaces = replaces
        self._run_id = run_id
        self._on_moved = on_moved
        self._written: Identity | None = None
        self._saved_at: datetime | None = None
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

    @property
    def moved_to(self) -> Path | None:
        """The file beside the one that was asked for; null: it is that one."""
        return None if self._path == self._asked else self._path

    @property
    def told(self) -> str | None:
        """Why it is not where it was asked for, for a person."""
        if self.moved_to is None:
            return None
        return (
            f"Somebody else wrote {self._asked.name} while the run went on; that is left as it is, and the output of"
            f" the run is in {self._path.name} beside it."
        )

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

    async def rescue(self) -> tuple[Path, str]:
        """Where the file cannot be written at all: keep the notebook in the system's folder for temporary files.

        Returns:
            The file, in a folder that nobody else can read, and its sha256.

        Raises:
            OSError: there neither; the message says what is lost.
        """
        content = self._serialised.chunks()
        try:
            path = await asyncio.to_thread(self._rescue, content)
        except OSError as error:
            saved = "was ever saved" if self._saved_at is None else f"came after {self._saved_at:%H:%M:%S} UTC is saved"
            raise OSError(error.errno, f"nothing that {saved}, here or in {tempfile.gettempdir()}") from error
        return path, await asyncio.to_thread(_sha256, content)

    def _rescue(self, content: list[bytes]) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="hermes-output-of-a-run-"))
        path = folder / self._asked.name
        try:
            write_whole(path, content, own=None, mode=self._mode)
        except OSError:
            folder.rmdir()
            raise
        return path

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
        try:
            await asyncio.to_thread(self._write, content)
        except FileExistsError:
            if self._written is None:  # nothing has run, and nothing is lost
                raise
            content = await self._save_beside()
        self._saved_at = now()
        return content

    async def _save_beside(self) -> list[bytes]:
        of_papermill = self._notebook["metadata"]["papermill"]
        recorded = of_papermill["output_path"]
        is_local = recorded is not None and scheme_of(recorded) is None
        for name in names_beside(self._asked, self._run_id):
            path = self._asked.with_name(name)
            if is_local:
                of_papermill["output_path"] = str(Path(recorded).with_name(name))
            content = self._serialised.chunks()
            try:
                written = await asyncio.to_thread(write_whole, path, content, own=None, mode=self._mode)
            except FileExistsError:
                continue
            break
        self._path, self._written = path, written
        _LOG.warning("%s", self.told)
        self._on_moved(path)
        return content

    def _write(self, content: list[bytes]) -> None:
        """Write the file unless it is somebody else's: a person may have saved theirs at its place meanwhile."""
        present = identity(self._path)
        ours = present == self._written if self._written else self._may_replace()
        if present is not None and not ours:
            raise FileExistsError(errno.EEXIST, "somebody else wrote it, and it is left as it is", str(self._path))
        if self._written is None and present is not None:
            remove_spilled(self._path)
        try:
            self._written = write_whole(self._path, content, own=present, mode=self._mode)
        except FileNotFoundError:
            self._written = write_whole(self._path, content, own=None, mode=self._mode)

    @property
    def _mode(self) -> int | None:
        """Who may read and write the file, wherever it goes; null: it was never written, and nobody has said."""
        return None if self._written is None else self._written.mode

    def _may_replace(self) -> bool:
        if self._replaces in ("anything", "nothing"):
            return self._replaces == "anything"
        return hashlib.sha256(read_regular(self._path)).hexdigest() == self._replaces


def _sha256(content: list[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in content:
        digest.update(chunk)
    return digest.hexdigest()
