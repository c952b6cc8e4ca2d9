"""The server's parts, put together once. The only place where they are constructed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermes_lab.engines import contents, kernel_specs, notebook_format
from hermes_lab.engines.built_in_tools import BuiltInTools
from hermes_lab.engines.contents import Documents
from hermes_lab.engines.file_writer import FileWriter
from hermes_lab.engines.kernel_specs import ServerKernels
from hermes_lab.engines.paths import Root
from hermes_lab.engines.runtime_folder import runtime_folder
from hermes_lab.engines.web import Web
from hermes_lab.model.events import Changed
from hermes_lab.model.evidence import MergeRequires
from hermes_lab.model.tool_calls import Policy
from hermes_lab.runner.protocol import Limits
from hermes_lab.runner.supervisor import SupervisedRunner
from hermes_lab.services.agents import Agents
from hermes_lab.services.comparisons import Comparisons
from hermes_lab.services.document_claims import DocumentClaims
from hermes_lab.services.events import Events
from hermes_lab.services.evidence import EvidenceService
from hermes_lab.services.evidence_executions import EvidenceExecutions
from hermes_lab.services.evidence_notebooks import EvidenceNotebooks
from hermes_lab.services.evidence_policy import AgentExecution, EvidencePolicy
from hermes_lab.services.evidence_sides import EvidenceSides
from hermes_lab.services.executions import Executions
from hermes_lab.services.installed_kernels import InstalledKernels
from hermes_lab.services.journal import Journal
from hermes_lab.services.kept_evidence import KeptEvidence
from hermes_lab.services.kernels import Kernels
from hermes_lab.services.merge_plans import MergePlans
from hermes_lab.services.merge_previews import MergePreviews
from hermes_lab.services.merges import Merges
from hermes_lab.services.notebooks import Notebooks
from hermes_lab.services.parameters import Parameters
from hermes_lab.services.present_environments import PresentEnvironments
from hermes_lab.services.proposals import Proposals
from hermes_lab.services.readiness import Readiness
from hermes_lab.services.recovery import Recovery
from hermes_lab.services.relocations import Relocations
from hermes_lab.services.required_evidence import RequiredEvidence
from hermes_lab.services.reverts import Reverts
from hermes_lab.services.review_outcomes import ReviewOutcomes
from hermes_lab.services.reviews import Reviews
from hermes_lab.services.run_admissions import RunAdmissions
from hermes_lab.services.run_places import RunPlaces
from hermes_lab.services.run_records import RunRecords
from hermes_lab.services.runs import Runs
from hermes_lab.services.services import Services
from hermes_lab.services.staleness import Staleness
from hermes_lab.services.tasks import Tasks
from hermes_lab.services.tool_calls import ToolCalls
from hermes_lab.services.tool_executions import ToolExecutions
from hermes_lab.services.views import ProposalViews
from hermes_lab.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the traits of the application come to."""

    db_url: str
    root_folder: Path
    data_folder: Path
    closed_folders: tuple[Path, ...]
    agent_execution: AgentExecution
    tool_socket: Path
    sandbox_readable_folders: tuple[Path, ...]
    max_concurrent_runs: int
    warm_kernels: int
    runner_unresponsive_seconds: float
    limits: Limits
    remote_schemes: tuple[str, ...]
    evidence_copy_limit_bytes: int
    merge_requires: MergeRequires
    merge_claim_seconds: float
    tool_policies: dict[str, Policy]
    approval_timeout_seconds: float
    searxng_url: str


class Composition:
    """The services of one server, from its start to its end."""

    def __init__(
        self,
        settings: Settings,
        *,
        contents_manager: Any,
        server_kernels: ServerKernels,
        server_url: Callable[[], str],
        emit: Callable[[Changed], None],
        environment: dict[str, str],
    ) -> None:
        self.ready = Readiness()
        self._preparing: asyncio.Task[None] | None = None
        self._server_kernels = server_kernels
        self._store = store = Store(settings.db_url)
        self._tasks = tasks = Tasks()
        self._runner = SupervisedRunner(
            settings.max_concurrent_runs,
            warm_kernels=settings.warm_kernels,
            unresponsive_seconds=settings.runner_unresponsive_seconds,
        )
        root = Root(settings.root_folder, closed=settings.closed_folders)
        documents = Documents(contents_manager, root)
        events = Events(emit)
        self.kernels = Kernels(store, server_url, runtime_folder(settings.data_folder / "runtime"))
        tools = BuiltInTools(root, environment, Web(settings.searxng_url))
        tool_calls = ToolCalls(
            store,
            events,
            self.kernels,
            ToolExecutions(tools),
            settings.tool_policies,
            settings.approval_timeout_seconds,
        )
        records = RunRecords(store, server_kernels.descriptions)
        executions = Executions(
            store, events, self._runner, self.kernels, records, settings.limits, server_kernels.spec, root
        )
        environments = PresentEnvironments(server_kernels.spec, self.kernels.environment_of_all)
        views = ProposalViews(store, documents, Staleness(environments))
        places = RunPlaces(documents, root, settings.remote_schemes)
        installed = InstalledKernels(server_kernels)
        runs = Runs(store, events, places, executions, records)
        writer = FileWriter(documents)
        claims = DocumentClaims(store, settings.merge_claim_seconds)
        journal = Journal(store, events, writer, views, claims)
        plans = MergePlans(writer, views)
        required = RequiredEvidence(store, views, settings.merge_requires)
        policy = EvidencePolicy(
            settings.agent_execution,
            settings.data_folder / "evidence",
            settings.evidence_copy_limit_bytes,
            settings.tool_socket,
            settings.sandbox_readable_folders,
            (settings.root_folder, settings.data_folder, *settings.closed_folders),
        )
        kept = KeptEvidence(store, events, views)
        compared = EvidenceNotebooks(store, views, plans)
        sides = EvidenceSides(store, root, compared, installed, policy)
        making = EvidenceExecutions(store, events, kept, views, sides, executions, policy)
        self._recovery = Recovery(store, claims, journal, self.kernels, tool_calls, policy.scratch_folder, places)
        proposals = Proposals(store, events, documents, views)
        self.services = Services(
            store=store,
            notebooks=Notebooks(store, documents),
            parameters=Parameters(places, installed),
            run_admissions=RunAdmissions(store, events, places, installed, executions, tasks),
            runs=runs,
            comparisons=Comparisons(documents, runs, views),
            proposals=proposals,
            reviews=Reviews(store, events, views),
            review_outcomes=ReviewOutcomes(events, views),
            merges=Merges(store, views, plans, journal, claims, required),
            merge_previews=MergePreviews(plans, views),
            reverts=Reverts(store, views, plans, proposals),
            relocations=Relocations(store, events, documents, views),
            evidence=EvidenceService(store, events, kept, views, compared, installed, making, tasks, policy),
            tool_calls=tool_calls,
            agents=Agents(store),
        )

    async def start(self) -> None:
        """Put in order what earlier servers left; requests wait until this is done, and are refused if it fails."""
        try:
            await self._recovery.recover()
            # Not in a copy of the present context, which may say that an event loop runs.
            loading = asyncio.get_running_loop().run_in_executor(None, _load)
            await asyncio.gather(self._start_runner(), loading)
        except BaseException as failure:
            _log.exception("hermes_lab cannot start.")
            self.ready.failed(failure)
            raise
        self.ready.reached()
        self._preparing = asyncio.create_task(self._prepare_kernel())

    async def close(self) -> None:
        """End what still runs, and leave the store."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait({self._preparing})
        await self.services.tool_calls.close()
        await self._runner.close()
        await self._tasks.close()
        self._store.close()

    async def _start_runner(self) -> None:
        try:
            await self._runner.start()
        except OSError:  # each run tries again, and says why it cannot begin; all else can be done without
            _log.exception("The runner cannot be started.")

    async def _prepare_kernel(self) -> None:
        """Have the kernel that most runs will ask for started ahead, if it is one that this server starts.

        Nobody waits for it: how long a kernel spec manager takes is not ours to say.
        """
        kernels = self._server_kernels
        if kernels.on_gateway:
            _log.warning("Notebooks are not run: the kernels of this server are on a gateway.")
            return
        try:
            name = kernels.default_name
            spec = await kernels.spec(name) if name in await kernels.descriptions() else None
            if spec is not None:
                await self._runner.prepare(name, self.kernels.environment_of_all, spec)
        except Exception:  # noqa: BLE001 - kernel spec managers are plugins; a run that needs one will say what is wrong
            _log.exception("No kernel is started ahead.")


def _load() -> None:
    """What the first run would import and compile in the event loop, with everybody waiting for it: half a second."""
    for load in (notebook_format.load, contents.load, kernel_specs.load):
        try:
            load()
        except Exception:  # noqa: BLE001 - imports of others raise what they like; who needs this will be told
            _log.exception("%s could not be made ready ahead of its use.", load.__module__)
