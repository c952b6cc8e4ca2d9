"""The notebooks that evidence compares, each ready to be executed in a scratch copy of the document's folder."""

from __future__ import annotations

import asyncio
import glob
from dataclasses import dataclass
from pathlib import Path

from hermes_lab.engines.file_listings import Listing, list_files
from hermes_lab.engines.inclusion import Inclusion
from hermes_lab.engines.notebook_format import serialise
from hermes_lab.engines.paths import Root
from hermes_lab.engines.scratch import Selection, copy_again, copy_folder
from hermes_lab.model.evidence import Evidence
from hermes_lab.model.evidence_comparisons import SideName
from hermes_lab.model.payload import Notebook, new_id, now
from hermes_lab.model.proposals import Proposal
from hermes_lab.model.runs import Progress, Run
from hermes_lab.services.evidence_notebooks import EvidenceNotebooks
from hermes_lab.services.evidence_policy import EvidencePolicy
from hermes_lab.services.executions import Workplace
from hermes_lab.services.installed_kernels import InstalledKernels
from hermes_lab.store import Snapshot, Store


@dataclass(frozen=True)
class EvidenceSide:
    """One of the executions, ready to begin."""

    name: SideName
    notebook: Notebook
    run: Run
    workplace: Workplace
    files_before: Listing


class EvidenceSides:
    """Finds the notebooks, and makes the scratch copies that they run in."""

    def __init__(
        self, store: Store, root: Root, notebooks: EvidenceNotebooks, kernels: InstalledKernels, policy: EvidencePolicy
    ) -> None:
        self._store = store
        self._root = root
        self._notebooks = notebooks
        self._kernels = kernels
        self._policy = policy

    async def prepared(
        self, evidence: Evidence, proposal: Proposal, scratch: Path
    ) -> tuple[list[EvidenceSide], list[str]]:
        """What is to be executed, base first; and what to know of the scratch copies, in words. All that can be
        refused is refused here, before anything runs.

        Raises:
            HermesError: the folder is too large to be copied, or out of reach; there is no such kernel any more.
        """
        compared = await self._notebooks.of(evidence, proposal)
        proposed = await asyncio.to_thread(Snapshot.of, serialise(compared.proposed))
        notebooks: dict[SideName, tuple[Notebook, str]] = {}
        if compared.base is not None and compared.base_hash is not None:
            notebooks["base"] = compared.base, compared.base_hash
            if evidence.repeat_base:
                notebooks["base_again"] = notebooks["base"]
        notebooks["proposal"] = compared.proposed, self._store.snapshots.keep(proposed)
        document = self._root.resolve(proposal.path, "path")
        # Nobody else on the machine has business here, and what a kernel leaves may be anything.
        await asyncio.to_thread(scratch.mkdir, mode=0o700, parents=True)
        folders = {side: scratch / side for side in notebooks}
        listings, notes = await asyncio.to_thread(self._copy, evidence, document, folders)
        prepared = []
        for side, (notebook, digest) in notebooks.items():
            run = Run(
                run_id=new_id(),
                origin="evidence",
                author=evidence.author,
                input_path=proposal.path,
                input_hash=digest,
                output_path=None,
                parameters=evidence.parameters,
                kernel_name=(await self._kernels.kernel_to_start(notebook, None)).name,
                timeout_seconds=evidence.timeout_seconds,
                sandboxed=evidence.sandboxed,
                created_at=now(),
                progress=Progress.of(notebook),
            )
            sandbox = self._policy.sandbox(folders[side]) if evidence.sandboxed else None
            output = scratch / f"{side}.ipynb"
            workplace = Workplace(folder=folders[side], document=document, output=output, sandbox=sandbox)
            prepared.append(EvidenceSide(side, notebook, run, workplace, listings[side]))
        return prepared, notes

    def _copy(
        self, evidence: Evidence, document: Path, folders: dict[SideName, Path]
    ) -> tuple[dict[SideName, Listing], list[str]]:
        """The original is read once: what changes meanwhile is the same for all sides."""
        inclusion = None
        if evidence.include is not None:
            inclusion = Inclusion([*evidence.include, *([glob.escape(document.name)] if document.is_file() else [])])
        selection = Selection(self._root.closes, not evidence.sandboxed, inclusion)
        first, *others = folders
        notes = copy_folder(document.parent, folders[first], self._policy.copy_limit_bytes, selection)
        for side in others:
            copy_again(folders[first], folders[side])
        listed = list_files(folders[first])
        listings: dict[SideName, Listing] = {side: list_files(folders[side], copy_of=listed) for side in others}
        return {first: listed, **listings}, notes
