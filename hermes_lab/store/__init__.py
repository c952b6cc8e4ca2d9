"""What must survive a restart: SQLAlchemy Core tables, Alembic migrations, content-addressed snapshots."""

from hermes_lab.store.path_locks import PathLock
from hermes_lab.store.snapshots import Snapshot
from hermes_lab.store.store import Store

__all__ = ["PathLock", "Snapshot", "Store"]
