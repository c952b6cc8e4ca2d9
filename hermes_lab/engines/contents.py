"""Documents, through the server's ContentsManager: hooks, checkpoints, signing and foreign storage keep working.

How a merge is written safely is in file_writer.py."""

from __future__ import annotations

import asyncio
import json
import posixpath
from dataclasses import dataclass
from typing import Any

import anyio
import nbformat
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.paths import Root
from hermes_lab.model.errors import InvalidRequest, NotFound
from hermes_lab.model.payload import JsonObject, Notebook, sha256

_TORN_READ_RETRIES = 6
_TORN_READ_PAUSE_SECONDS = 0.05
_LARGE = 50_000
"""Characters of a notebook that take longer to read than it takes to hand them to another thread."""


def load() -> None:
    """Import what Jupyter's own contents manager needs for its first file, so that nobody waits for it later.

    Not to be called in a thread with an event loop.
    """
    anyio.run(anyio.sleep, 0)


@dataclass(frozen=True)
class Document:
    """A notebook document as it was at one moment. ``hash`` is the sha256 of ``text``, the file's own bytes."""

    path: str
    text: str
    hash: str
    notebook: Notebook


@dataclass(frozen=True)
class Found:
    """What is at a path: a text, whatever it means; None: nothing. ``torn``: it is no JSON, such as half of a save."""

    text: str | None
    torn: bool


class Documents:
    """Read and save notebook documents by their path from the server's root."""

    def __init__(self, contents_manager: Any, root: Root) -> None:
        self._contents = contents_manager
        self._root = root

    def check_path(self, path: str, field: str = "path") -> str:
        """The path in its one spelling.

        Raises:
            InvalidRequest: it leaves the root (symbolic links followed), or names no notebook file.
        """
        spelled = posixpath.normpath(path.strip("/"))
        self._root.resolve(spelled, field)
        if not spelled.endswith(".ipynb"):
            raise InvalidRequest(f"{path!r} is not a notebook (.ipynb).", code="not_a_notebook", field=field)
        return spelled

    async def read(self, path: str, field: str = "path") -> Document:
        """The document as it is now.

        Raises:
            InvalidRequest: the path leaves the root, or what is there is no valid notebook.
            NotFound: nothing is there.
        """
        spelled = self.check_path(path, field)
        for _ in range(_TORN_READ_RETRIES):
            text = await self._text(spelled, field)
            try:
                return await _parsed_apart(spelled, text, field)
            except InvalidRequest:
                # A contents save truncates in place: what does not parse may be half of a save. Look again.
                await asyncio.sleep(_TORN_READ_PAUSE_SECONDS)
        return await _parsed_apart(spelled, text, field)

    async def hash(self, path: str) -> str | None:
        """The sha256 of the document's bytes; None where there is no document."""
        try:
            return sha256(await self._text(path, "path"))
        except NotFound:
            return None

    async def look(self, path: str) -> Found:
        """What is in the file now; what is torn is looked at again for a moment, as somebody may be saving it."""
        for _ in range(_TORN_READ_RETRIES):
            try:
                text = await self._text(path, "path")
                if await asyncio.to_thread(_is_json, text):
                    return Found(text, torn=False)
            except NotFound:
                return Found(None, torn=False)
            except InvalidRequest:
                text = ""  # it was cut in the middle of a character
            await asyncio.sleep(_TORN_READ_PAUSE_SECONDS)
        return Found(text, torn=True)

    def to_save(self, notebook: Notebook, outputs_from: Document | None) -> JsonObject:
        """The notebook as contents managers save it; a hook may change its ``content``.

        ``outputs_from`` is the document that every output in ``notebook`` comes from: where the person trusted it,
        the saved document is trusted, and nowhere else.
        """
        content = nbformat.from_dict(notebook)
        notary = self._contents.notary
        trusted = outputs_from is not None and notary.check_signature(nbformat.from_dict(outputs_from.notebook))
        notary.mark_cells(content, trusted)
        return {"type": "notebook", "format": "json", "content": content}

    async def save(self, path: str, model: JsonObject) -> None:
        """Save a model the way JupyterLab does: a notebook (`to_save`), or the text of a file.

        Raises:
            Exception: what a contents manager, a hook or a checkpoint raises; what is in the file then is not known.
        """
        await ensure_async(self._contents.save(model, path))

    async def delete(self, path: str) -> None:
        """Delete the file.

        Raises:
            Exception: as `save`.
        """
        await ensure_async(self._contents.delete(path))

    async def has_folder(self, path: str) -> bool:
        """Whether the folder that the document is in is there."""
        return bool(await ensure_async(self._contents.dir_exists(posixpath.dirname(path))))

    async def _text(self, path: str, field: str) -> str:
        try:
            model = await ensure_async(self._contents.get(path, content=True, type="file", format="text"))
        except HTTPError as error:
            if error.status_code == 404:
                raise NotFound(f"There is no {path}.", code="no_such_notebook", field=field, path=path) from error
            raise InvalidRequest(
                f"{path} cannot be read as a notebook: {error.log_message}",
                code="invalid_notebook",
                field=field,
            ) from error
        text: str = model["content"]
        return text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except RecursionError:
        return True  # nested too deeply for us, which is not cut off
    except ValueError:
        return False
    return True


async def _parsed_apart(path: str, text: str, field: str) -> Document:
    """A large notebook takes a while, and others want an answer meanwhile."""
    if len(text) < _LARGE:
        return _document(path, text, field)
    return await asyncio.to_thread(_document, path, text, field)


def _document(path: str, text: str, field: str) -> Document:
    return Document(path, text, sha256(text), _parsed(text, field))


def _parsed(text: str, field: str) -> Notebook:
    """The notebook in a file. What is wrong in the file is the fault of the field that names it; `place` says where."""
    try:
        return parse(text)
    except InvalidRequest as error:
        place = error.details["field"]
        raise InvalidRequest(error.message, code=error.code, field=field, place=place) from error
