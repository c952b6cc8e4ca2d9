"""Where the store of a root folder lies, for the server and for the command line."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from alembic.util import CommandError
from jupyter_core.paths import jupyter_data_dir
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from hermes_lab.model.errors import NotFound, Unavailable
from hermes_lab.store.store import Store


def data_folder(root_folder: str | Path) -> Path:
    """The folder that belongs to this user and root folder, in the Jupyter data folder."""
    root = hashlib.sha256(os.path.realpath(root_folder).encode()).hexdigest()[:16]
    return Path(jupyter_data_dir()) / "hermes_lab" / root


def default_url(root_folder: str | Path) -> str:
    """The SQLAlchemy URL of the store where ``HermesLab.db_url`` does not name another."""
    return f"sqlite:///{data_folder(root_folder) / 'hermes.sqlite3'}"


def shown(url: str) -> str:
    """The URL as it may be printed: without a password."""
    return make_url(url).render_as_string(hide_password=True)


def open_store(url: str, *, create: bool) -> Store:
    """The store at ``url``.

    Raises:
        NotFound: there is no such file yet, and ``create`` is not set.
        Unavailable: the database does not answer, or is of a newer version.
    """
    try:
        parsed = make_url(url)
        is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
        if is_file and not create and not Path(str(parsed.database)).exists():
            raise NotFound(f"There is no store at {parsed.database} yet.", code="no_store", field="db_url")
        return Store(url)
    except (SQLAlchemyError, CommandError, OSError, ImportError) as error:
        raise Unavailable(f"The store cannot be opened: {str(error).splitlines()[0]}", field="db_url") from error
