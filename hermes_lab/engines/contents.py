"""Documents, through the server's ContentsManager: hooks, checkpoints, signing and foreign storage keep working."""

from __future__ import annotations

import asyncio
import posixpath
from dataclasses import dataclass
from typing import Any

import anyio
import nbformat
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.paths import Root
from hermes_lab.model.errors import InvalidRequest, NotFound, Unavailable
from hermes_lab.model.payload import Notebook, sha256

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


class Documents:
    """Read and write notebook documents by their path from the server's root."""

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

    async def is_torn(self, path: str) -> bool:
        """Whether there is a document that does not parse: what a save that was cut off leaves."""
        try:
            await self.read(path)
        except InvalidRequest:
            return True
        except NotFound:
            return False
        return False

    async def write(self, path: str, notebook: Notebook, outputs_from: Document | None) -> str:
        """Save the notebook the way JupyterLab does; answers the sha256 of what is then in the file.

        ``outputs_from`` is the document that every output in ``notebook`` comes from: where the person trusted it,
        the saved document is trusted, and nowhere else.

        Raises:
            Unavailable: the contents manager could not save.
        """
        content = nbformat.from_dict(notebook)
        notary = self._contents.notary
        trusted = outputs_from is not None and notary.check_signature(nbformat.from_dict(outputs_from.notebook))
        notary.mark_cells(content, trusted)
        model = {"type": "notebook", "format": "json", "content": content}
        try:
            await ensure_async(self._contents.save(model, path))
        except HTTPError as error:
            raise Unavailable(f"{path} could not be saved: {error.log_message}", code="not_saved", path=path) from error
        return sha256(await self._text(path, "path"))

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
