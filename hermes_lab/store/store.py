"""The store: a shelf a noun, on one database."""

from __future__ import annotations

from contextlib import AbstractContextManager

from sqlalchemy import Connection

from hermes_lab.model.agents import StoredAgent
from hermes_lab.model.evidence import Evidence
from hermes_lab.model.kernels import KernelToken
from hermes_lab.model.proposals import Proposal
from hermes_lab.model.run_records import RunCircumstances
from hermes_lab.model.runs import Run
from hermes_lab.model.tool_calls import ToolCall
from hermes_lab.model.writes import Write
from hermes_lab.store import tables
from hermes_lab.store.audit import AuditLog
from hermes_lab.store.connection import Database
from hermes_lab.store.idempotency import Idempotency
from hermes_lab.store.instances import Instances
from hermes_lab.store.path_locks import PathLocks
from hermes_lab.store.run_events import RunEvents
from hermes_lab.store.schema import upgrade
from hermes_lab.store.shelf import Shelf
from hermes_lab.store.snapshots import Snapshots
from hermes_lab.store.write_tokens import WriteTokens


class Store:
    """Opens the database at ``url`` (SQLAlchemy's form), migrates it, and enters this process as an instance."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        upgrade(self._database)
        self.instances = Instances(self._database)
        self.instance_id = self.instances.register()
        self.runs = Shelf(self._database, tables.runs, Run, self.instance_id)
        self.run_events = RunEvents(self._database)
        self.run_records = Shelf(self._database, tables.run_records, RunCircumstances, self.instance_id)
        self.proposals = Shelf(self._database, tables.proposals, Proposal, self.instance_id)
        self.evidence = Shelf(self._database, tables.evidence, Evidence, self.instance_id)
        self.tool_calls = Shelf(self._database, tables.tool_calls, ToolCall, self.instance_id)
        self.kernels = Shelf(self._database, tables.kernels, KernelToken, self.instance_id)
        self.agents = Shelf(self._database, tables.agents, StoredAgent, self.instance_id)
        self.writes = Shelf(self._database, tables.writes, Write, self.instance_id)
        self.write_tokens = WriteTokens(self._database)
        self.path_locks = PathLocks(self._database.folder("paths"))
        self.snapshots = Snapshots(self._database)
        self.audit = AuditLog(self._database)
        self.idempotency = Idempotency(self._database, self.instance_id)

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[Connection]:
        """Several changes, all or nothing. Nothing may be awaited inside. Those that are not ``durable`` survive the
        death of this process, but not that of the machine."""
        return self._database.transaction(durable=durable)

    def close(self) -> None:
        """Leave the database. The instance stays in it: the next start ends what this one left unfinished."""
        self.instances.close()
        self._database.close()
