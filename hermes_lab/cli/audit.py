"""`jupyter hermes audit verify`."""

from __future__ import annotations

from argparse import Namespace

from hermes_lab.cli.exits import FAILED, OK
from hermes_lab.cli.opened import opened_store


def verify(options: Namespace) -> int:
    """Follow the chain of hashes from the first entry to the last."""
    with opened_store(options, create=False) as (store, _):
        broken = store.audit.first_broken()
        entries = sum(1 for _ in store.audit.entries())
    if broken is not None:
        print(f"The audit log is broken: entry {broken} was altered, or the one before it is gone.")
        return FAILED
    print(f"The audit log is intact: {entries} entries.")
    return OK
