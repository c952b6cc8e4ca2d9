"""What must survive a restart: SQLAlchemy Core tables, Alembic migrations, content-addressed snapshots."""

from .store import Store

__all__ = ["Store"]
