"""Comparing any two notebooks: documents, outputs of runs, proposals, or what came in the request."""

from __future__ import annotations

import asyncio

from hermes_lab.engines.contents import Documents
from hermes_lab.engines.notebook_format import serialise, validate
from hermes_lab.model.actors import Actor, require_scope
from hermes_lab.model.diffs import CreateDiff, Diff, NotebookSource
from hermes_lab.model.payload import Notebook, sha256
from hermes_lab.model.runs import GetRunNotebook
from hermes_lab.services.diffing import counts, diff_notebooks, diff_ops
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
            NotFound, InvalidRequest: a side is not there, or is no notebook.
            NotAllowed: a side is a run or a proposal, and the actor may not read those.
        """
        base = await self._side(actor, request.base, "base")
        remote = await self._side(actor, request.remote, "remote")
        return await asyncio.to_thread(_compare, base, remote, request)

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


def _compare(base: Notebook, remote: Notebook, request: CreateDiff) -> Diff:
    changes = diff_notebooks(base, remote, outputs=request.outputs, metadata=request.metadata)
    return Diff(
        base_hash=sha256(serialise(base)),
        remote_hash=sha256(serialise(remote)),
        changes=changes,
        counts=counts(changes),
        ops=diff_ops(base, remote),
    )
