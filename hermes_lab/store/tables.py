"""The tables. A row is a payload as JSON beside the columns that it is looked up by.

The payload model stays the one description of its fields; a column here is an index, filled from the field of the
same name.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, DateTime, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"})


def _payload_table(name: str, key: str, *columns: Column[str]) -> Table:
    return Table(
        name,
        metadata,
        Column(key, String(64), primary_key=True),
        *columns,
        Column("created_at", DateTime(timezone=True), nullable=False, index=True),
        Column("instance_id", String(32), nullable=False, index=True),
        Column("payload", JSON, nullable=False),
    )


runs = _payload_table(
    "runs",
    "run_id",
    Column("state", String(16), nullable=False, index=True),
    Column("input_path", Text, nullable=False, index=True),
    Column("output_path", Text, nullable=True, index=True),
    Column("origin", String(16), nullable=False),
)
# Every change of a run as it happens. The row of the run itself follows when the run starts and when it ends.
run_events = Table(
    "run_events",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("payload", Text, nullable=False),
)
run_records = _payload_table("run_records", "run_id")
proposals = _payload_table(
    "proposals",
    "proposal_id",
    Column("state", String(16), nullable=False, index=True),
    Column("path", Text, nullable=False, index=True),
)
evidence = _payload_table(
    "evidence",
    "evidence_id",
    Column("state", String(16), nullable=False, index=True),
    Column("proposal_id", String(64), nullable=False, index=True),
)
tool_calls = _payload_table(
    "tool_calls",
    "tool_call_id",
    Column("state", String(20), nullable=False, index=True),
    Column("kernel_id", String(64), nullable=False, index=True),
)
kernels = _payload_table("kernels", "kernel_id", Column("token_hash", String(64), nullable=False, index=True))
agents = _payload_table(
    "agents",
    "agent_id",
    Column("name", String(100), nullable=False, index=True),
    Column("token_hash", String(64), nullable=False, index=True),
)
writes = _payload_table(
    "writes",
    "write_id",
    Column("state", String(16), nullable=False, index=True),
    Column("path", Text, nullable=False, index=True),
)
snapshots = Table(
    "snapshots",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("action", String(64), nullable=False, index=True),
    Column("subject", String(64), nullable=False, index=True),
    Column("payload", JSON, nullable=False),
)
idempotency = Table(
    "idempotency",
    metadata,
    Column("caller", String(160), primary_key=True),
    Column("operation", String(64), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request_digest", String(64), nullable=False),
    Column("response", JSON, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("instance_id", String(32), nullable=False),
)
instances = Table(
    "instances",
    metadata,
    Column("instance_id", String(32), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started_at", String(32), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
write_tokens = Table(
    "write_tokens",
    metadata,
    Column("path", Text, primary_key=True),
    Column("token", Integer, nullable=False),
    Column("written", Integer, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
