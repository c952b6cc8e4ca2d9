"""The loop of a driver: calls come on standard input, answers go to standard output, one line of JSON each.

Standard library only: the same loop runs in an environment that knows papermill and not us.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]
Function = Callable[..., Answer]


def serve(functions: dict[str, Function]) -> None:
    """Answer calls until there are no more. What a function prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        call = json.loads(line)
        answers.write(json.dumps(functions[call["function"]](**call["arguments"])) + "\n")
        answers.flush()


def timed(action: Callable[[], object]) -> Answer:
    """Do it; the seconds that it took, and the processor time of this process alone."""
    cpu, began = _own_cpu(), time.perf_counter()
    action()
    return {"seconds": time.perf_counter() - began, "cpu_seconds": _own_cpu() - cpu}


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
