"""The Jupyter server extension: its traits, and the composition of everything that serves them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

from jupyter_events import EventLogger
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bunch, Dict, Enum, Float, Integer, List, TraitError, Unicode, default, validate

from hermes_lab.composition import Composition, Settings
from hermes_lab.engines.injection import inject
from hermes_lab.engines.kernel_specs import ServerKernels
from hermes_lab.engines.sandbox_probe import probe
from hermes_lab.handlers.authentication import Shared
from hermes_lab.handlers.routes import routes
from hermes_lab.handlers.tool_channel import ToolChannel
from hermes_lab.model.events import Changed
from hermes_lab.model.evidence import MergeRequires
from hermes_lab.model.tool_calls import Policy
from hermes_lab.model.tools import TOOLS
from hermes_lab.runner.protocol import Limits
from hermes_lab.services.evidence_policy import AgentExecution
from hermes_lab.store.location import data_folder, default_url

_EVENT_SCHEMA = Path(__file__).parent / "schemas" / "changed.json"
_EVENT_ID = "https://hermes-lab.readthedocs.io/schema/changed/v1"
_CONTENTS_EVENT_ID = "https://events.jupyter.org/jupyter_server/contents_service/v1"
_EVERY_ADDRESS = ("", "*", "0.0.0.0", "::")  # noqa: S104 - to recognise them, not to listen on them


class HermesLab(ExtensionApp):
    """Agents run notebooks and propose changes; people review and merge them."""

    name = "hermes_lab"

    db_url = Unicode(
        help="SQLAlchemy URL of the store. Default: a SQLite file in the Jupyter data folder, one a root folder."
    ).tag(config=True)
    agent_execution = Enum(
        ["sandbox", "ask", "allow", "deny"],
        help="How code runs that an agent wrote, which evidence executes: shut off from the rest of the machine "
        "(sandbox), as the user of this server once a person let it (ask) or at once (allow), or not at all (deny). "
        "Default: sandbox where bubblewrap works, else ask; `jupyter hermes doctor` says which.",
    ).tag(config=True)
    sandbox_readable_folders = List(
        Unicode(),
        help="Folders that code in the sandbox may read besides the system and the kernel's own installation, such as "
        "a library that is installed in editable mode. Absolute paths.",
    ).tag(config=True)
    max_concurrent_runs = Integer(
        help="How many notebooks are executed at the same time. Default: the number of processors."
    ).tag(config=True)
    grace_seconds = Float(
        3.0, min=0, help="How long a cell may take to end after an interrupt, before its kernel is killed."
    ).tag(config=True)
    unresponsive_seconds = Float(
        15.0, min=1, help="How long a kernel's heartbeat may stay away before its run ends as unresponsive."
    ).tag(config=True)
    runner_unresponsive_seconds = Float(
        120.0,
        min=10,
        help="How long the process that executes runs may not answer; then it is killed with its kernels, its runs end "
        "as interrupted, and a new one is started. Until its first answer it has 300 seconds, if that is longer. The "
        "time that the machine sleeps does not count.",
    ).tag(config=True)
    cell_output_limit_bytes = Integer(
        10_000_000,
        min=0,
        help="How much output of one cell an output notebook holds; what is more goes to a file beside it.",
    ).tag(config=True)
    run_output_limit_bytes = Integer(
        50_000_000, min=0, help="How much output of all cells of a run its output notebook holds."
    ).tag(config=True)
    warm_kernels = Integer(
        2,
        min=0,
        help="How many Python kernels of a kind are started ahead of the runs that will need them, so that a run "
        "starts at once; each holds about 70 MB. 0: none.",
    ).tag(config=True)
    remote_schemes = List(
        Unicode(),
        help="Schemes of URLs, such as s3 or gs, where people's runs may read their notebooks and keep their outputs, "
        "with the credentials of this server. Agents' runs may not. Default: none.",
    ).tag(config=True)
    evidence_copy_limit_bytes = Integer(
        1_000_000_000, min=0, help="The largest folder of a notebook that is copied to make evidence."
    ).tag(config=True)
    merge_requires = Enum(
        ["none", "evidence", "green_evidence"],
        "none",
        help="What a proposal needs to be merged, by anybody: nothing, or evidence that has completed (evidence) or "
        "that is green (green_evidence). It must be of exactly the code that would be written, into the document as it "
        "is, in the environment in which the kernel would start now.",
    ).tag(config=True)
    body_limit_bytes = Integer(
        100_000_000, min=1, help="The largest request that is read; a larger one is answered with 413."
    ).tag(config=True)
    merge_claim_seconds = Float(
        60.0,
        min=1,
        help="How long a server may be at a merge of a notebook; after that, another merge of the notebook may begin, "
        "and the server that hung writes no more.",
    ).tag(config=True)
    tool_policy = Dict(
        key_trait=Unicode(),
        value_trait=Enum(["allow", "ask", "deny"]),
        help="What happens when a kernel calls a tool: tool name -> allow, ask or deny. Others keep their default.",
    ).tag(config=True)
    approval_timeout_seconds = Float(
        120.0, min=0, help="How long a tool call waits for a person; then it expires."
    ).tag(config=True)
    searxng_url = Unicode("", help="The SearXNG server that web_search asks; empty: none.").tag(config=True)

    @default("db_url")
    def _default_db_url(self) -> str:
        return default_url(self._server.root_dir)

    @default("agent_execution")
    def _default_agent_execution(self) -> str:
        return "sandbox" if probe().works else "ask"

    @default("max_concurrent_runs")
    def _default_max_concurrent_runs(self) -> int:
        return os.cpu_count() or 1

    @validate("tool_policy")
    def _known_tools(self, proposal: Bunch) -> dict[str, Policy]:
        policies: dict[str, Policy] = proposal.value
        unknown = sorted(policies.keys() - TOOLS.keys())
        if unknown:
            raise TraitError(f"HermesLab.tool_policy: there is no tool {unknown[0]!r}; there are {', '.join(TOOLS)}.")
        return policies

    def initialize_settings(self) -> None:
        """Compose the services and give every kernel its token from now on."""
        server = self._server
        self._event_logger.register_event_schema(_EVENT_SCHEMA)
        self._say_where_agents_code_runs()
        # Short: the path of a Unix socket has 107 bytes. Private: whoever reaches the socket may try tokens.
        self._socket_folder = Path(tempfile.mkdtemp(prefix="hermes-"))
        self.composition = Composition(
            Settings(
                db_url=self.db_url,
                root_folder=Path(server.root_dir),
                data_folder=self._data_folder(),
                # What lies in there opens doors: the server's own tokens, and our store.
                closed_folders=(Path(server.runtime_dir), self._data_folder()),
                agent_execution=cast("AgentExecution", self.agent_execution),
                tool_socket=self._tool_socket,
                sandbox_readable_folders=tuple(Path(folder) for folder in self.sandbox_readable_folders),
                max_concurrent_runs=self.max_concurrent_runs,
                warm_kernels=self.warm_kernels,
                runner_unresponsive_seconds=self.runner_unresponsive_seconds,
                limits=Limits(
                    grace_seconds=self.grace_seconds,
                    unresponsive_seconds=self.unresponsive_seconds,
                    cell_output_bytes=self.cell_output_limit_bytes,
                    run_output_bytes=self.run_output_limit_bytes,
                ),
                remote_schemes=tuple(scheme.lower().removesuffix("://") for scheme in self.remote_schemes),
                merge_requires=cast("MergeRequires", self.merge_requires),
                evidence_copy_limit_bytes=self.evidence_copy_limit_bytes,
                merge_claim_seconds=self.merge_claim_seconds,
                tool_policies={tool.name: self.tool_policy.get(tool.name, tool.policy) for tool in TOOLS.values()},
                approval_timeout_seconds=self.approval_timeout_seconds,
                searxng_url=self.searxng_url,
            ),
            contents_manager=server.contents_manager,
            server_kernels=ServerKernels(server),
            server_url=self._url_for_kernels,
            emit=self._emit,
            environment=dict(os.environ),
        )
        self._event_logger.add_listener(schema_id=_CONTENTS_EVENT_ID, listener=self._hear_of_contents)
        inject(
            server.kernel_manager,
            lambda kernel_id, path: self.composition.kernels.environment(kernel_id, origin="session", path=path),
            self.composition.kernels.end,
        )

    def initialize_handlers(self) -> None:
        """The routes, all of them made from the table of operations but the few streams and documents."""
        composition = self.composition
        shared = Shared(composition.services, composition.kernels, composition.ready, self.body_limit_bytes)
        self.handlers.extend(routes(shared))
        self._tool_channel = ToolChannel(shared, self._server.web_app.settings, self._tool_socket)

    async def _start_jupyter_server_extension(self, _serverapp: ServerApp) -> None:
        self._tool_channel.open()
        await self.composition.start()

    async def stop_extension(self) -> None:
        """End runs and waiting calls, and leave the store."""
        self._event_logger.remove_listener(schema_id=_CONTENTS_EVENT_ID, listener=self._hear_of_contents)
        await self.composition.close()
        await self._tool_channel.close()
        shutil.rmtree(self._socket_folder, ignore_errors=True)

    def _say_where_agents_code_runs(self) -> None:
        report = probe()
        if self.agent_execution == "sandbox" and not report.works:
            self.log.warning("Code of agents does not run: there is no sandbox here. %s", report.reason)
        elif self.agent_execution == "ask" and not report.works:
            self.log.info("Code of agents waits for a person: there is no sandbox here. %s", report.reason)
        else:
            self.log.info("HermesLab.agent_execution is %s.", self.agent_execution)

    @property
    def _tool_socket(self) -> Path:
        return self._socket_folder / "tools.sock"

    async def _hear_of_contents(self, logger: EventLogger, schema_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 - Jupyter names them
        """What was done through Jupyter's contents API, by JupyterLab or by anybody else."""
        relocations = self.composition.services.relocations
        if data["action"] == "rename":
            relocations.follow(data["source_path"], data["path"])
        elif data["action"] == "delete":
            relocations.miss(data["path"])

    def _emit(self, changed: Changed) -> None:
        self._event_logger.emit(schema_id=_EVENT_ID, data=changed.model_dump(mode="json"))

    def _data_folder(self) -> Path:
        return data_folder(self._server.root_dir)

    def _url_for_kernels(self) -> str:
        server = self._server
        if server.ip not in _EVERY_ADDRESS:
            return str(server.connection_url)
        # The name of the machine, which Jupyter shows here, need not resolve on the machine itself.
        scheme = "https" if server.certfile else "http"
        return f"{scheme}://127.0.0.1:{server.port}{server.base_url}"

    @property
    def _server(self) -> ServerApp:
        if self.serverapp is None:
            raise RuntimeError("HermesLab runs in a Jupyter server only.")
        return self.serverapp

    @property
    def _event_logger(self) -> EventLogger:
        logger = self._server.event_logger
        if logger is None:
            raise RuntimeError("The Jupyter server has no event logger.")
        return logger
