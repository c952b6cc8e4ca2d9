"""A file of this machine that is kept up to date at a URL while it changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from hermes_lab.engines.storage import write_text

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_UPLOADS = 30.0


class RemoteCopy:
    """Uploads ``local`` to ``remote`` at once, at the end, and after changes not more often than twice a minute.

    Uploads happen in a thread. ``local`` must be a file that is only ever replaced as a whole.
    """

    def __init__(self, local: Path, remote: str, seconds_between: float = _SECONDS_BETWEEN_UPLOADS) -> None:
        self.broken: OSError | None = None
        """Why the first upload failed: nothing that is written will be seen there."""
        self.local = local
        self._remote = remote
        self._seconds_between = seconds_between
        self._uploaded: tuple[int, int] | None = None
        self._closing = asyncio.Event()
        self._uploading: asyncio.Task[None] | None = None

    def begin(self, on_broken: Callable[[], None]) -> None:
        """Start uploading: the file is there now. ``on_broken`` is called when the first upload fails."""
        if self._uploading is None:
            self._uploading = asyncio.create_task(self._upload_changes(on_broken))

    async def finish(self) -> None:
        """Upload the file as it is in the end.

        Raises:
            OSError: the URL holds an earlier state, or nothing.
        """
        self._closing.set()
        if self._uploading is not None:
            await self._uploading
        if self.local.exists():
            await self._upload()

    async def _upload_changes(self, on_broken: Callable[[], None]) -> None:
        try:
            await self._upload()
        except OSError as error:
            self.broken = error
            on_broken()
            return
        while not self._closing.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._seconds_between)
                return
            try:
                await self._upload()
            except OSError as error:  # it may work again by the end; `finish` has the last word
                _LOG.warning("%s is not up to date: %s", self._remote, error)

    async def _upload(self) -> None:
        await asyncio.to_thread(self._put)

    def _put(self) -> None:
        status = self.local.stat()
        present = (status.st_ino, status.st_mtime_ns)
        if present != self._uploaded:
            write_text(self.local.read_text(encoding="utf-8"), self._remote)
            self._uploaded = present
