"""Where the notebooks of runs are: below the server's root, or at a URL whose scheme the settings allow."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from hermes_lab.engines.contents import Document, Documents
from hermes_lab.engines.notebook_format import parse
from hermes_lab.engines.paths import Root
from hermes_lab.engines.storage import check_scheme, check_storage, is_there, read_text, scheme_of
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import Conflict, InvalidRequest, NotAllowed
from hermes_lab.model.payload import sha256
from hermes_lab.model.runs import CreateRun, Run


class RunPlaces:
    """Finds the input and the output of a run. An output at a URL has a copy below the root, which runs write.

    URLs are for people alone: what an agent puts at an address would be code that it wrote, executed without the policy
    for such code, and what it writes to one would leave with the server's credentials.
    """

    def __init__(self, documents: Documents, root: Root, remote_schemes: Collection[str]) -> None:
        self._documents = documents
        self._root = root
        self._schemes = frozenset(remote_schemes)

    async def read(self, actor: Actor, path: str, field: str) -> Document:
        """The notebook as it is now.

        Raises:
            NotAllowed: it is at a URL, and this server reads none of its scheme, or none for this actor.
            InvalidRequest, NotFound, Unavailable: as the place has it.
        """
        if scheme_of(path) is None:
            return await self._documents.read(path, field)
        self._check(actor, path, field)
        text = await asyncio.to_thread(read_text, path, field)
        return Document(path, text, sha256(text), await asyncio.to_thread(parse, text, field))

    def input_file(self, path: str) -> Path:
        """The file of a run's notebook, in the folder where it runs; that of one at a URL is not there."""
        remote = scheme_of(path) is not None
        return self._root.folder / PurePosixPath(path).name if remote else self._root.resolve(path, "input_path")

    async def check_output(self, actor: Actor, request: CreateRun) -> None:
        """Refuse an output at a URL that this server does not write, or where something is.

        Raises:
            NotAllowed: it writes none of its scheme, or none for this actor.
            InvalidRequest: it is no notebook's address.
            Conflict: something is there.
        """
        path = request.output_path
        if path is None or scheme_of(path) is None:
            return
        self._check(actor, path, "output_path")
        if not path.endswith(".ipynb"):
            raise InvalidRequest(f"{path!r} is not a notebook (.ipynb).", code="not_a_notebook", field="output_path")
        await asyncio.to_thread(check_storage, path, "output_path")
        if path == request.input_path:
            raise Conflict("A run does not write over its input.", code="output_is_input", field="output_path")
        if not request.overwrite and await asyncio.to_thread(is_there, path):
            raise Conflict(f"{path} exists.", code="output_exists", field="output_path")

    def _check(self, actor: Actor, path: str, field: str) -> None:
        check_scheme(path, self._schemes, field)
        if actor.kind != "human":
            raise NotAllowed("Only people run notebooks at URLs here.", code="remote_scheme_not_allowed", field=field)

    def output(self, request: CreateRun, run_id: str) -> tuple[str, Path]:
        """The output path of a run, and the file that it writes."""
        default = _default_output(request.input_path, run_id)
        path = request.output_path or default
        if scheme_of(path) is not None:
            return path, self._root.resolve(default, "output_path")
        spelled = self._documents.check_path(path, "output_path")
        return spelled, self._root.resolve(spelled, "output_path")

    def output_file(self, run: Run) -> Path | None:
        """The file that a run writes; null for a run that is evidence."""
        if run.output_path is None:
            return None
        remote = scheme_of(run.output_path) is not None
        path = _default_output(run.input_path, run.run_id) if remote else run.output_path
        return self._root.resolve(path, "output_path")


def _default_output(input_path: str, run_id: str) -> str:
    return f"runs/{PurePosixPath(input_path).stem}/{run_id}.ipynb"
