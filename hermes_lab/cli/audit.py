"""`jupyter hermes audit verify`."""

from __future__ import annotations

from argparse import Namespace

from ..model.errors import HermesError
from ..store.location import default_url, open_store
from .exits import FAILED, OK, CommandFailed


def verify(options: Namespace) -> int:
    """Follow the chain of hashes from the first entry to the last."""
    try:
        store = open_store(options.db_url or default_url(options.root_dir), create=False)
    except HermesError as error:
        raise CommandFailed(error.message) from error
    try:
        broken = store.audit.first_broken()
        entries = sum(1 for _ in store.audit.entries())
    finally:
        store.close()
    if broken is not None:
        print(f"The audit log is broken: entry {broken} was altered, or the one before it is gone.")
        return FAILED
    print(f"The audit log is intact: {entries} entries.")
    return OK
