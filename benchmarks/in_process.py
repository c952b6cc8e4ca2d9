"""The command line of benchmarks whose two sides are called in this very process, in turns."""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import platform
import pstats
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, table

Measure = Callable[[int], list[Figure]]


def seconds(call: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def run(description: str, rows: Mapping[str, Measure], ours: Mapping[str, Callable[[], Any]], library: str) -> int:
    """Measure and print; the exit code is 0 whether goals are met or not.

    ``ours`` has for each row that ``--profile`` takes what is profiled; ``library`` is the incumbent's distribution.
    """
    options = _options(description, rows, ours)
    if options.profile:
        profiler = cProfile.Profile()
        profiler.runcall(ours[options.profile])
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(25)
        return 0
    figures: list[Figure] = []
    for name in options.only:
        print(f"{name} …", file=sys.stderr, flush=True)
        figures += rows[name](1 if options.quick else options.repetitions)
    machine = f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"
    machine += f", {library} {version(library)}"
    print(f"\n{machine}\n\n{table(figures)}")
    if options.json is not None:
        measured = {"machine": machine, "figures": [figure.as_json() for figure in figures]}
        options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    return 0


def _options(description: str, rows: Mapping[str, Measure], ours: Mapping[str, Any]) -> argparse.Namespace:
    def names(text: str) -> list[str]:
        unknown = [name for name in text.split(",") if name not in rows]
        if unknown:
            raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(rows)}")
        return text.split(",")

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", type=names, default=list(rows), metavar="ROW[,ROW]", help=f"of {', '.join(rows)}; default: all"
    )
    parser.add_argument("--quick", action="store_true", help="one repetition")
    parser.add_argument("--repetitions", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there too")
    parser.add_argument("--profile", choices=ours, metavar="ROW", help=f"of {', '.join(ours)}")
    return parser.parse_args()
