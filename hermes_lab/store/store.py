"""The store: a shelf a noun, on one database."""

from __future__ import annotations

from contextlib import AbstractContextManager

from sqlalchemy import Connection

from ..model.agents import StoredAgent
from ..model.evidence import Evidence
from ..model.kernels import KernelToken
from ..model.proposals import Proposal
from ..model.runs import Run
from ..model.tool_calls import ToolCall
from ..model.writes import Write
from . import tables
from .audit import AuditLog
from .connection import Database
from .idempotency import Idempotency
from .instances import Instances
from .schema import upgrade
from .shelf import Shelf
from .snapshots import Snapshots


class Store:
    """Opens the database at ``url`` (SQLAlchemy's form), migrates it, and enters this process as an instance."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        upgrade(self._database)
        self.instances = Instances(self._database)
        self.instance_id = self.instances.register()
        self.runs = Shelf(self._database, tables.runs, Run, self.instance_id)
        self.proposals = Shelf(self._database, tables.proposals, Proposal, self.instance_id)
        self.evidence = Shelf(self._database, tables.evidence, Evidence, self.instance_id)
        self.tool_calls = Shelf(self._database, tables.tool_calls, ToolCall, self.instance_id)
        self.kernels = Shelf(self._database, tables.kernels, KernelToken, self.instance_id)
        self.agents = Shelf(self._database, tables.agents, StoredAgent, self.instance_id)
        self.writes = Shelf(self._database, tables.writes, Write, self.instance_id)
        self.snapshots = Snapshots(self._database)
        self.audit = AuditLog(self._database)
        self.idempotency = Idempotency(self._database, self.instance_id)

    def transaction(self) -> AbstractContextManager[Connection]:
        """Several changes, all or nothing. Nothing may be awaited inside."""
        return self._database.transaction()

    def close(self) -> None:
        """Leave the database."""
        self.instances.forget(self.instance_id)
        self._database.close()
