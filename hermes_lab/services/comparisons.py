"""Comparing any two notebooks: documents, outputs of runs, proposals, or what came in the request."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from hermes_lab.engines.contents import Documents
from hermes_lab.engines.notebook_format import serialise, validate
from hermes_lab.model.actors import Actor, require_scope
from hermes_lab.model.diffs import CreateDiff, Diff, NotebookSource
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import Notebook, sha256
from hermes_lab.model.runs import GetRunNotebook
from hermes_lab.services.diffing import compare, counts
from hermes_lab.services.ignoring import SWITCHES, Ignored, has_keys, is_path
from hermes_lab.services.runs import Runs
from hermes_lab.services.views import ProposalViews


class Comparisons:
    """Makes diffs; nothing is stored."""

    def __init__(self, documents: Documents, runs: Runs, views: ProposalViews) -> None:
        self._documents = documents
        self._runs = runs
        self._views = views

    async def create(self, actor: Actor, request: CreateDiff) -> Diff:
        """From base to remote, per cell and as nbdime's operations.

        Raises:
            NotFound, InvalidRequest: a side is not there, or is no notebook; or `ignore` names no place in one.
            NotAllowed: a side is a run or a proposal, and the actor may not read those.
        """
        ignored = _ignored(request)
        base = await self._side(actor, request.base, "base")
        remote = await self._side(actor, request.remote, "remote")
        return await asyncio.to_thread(_compare, base, remote, ignored)

    async def _side(self, actor: Actor, source: NotebookSource, field: str) -> Notebook:
        if source.path is not None:
            return (await self._documents.read(source.path, f"{field}.path")).notebook
        if source.run_id is not None:
            require_scope(actor, "runs:read")
            return (await self._runs.notebook(actor, GetRunNotebook(run_id=source.run_id))).notebook
        if source.proposal_id is not None:
            require_scope(actor, "proposals:read")
            return self._views.snapshot(self._views.stored(source.proposal_id).proposal_hash)
        return validate(source.notebook, f"{field}.notebook")


def _compare(base: Notebook, remote: Notebook, ignored: Ignored) -> Diff:
    compared = compare(base, remote, ignored)
    return Diff(
        base_hash=sha256(serialise(base)),
        remote_hash=sha256(serialise(remote)),
        changes=compared.changes,
        counts=counts(compared.changes),
        ops=compared.ops,
        other_ids=compared.other_ids,
    )


def _ignored(request: CreateDiff) -> Ignored:
    for path, what in request.ignore.items():
        if not is_path(path):
            _refuse(f"There is no {path!r} in notebooks that could be ignored.", path)
        if not isinstance(what, bool) and not has_keys(path):
            _refuse(f"{path!r} has no keys: it is ignored as a whole, with true.", path)
        if path == "/cells/*" and (what is True or (what and "cell_type" in what)):
            _refuse("The type of a cell cannot be ignored; its keys such as `source` can.", path)
    return Ignored.of((name for name in SWITCHES if not getattr(request, name)), request.ignore)


def _refuse(message: str, path: str) -> NoReturn:
    raise InvalidRequest(message, code="unknown_path", field=f"ignore.{path}")
