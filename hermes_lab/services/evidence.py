"""Evidence: base and proposal executed with the same parameters, side by side (DESIGN section 4)."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hermes_lab.engines.papermill import check_known, check_parameters
from hermes_lab.engines.paths import Root
from hermes_lab.engines.sandbox_probe import probe
from hermes_lab.engines.scratch import copy_folder
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import (
    Conflict,
    HermesError,
    IllegalTransition,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Unavailable,
)
from hermes_lab.model.evidence import (
    CreateEvidence,
    DecideEvidence,
    Environment,
    Evidence,
    EvidenceRun,
    GetEvidence,
    compare_scraps,
)
from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.payload import Notebook, new_id, now
from hermes_lab.model.proposals import Proposal
from hermes_lab.model.runs import Run
from hermes_lab.runner.protocol import Sandbox
from hermes_lab.services.events import Events
from hermes_lab.services.executions import Executions, Workplace
from hermes_lab.services.runs import Runs, progress_of
from hermes_lab.services.tasks import Tasks
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

_log = logging.getLogger(__name__)

AgentExecution = Literal["sandbox", "ask", "allow", "deny"]
Side = Literal["base", "proposal"]


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


@dataclass(frozen=True)
class _Execution:
    """One of the two executions, ready to begin."""

    side: Side
    notebook: Notebook
    run: Run
    workplace: Workplace


class EvidenceService:
    """Create, decide about, execute and read evidence."""

    def __init__(
        self,
        store: Store,
        events: Events,
        root: Root,
        views: ProposalViews,
        runs: Runs,
        executions: Executions,
        tasks: Tasks,
        policy: EvidencePolicy,
    ) -> None:
        self._store = store
        self._events = events
        self._root = root
        self._views = views
        self._runs = runs
        self._executions = executions
        self._tasks = tasks
        self._policy = policy

    async def create(self, actor: Actor, request: CreateEvidence) -> Evidence:
        """Evidence that runs as soon as it may: at once for a person, else as the policy says.

        Raises:
            NotFound: there is no such proposal.
            IllegalTransition: the proposal has ended.
            NotAllowed: agents may not execute what they wrote, or not outside of the sandbox.
            Unavailable: it is for the sandbox, and there is none on this machine; code `sandbox_unavailable`.
            Conflict: other evidence of the proposal waits for a person.
            InvalidRequest: an unknown kernel, or a parameter that no kernel can be given or neither notebook declares.
        """
        proposal = self._views.stored(request.proposal_id)
        if proposal.state != "open":
            raise IllegalTransition(
                f"The proposal is {proposal.state}; evidence is for open ones.", state=proposal.state
            )
        if actor.kind != "human" and self._policy.agent_execution == "deny":
            raise NotAllowed("Agents may not execute what they propose here.", code="agent_execution_denied")
        sandboxed = self._is_for_the_sandbox(actor, proposal, request)
        if sandboxed:
            await _refuse_without_sandbox(actor)
        awaits = actor.kind != "human" and self._policy.agent_execution == "ask"
        if awaits:
            self._refuse_second_question(proposal)
        proposed = self._views.snapshot(proposal.proposal_hash)
        kernel = await self._runs.kernel_of(proposed, None)
        base = self._views.base(proposal)
        await asyncio.to_thread(_check_parameters, [proposed, *([base] if base else [])], request, kernel)
        evidence = Evidence(
            evidence_id=new_id(),
            proposal_id=proposal.proposal_id,
            author=actor.author,
            awaiting_approval=awaits,
            sandboxed=sandboxed,
            base_hash=proposal.base_hash,
            proposal_hash=proposal.proposal_hash,
            parameters=request.parameters,
            timeout_seconds=request.timeout_seconds,
            created_at=now(),
        )
        with self._store.transaction():
            self._store.evidence.insert(evidence)
            details = {"proposal_id": proposal.proposal_id, "sandboxed": sandboxed}
            self._store.audit.append(actor.author, "create_evidence", evidence.evidence_id, details)
        self._publish(evidence)
        if not evidence.awaiting_approval:
            self._tasks.start(self._execute(evidence.evidence_id))
        return evidence

    async def decide(self, actor: Actor, request: DecideEvidence) -> Evidence:
        """A person lets waiting evidence run, or ends it.

        Raises:
            NotFound: there is no such evidence.
            IllegalTransition: it does not wait for anybody, or its proposal has ended.
        """
        evidence = self._stored(request.evidence_id)
        if not evidence.awaiting_approval:
            raise IllegalTransition("This evidence waits for nobody.", state=evidence.state)
        state = self._views.stored(evidence.proposal_id).state
        if request.decision == "allow" and state != "open":
            raise IllegalTransition(f"The proposal is {state}; nothing of it is executed any more.", state=state)
        decided = evidence.changed(awaiting_approval=False)
        if request.decision == "deny":
            message = f"{actor.name} did not let it run."
            decided = decided.model_copy(update={"state": "failed", "message": message, "ended_at": now()})
        with self._store.transaction():
            self._store.evidence.replace(decided)
            details = {"decision": request.decision}
            self._store.audit.append(actor.author, "decide_evidence", evidence.evidence_id, details)
        self._publish(decided)
        if request.decision == "allow":
            self._tasks.start(self._execute(evidence.evidence_id))
        return await self._view(decided)

    async def get(self, _actor: Actor, request: GetEvidence) -> Evidence:
        """The evidence; with ``wait``, at its next change.

        Raises:
            NotFound: there is no such evidence.
        """

        def read() -> Evidence:
            return self._stored(request.evidence_id)

        found = await self._events.latest("evidence", request.evidence_id, request, _has_ended, read)
        return await self._view(found)

    async def _execute(self, evidence_id: str) -> None:
        evidence = self._stored(evidence_id)
        proposal = self._views.stored(evidence.proposal_id)
        self._change(evidence_id, state="running", started_at=now())
        scratch = self._policy.scratch_folder / evidence_id
        try:
            sides = await self._prepared(evidence, proposal, scratch)
            ended = await asyncio.gather(*(self._execute_side(evidence_id, each) for each in sides))
        except HermesError as error:
            self._fail(evidence_id, error.message)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody must wait for this evidence for ever
            _log.exception("The evidence %s could not be made.", evidence_id)
            self._fail(evidence_id, f"It could not be made: {error}")
        else:
            (proposed, environment), base = ended[-1], ended[0][0] if len(ended) == 2 else None
            self._change(evidence_id, **judged(base, proposed), environment=environment, ended_at=now())
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)

    async def _prepared(self, evidence: Evidence, proposal: Proposal, scratch: Path) -> list[_Execution]:
        """What is to be executed, base first. All that can be refused is refused here, before anything runs."""
        notebooks: dict[Side, Notebook | None] = {
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
                kernel_name=(await self._runs.kernel_of(notebook, None)).name,
                timeout_seconds=evidence.timeout_seconds,
                sandboxed=evidence.sandboxed,
                created_at=now(),
                progress=progress_of(notebook),
            )
            sandbox = self._policy.sandbox(scratch / side) if evidence.sandboxed else None
            output = scratch / f"{side}.ipynb"
            workplace = Workplace(folder=scratch / side, document=document, output=output, sandbox=sandbox)
            await asyncio.to_thread(self._copy, document.parent, workplace.folder, with_hidden=not evidence.sandboxed)
            prepared.append(_Execution(side, notebook, run, workplace))
        return prepared

    def _copy(self, original: Path, scratch: Path, *, with_hidden: bool) -> None:
        copy_folder(original, scratch, self._policy.copy_limit_bytes, self._root.closes, with_hidden=with_hidden)

    async def _execute_side(self, evidence_id: str, execution: _Execution) -> tuple[Run, Environment | None]:
        self._store.runs.insert(execution.run)
        show = self._shower(evidence_id, execution.side)
        show(execution.run)
        return await self._executions.execute(execution.run, execution.notebook, execution.workplace, show=show)

    def _fail(self, evidence_id: str, message: str) -> None:
        self._change(evidence_id, state="failed", message=message, ended_at=now())

    def _shower(self, evidence_id: str, side: Side) -> Callable[[Run], None]:
        def show(run: Run) -> None:
            seen = EvidenceRun(run_id=run.run_id, state=run.state, progress=run.progress, result=run.result)
            self._change(evidence_id, **{side: seen})

        return show

    def _change(self, evidence_id: str, **fields: Any) -> None:
        changed = self._stored(evidence_id).changed(**fields)
        self._store.evidence.replace(changed)
        self._publish(changed)

    def _publish(self, evidence: Evidence) -> None:
        self._events.publish("evidence", evidence.evidence_id, evidence.state)
        if evidence.state != "running":
            proposal = self._views.stored(evidence.proposal_id)
            self._events.publish("proposals", proposal.proposal_id, proposal.state)

    def _is_for_the_sandbox(self, actor: Actor, proposal: Proposal, request: CreateEvidence) -> bool:
        if request.sandbox is False and actor.kind != "human":
            raise NotAllowed("Only a person may have it run outside of the sandbox.", code="only_people_leave_sandbox")
        if request.sandbox is not None:
            return request.sandbox
        is_of_an_agent = actor.kind != "human" or proposal.author.kind != "human"
        return is_of_an_agent and self._policy.agent_execution == "sandbox"

    def _refuse_second_question(self, proposal: Proposal) -> None:
        # A person is asked one question at a time: a second one in its place could be answered for the first.
        found = self._store.evidence.all(proposal_id=proposal.proposal_id, state="pending")
        if any(evidence.awaiting_approval for evidence in found):
            raise Conflict("Evidence of this proposal waits for a person already.", code="evidence_waits")

    def _stored(self, evidence_id: str) -> Evidence:
        evidence = self._store.evidence.get(evidence_id)
        if evidence is None:
            raise NotFound("There is no such evidence.", code="no_such_evidence", field="evidence_id")
        return evidence

    async def _view(self, evidence: Evidence) -> Evidence:
        proposal = await self._views.view(self._views.stored(evidence.proposal_id))
        return next(each for each in proposal.evidence if each.evidence_id == evidence.evidence_id)


def _check_parameters(notebooks: list[Notebook], request: CreateEvidence, kernel: KernelDescription) -> None:
    """Refuse a parameter that the kernel cannot be given, or that none of the notebooks declares."""
    check_parameters(request.parameters, kernel.name, kernel.language)
    for name, value in () if request.allow_unknown else request.parameters.items():
        refusals = []
        for notebook in notebooks:
            try:
                check_known(notebook, {name: value}, kernel.name, kernel.language)
            except InvalidRequest as error:
                refusals.append(error)
        if len(refusals) == len(notebooks):
            raise refusals[0]


async def _refuse_without_sandbox(actor: Actor) -> None:
    report = await asyncio.to_thread(probe)
    if not report.works:
        way_out = " A person may have it run with `sandbox: false`." if actor.kind == "human" else ""
        raise Unavailable(f"There is no sandbox here. {report.reason}{way_out}", code="sandbox_unavailable")


def judged(base: Run | None, proposed: Run) -> dict[str, Any]:
    """What the two runs come to: green if the proposal ran to its end, red if it failed, nothing if it was stopped."""
    scraps_before = base.result.scraps if base and base.result else {}
    scraps_after = proposed.result.scraps if proposed.result else {}
    fields: dict[str, Any] = {"scraps": compare_scraps(scraps_before, scraps_after)}
    if proposed.state == "cancelled" or proposed.cause == "interrupted":
        return {**fields, "state": "failed", "message": proposed.message or "The run was stopped."}
    if proposed.state == "failed":
        return {**fields, "state": "completed", "verdict": "red", "message": proposed.message}
    message = None
    if base is not None and base.state != "completed":
        message = "The notebook as it is now does not run to its end; with the proposal it does."
    return {**fields, "state": "completed", "verdict": "green", "message": message}


def _has_ended(evidence: Evidence) -> bool:
    return evidence.state in ("completed", "failed")
