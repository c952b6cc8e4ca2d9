"""A pytest plugin for papermill's own tests: what runs with the default engine runs with hermes_lab's."""

from __future__ import annotations

import sys
from typing import Any

from papermill.engines import papermill_engines
from papermill.translators import papermill_translators  # noqa: F401 - papermill is whole before an engine is replaced

from hermes_lab.papermill_engine import HermesEngine

papermill_engines.register(None, HermesEngine)


def pytest_collection_finish() -> None:
    """Have the command line of papermill, which is a process of its own, told of the engine."""
    of_command_line: Any = sys.modules.get("papermill.tests.test_cli")
    if of_command_line is None:
        return
    start = of_command_line.papermill_cli
    of_command_line.papermill_cli = lambda arguments=None, **options: start(
        [*(arguments or []), "--engine", "hermes"], **options
    )
