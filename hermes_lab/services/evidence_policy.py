"""Whether evidence is made, and where: what an agent wrote is code, and code runs under a policy (DESIGN section 5)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hermes_lab.engines.sandbox_probe import probe
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import NotAllowed, Unavailable
from hermes_lab.model.evidence import CreateEvidence
from hermes_lab.model.proposals import Proposal
from hermes_lab.runner.protocol import Sandbox

AgentExecution = Literal["sandbox", "ask", "allow", "deny"]


@dataclass(frozen=True)
class Ruling:
    """How evidence is made: in the sandbox or not, and once a person let it or at once."""

    sandboxed: bool
    awaits_approval: bool


@dataclass(frozen=True)
class EvidencePolicy:
    """Whether an agent's code may run, where scratch copies lie, how large one may be, and what a sandbox leaves open.

    ``closed_folders`` are hidden from a sandbox even where they lie in a folder that it reads.
    """

    agent_execution: AgentExecution
    scratch_folder: Path
    copy_limit_bytes: int
    tool_socket: Path
    readable_folders: tuple[Path, ...] = ()
    closed_folders: tuple[Path, ...] = ()

    def sandbox(self, scratch_folder: Path) -> Sandbox:
        """What a kernel is shut in whose scratch copy this is."""
        return Sandbox(
            scratch_folder=str(scratch_folder),
            tool_socket=str(self.tool_socket),
            readable_folders=[str(folder) for folder in self.readable_folders],
            closed_folders=[str(folder) for folder in self.closed_folders],
        )

    async def ruling(self, actor: Actor, proposal: Proposal, request: CreateEvidence) -> Ruling:
        """How evidence of the proposal is made that this actor asks for.

        Raises:
            NotAllowed: agents may not execute what they wrote, or not outside of the sandbox.
            Unavailable: it is for the sandbox, and there is none on this machine; code `sandbox_unavailable`.
        """
        if actor.kind != "human" and self.agent_execution == "deny":
            raise NotAllowed("Agents may not execute what they propose here.", code="agent_execution_denied")
        sandboxed = self._is_for_the_sandbox(actor, proposal, request)
        if sandboxed:
            await _refuse_without_sandbox(actor)
        return Ruling(sandboxed, awaits_approval=actor.kind != "human" and self.agent_execution == "ask")

    def _is_for_the_sandbox(self, actor: Actor, proposal: Proposal, request: CreateEvidence) -> bool:
        if request.sandbox is False and actor.kind != "human":
            raise NotAllowed("Only a person may have it run outside of the sandbox.", code="only_people_leave_sandbox")
        if request.sandbox is not None:
            return request.sandbox
        is_of_an_agent = actor.kind != "human" or proposal.author.kind != "human"
        return is_of_an_agent and self.agent_execution == "sandbox"


async def _refuse_without_sandbox(actor: Actor) -> None:
    report = await asyncio.to_thread(probe)
    if not report.works:
        way_out = " A person may have it run with `sandbox: false`." if actor.kind == "human" else ""
        raise Unavailable(f"There is no sandbox here. {report.reason}{way_out}", code="sandbox_unavailable")
