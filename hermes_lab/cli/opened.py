"""The store that a command is about."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hermes_lab.cli.exits import CommandFailed
from hermes_lab.model.errors import HermesError
from hermes_lab.store import Store
from hermes_lab.store.location import default_url, open_store, shown


@contextmanager
def opened_store(options: Namespace, *, create: bool) -> Iterator[tuple[Store, str]]:
    """The store of ``--root-dir``, or the one that ``--db-url`` names, and what to call it.

    Raises:
        CommandFailed: it does not open, or what is done with it is refused.
    """
    if not Path(options.root_dir).is_dir():
        raise CommandFailed(f"There is no folder {options.root_dir}.")
    url: str = options.db_url or default_url(options.root_dir)
    try:
        store = open_store(url, create=create)
        try:
            yield store, shown(url)
        finally:
            store.close()
    except HermesError as error:
        raise CommandFailed(error.message) from error
