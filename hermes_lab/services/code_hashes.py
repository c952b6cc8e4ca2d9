"""What a notebook would execute, as one hash: evidence names it, and a merge compares it. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from hermes_lab.model.payload import Notebook, sha256
from hermes_lab.services.cell_parts import without_notebook_results, without_results

_OF_A_KERNEL: Final = "language_info"
"""What a kernel writes about itself when it starts: it differs with the Python of each machine."""


def code_hash(notebook: Notebook) -> str:
    """The sha256 of a normalised notebook without what runs leave in it (outputs, counts, run records).

    Ids, cell types, sources, attachments, the order, and all other metadata count; how a number is written does not.
    """
    metadata = {
        key: value for key, value in without_notebook_results(notebook["metadata"]).items() if key != _OF_A_KERNEL
    }
    written = {**notebook, "metadata": metadata, "cells": [without_results(cell) for cell in notebook["cells"]]}
    return sha256(json.dumps(_canonical(written), sort_keys=True, separators=(",", ":")))


def _canonical(value: Any) -> Any:
    """As `same` has it: 1.0 is 1, which a browser cannot tell apart."""
    if isinstance(value, dict):
        return {key: _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
