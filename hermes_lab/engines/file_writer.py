"""Writing a merge into the file of a document, so that it is all there, or nothing of it.

A contents manager saves by truncating the file in its place and knows no condition: its save can be cut off, and it
overwrites whatever is there. So the file is compared right before, and looked at right after; what is done between the
comparison and the save by somebody else's own writing is what nobody can see (docs/review.md).
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Sequence

from tornado.web import HTTPError

from hermes_lab.engines.contents import Document, Documents, Found
from hermes_lab.engines.document_writer import MayWrite
from hermes_lab.engines.notebook_format import parse, validate
from hermes_lab.model.errors import (
    Conflict,
    DocumentMoved,
    HalfWritten,
    HermesError,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from hermes_lab.model.payload import JsonObject, Notebook, sha256

_log = logging.getLogger(__name__)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}
_ATTEMPTS = 2


class FileWriter:
    """A `DocumentWriter` for documents that nobody has open here: what is in the file is all there is."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def read(self, path: str) -> Document | None:
        """See DocumentWriter."""
        try:
            return await self._documents.read(path)
        except NotFound:
            return None

    async def write(self, path: str, notebook: Notebook, before: Document | None, may_write: MayWrite) -> str:
        """See DocumentWriter."""
        if before is None and not await self._documents.has_folder(path):
            raise Conflict(f"The folder of {path} is gone.", code="folder_missing", field="path", path=path)
        found = await self._documents.look(path)
        if found.text != _text(before):
            raise DocumentMoved("The document was written by somebody else.", current_hash=_hash(found))
        return await self._save(path, notebook, before, may_write)

    async def finish(self, path: str, notebook: Notebook, before: Document | None, may_write: MayWrite) -> str | None:
        """See DocumentWriter."""
        found = await self._documents.look(path)
        if found.torn or found.text == _text(before):
            return await self._save(path, notebook, before, may_write)
        return found.text if await _is_there(found, [notebook], before) else None

    async def _save(self, path: str, notebook: Notebook, before: Document | None, may_write: MayWrite) -> str:
        model = self._documents.to_save(notebook, before)
        may_write()
        for _ in range(_ATTEMPTS):
            failure = await _failure_of(self._documents.save(path, model))
            found = await self._documents.look(path)
            if not found.torn:
                break
            _log.warning("The save of %s was cut off: %r", path, failure)
            _check_still(may_write, path)
            model = self._documents.to_save(notebook, before)
        else:
            await self._restore(path, before)
            found = Found(_text(before), torn=False)
        if failure is not None and found.text == _text(before):
            raise _refusal(path, failure) from failure
        if found.text is not None and await _is_there(found, [model["content"], notebook], before):
            if failure is not None:
                _log.warning("%s was saved, but what follows a save went wrong: %r", path, failure)
            return found.text
        raise Conflict(
            "The merge was written, but something else is in the file: another writer, or a hook of this server.",
            code="document_overwritten",
            path=path,
            current_hash=_hash(found),
        )

    async def _restore(self, path: str, before: Document | None) -> None:
        """Have the file be as before, where half of a save is in it."""
        if before is None:
            failure = await _failure_of(self._documents.delete(path))
        else:
            text: JsonObject = {"type": "file", "format": "text", "content": before.text}
            failure = await _failure_of(self._documents.save(path, text))
        found = await self._documents.look(path)
        if found.text != _text(before):
            raise HalfWritten(
                f"The save of {path} was cut off, and it could be neither completed nor restored; it will be.",
                path=path,
            ) from failure


async def _failure_of(saving: Awaitable[None]) -> Exception | None:
    """What went wrong; the file says what it came to."""
    try:
        await saving
    except Exception as failure:  # noqa: BLE001 - contents managers, hooks and checkpoints raise what they like
        return failure
    return None


def _check_still(may_write: MayWrite, path: str) -> None:
    try:
        may_write()
    except DocumentMoved as overtaken:
        raise HalfWritten(f"The save of {path} was cut off, and another one begins.", path=path) from overtaken


async def _is_there(found: Found, wanted: Sequence[Notebook], before: Document | None) -> bool:
    return await asyncio.to_thread(_holds, found, wanted, before)


def _holds(found: Found, wanted: Sequence[Notebook], before: Document | None) -> bool:
    """Whether the file holds one of the notebooks.

    Foreign storage, and hooks that replace the file, may leave out or add metadata: where the sources are other ones
    than before, they are enough.
    """
    there = _cells(None if found.text is None else _parsed(found.text))
    if there is None:
        return False
    old = _sources(_cells(before.notebook if before else None))
    for notebook in wanted:
        cells = _cells(notebook)
        if cells == there or (old != _sources(cells) == _sources(there)):
            return True
    return False


def _parsed(text: str) -> Notebook | None:
    """The notebook in the text; None where it is none."""
    try:
        return parse(text)
    except InvalidRequest:
        return None


def _cells(notebook: Notebook | None) -> list[JsonObject] | None:
    """What of a notebook a merge writes: its metadata, and its cells without their outputs."""
    if notebook is None:
        return None
    try:
        normalised = validate(notebook)
    except InvalidRequest:
        return None  # a hook made something else of it
    results = ("outputs", "execution_count")
    cells = [{key: value for key, value in cell.items() if key not in results} for cell in normalised["cells"]]
    return [{"metadata": normalised["metadata"]}, *cells]


def _sources(cells: list[JsonObject] | None) -> list[tuple[object, object]] | None:
    return None if cells is None else [(cell.get("cell_type"), cell.get("source")) for cell in cells]


def _text(document: Document | None) -> str | None:
    return None if document is None else document.text


def _hash(found: Found) -> str | None:
    return None if found.text is None else sha256(found.text)


def _refusal(path: str, failure: Exception) -> HermesError:
    """Why nothing was written."""
    number = _errno(failure)
    if number in _NO_ROOM:
        return Unavailable(f"There is no room left to save {path}.", code="disk_full", path=path)
    if number in _READ_ONLY or (isinstance(failure, HTTPError) and failure.status_code == 403):
        return Conflict(f"{path} may not be written.", code="document_read_only", path=path)
    words = failure.log_message if isinstance(failure, HTTPError) else repr(failure)
    return Unavailable(f"{path} could not be saved: {words}", code="not_saved", path=path)


def _errno(failure: BaseException | None) -> int | None:
    """The number of the operating system's error that is the cause, however often it was wrapped."""
    while failure is not None:
        if isinstance(failure, OSError):
            return failure.errno
        failure = failure.__cause__ or failure.__context__
    return None
