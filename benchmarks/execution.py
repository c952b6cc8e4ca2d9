#!/usr/bin/env python3
"""Executing notebooks: hermes_lab beside papermill and scrapbook, in one table.

    benchmarks/execution.py                       every row, median of 5; an hour, most of it papermill's
    benchmarks/execution.py --only scraps,command some rows
    benchmarks/execution.py --quick               one repetition of each: does it work, and is it roughly right
    benchmarks/execution.py --profile cells-200   where our time goes

Run it with the Python that hermes_lab is installed in, for development (`pip install -e ".[dev]"`). Papermill runs
in environments of its own, which are made in `.bench/` from the package index the first time. The machine should
do nothing else meanwhile. docs/benchmarks.md explains the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
sys.path.insert(0, str(CHECKOUT))

from benchmarks.environments import Environments, versions  # noqa: E402 - found in the checkout, not installed
from benchmarks.execution_rows import PROFILES, ROWS  # noqa: E402
from benchmarks.figures import Figure, table  # noqa: E402
from benchmarks.place import Place, place  # noqa: E402

_CACHE = CHECKOUT / ".bench"
_REPETITIONS = 5


def main() -> int:
    """Measure and print; the exit code is 0 whether goals are met or not."""
    options = _options()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    environments = Environments(_CACHE, options.incumbents)
    if options.profile:
        with _place(environments) as at:
            PROFILES[options.profile](at)
        return 0
    figures: list[Figure] = []
    for name in options.only:
        figures += _measured(name, environments, 1 if options.quick else options.repetitions)
    print(f"\n{_machine()}\n\n{table(figures)}")
    if options.json is not None:
        measured = {"machine": _machine(), "figures": [figure.as_json() for figure in figures]}
        options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    return 0


@contextmanager
def _place(environments: Environments) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="hermes-bench-") as folder, place(Path(folder), environments) as at:
        yield at


def _measured(row: str, environments: Environments, repetitions: int) -> list[Figure]:
    began = time.monotonic()
    print(f"{row} …", end=" ", file=sys.stderr, flush=True)
    with _place(environments) as at:
        figures = ROWS[row](at, repetitions)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return figures


def _machine() -> str:
    installed = ", ".join(f"{name} {version}" for name, version in versions(Path(sys.executable)).items())
    return f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}, {installed}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", type=_rows, default=list(ROWS), metavar="ROW[,ROW]", help=f"of {', '.join(ROWS)}; default: all"
    )
    parser.add_argument("--quick", action="store_true", help="one repetition")
    parser.add_argument("--repetitions", type=int, default=_REPETITIONS, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there too")
    parser.add_argument(
        "--incumbents",
        type=Path,
        metavar="PYTHON",
        help="an environment with papermill and scrapbook, instead of .bench/",
    )
    parser.add_argument("--profile", choices=PROFILES, metavar="ROW", help=f"of {', '.join(PROFILES)}")
    return parser.parse_args()


def _rows(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(ROWS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
