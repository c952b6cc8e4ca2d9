"""The Jupyter server extension: its traits, and the composition of everything that serves them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Dict, Enum, Float, Integer, Unicode, default

from .composition import Composition, Settings
from .engines.injection import inject
from .engines.kernel_specs import kernel_languages
from .handlers.authentication import Shared
from .handlers.routes import routes
from .model.events import Changed
from .model.tools import TOOLS
from .store.location import data_folder, default_url

_EVENT_SCHEMA = Path(__file__).parent / "schemas" / "changed.json"
_EVENT_ID = "https://hermes-lab.readthedocs.io/schema/changed/v1"


class HermesLab(ExtensionApp):
    """Agents run notebooks and propose changes; people review and merge them."""

    name = "hermes_lab"

    db_url = Unicode(
        help="SQLAlchemy URL of the store. Default: a SQLite file for this user and root folder in the Jupyter data folder."
    ).tag(config=True)
    agent_execution = Enum(
        ["ask", "allow", "deny"],
        default_value="ask",
        help="Whether evidence that an agent asks for runs at once (allow), waits for a person (ask), or never runs (deny). It executes code that the agent wrote as the user of this server.",
    ).tag(config=True)
    max_concurrent_runs = Integer(
        help="How many notebooks are executed at the same time. Default: the number of processors."
    ).tag(config=True)
    evidence_copy_limit_bytes = Integer(
        1_000_000_000, min=0, help="The largest folder of a notebook that is copied to make evidence."
    ).tag(config=True)
    body_limit_bytes = Integer(
        100_000_000, min=1, help="The largest request that is read; a larger one is answered with 413."
    ).tag(config=True)
    tool_policy = Dict(
        key_trait=Unicode(),
        value_trait=Enum(["allow", "ask", "deny"]),
        help="What happens when a kernel calls a tool: tool name -> allow, ask or deny. Unnamed tools keep their default.",
    ).tag(config=True)
    approval_timeout_seconds = Float(
        120.0, min=0, help="How long a tool call waits for a person; then it expires."
    ).tag(config=True)
    searxng_url = Unicode("", help="The SearXNG server that web_search asks; empty: none.").tag(config=True)

    @default("db_url")
    def _default_db_url(self) -> str:
        return default_url(self.serverapp.root_dir)

    @default("max_concurrent_runs")
    def _default_max_concurrent_runs(self) -> int:
        return os.cpu_count() or 1

    def initialize_settings(self) -> None:
        """Compose the services and give every kernel its token from now on."""
        server = self.serverapp
        server.event_logger.register_event_schema(_EVENT_SCHEMA)
        self.composition = Composition(
            Settings(
                db_url=self.db_url,
                root_folder=Path(server.root_dir),
                data_folder=self._data_folder(),
                # What lies in there opens doors: the server's own tokens, and our store.
                closed_folders=(Path(server.runtime_dir), self._data_folder()),
                agent_execution=self.agent_execution,
                max_concurrent_runs=self.max_concurrent_runs,
                evidence_copy_limit_bytes=self.evidence_copy_limit_bytes,
                tool_policies={tool.name: self.tool_policy.get(tool.name, tool.policy) for tool in TOOLS.values()},
                approval_timeout_seconds=self.approval_timeout_seconds,
                searxng_url=self.searxng_url,
            ),
            contents_manager=server.contents_manager,
            kernel_languages=lambda: kernel_languages(server.kernel_spec_manager),
            server_url=lambda: server.connection_url,
            emit=self._emit,
            environment=dict(os.environ),
        )
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

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        await super()._start_jupyter_server_extension(serverapp)
        await self.composition.start()

    async def stop_extension(self) -> None:
        """End runs and waiting calls, and leave the store."""
        await self.composition.close()

    def _emit(self, changed: Changed) -> None:
        self.serverapp.event_logger.emit(schema_id=_EVENT_ID, data=changed.model_dump(mode="json"))

    def _data_folder(self) -> Path:
        return data_folder(self.serverapp.root_dir)
