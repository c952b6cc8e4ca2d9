"""The notebooks that evidence compares, each ready to be executed in a scratch copy of the document's folder."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from hermes_lab.engines.paths import Root
from hermes_lab.engines.scratch import copy_folder
from hermes_lab.model.evidence import Evidence
from hermes_lab.model.evidence_comparisons import SideName
from hermes_lab.model.payload import Notebook, new_id, now
from hermes_lab.model.proposals import Proposal
from hermes_lab.model.runs import Progress, Run
from hermes_lab.services.evidence_policy import EvidencePolicy
from hermes_lab.services.executions import Workplace
from hermes_lab.services.installed_kernels import InstalledKernels
from hermes_lab.services.views import ProposalViews


@dataclass(frozen=True)
class EvidenceSide:
    """One of the executions, ready to begin."""

    name: SideName
    notebook: Notebook
    run: Run
    workplace: Workplace


class EvidenceSides:
    """Finds the notebooks, and makes the scratch copies that they run in."""

    def __init__(self, root: Root, views: ProposalViews, kernels: InstalledKernels, policy: EvidencePolicy) -> None:
        self._root = root
        self._views = views
        self._kernels = kernels
        self._policy = policy

    async def prepared(self, evidence: Evidence, proposal: Proposal, scratch: Path) -> list[EvidenceSide]:
        """What is to be executed, base first. All that can be refused is refused here, before anything runs.

        Raises:
            HermesError: the folder is too large to be copied, or out of reach; there is no such kernel any more.
        """
        notebooks: dict[SideName, Notebook | None] = {
            "base": self._views.base(proposal),
            "proposal": self._views.snapshot(evidence.proposal_hash),
        }
        document = self._root.resolve(proposal.path, "path")
        # Nobody else on the machine has business here, and what a kernel leaves may be anything.
        await asyncio.to_thread(scratch.mkdir, mode=0o700, parents=True)
        prepared = []
        for side, notebook in notebooks.items():
            if notebook is None:
                continue
            run = Run(
                run_id=new_id(),
                origin="evidence",
                author=evidence.author,
                input_path=proposal.path,
                input_hash=evidence.base_hash if side == "base" and evidence.base_hash else evidence.proposal_hash,
                output_path=None,
                parameters=evidence.parameters,
                kernel_name=(await self._kernels.kernel_to_start(notebook, None)).name,
                timeout_seconds=evidence.timeout_seconds,
                sandboxed=evidence.sandboxed,
                created_at=now(),
                progress=Progress.of(notebook),
            )
            sandbox = self._policy.sandbox(scratch / side) if evidence.sandboxed else None
            output = scratch / f"{side}.ipynb"
            workplace = Workplace(folder=scratch / side, document=document, output=output, sandbox=sandbox)
            await asyncio.to_thread(self._copy, document.parent, workplace.folder, with_hidden=not evidence.sandboxed)
            prepared.append(EvidenceSide(side, notebook, run, workplace))
        return prepared

    def _copy(self, original: Path, scratch: Path, *, with_hidden: bool) -> None:
        copy_folder(original, scratch, self._policy.copy_limit_bytes, self._root.closes, with_hidden=with_hidden)
