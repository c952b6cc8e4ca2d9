"""`jupyter hermes run`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hermes_lab.cli.exits import CANCELLED, FAILED, KERNEL, OK, TIMED_OUT, USAGE, CommandFailed
from hermes_lab.executor import NotebookExecutor
from hermes_lab.model.errors import HermesError
from hermes_lab.model.payload import JsonObject, new_id
from hermes_lab.model.runs import Cause
from hermes_lab.runner.protocol import ExecutionEnded, ExecutionEvent

_EXIT_CODES: dict[Cause, int] = {
    "cell_error": FAILED,
    "kernel_died": KERNEL,
    "kernel_failed_to_start": KERNEL,
    "kernel_not_found": KERNEL,
    "unresponsive": KERNEL,
    "timed_out": TIMED_OUT,
}
_PYTHON_WORDS = {"True": True, "False": False, "None": None}


def run(options: Namespace) -> int:
    """Run the notebook in this process and print what it came to."""
    output = Path(options.output or f"runs/{Path(options.notebook).stem}/{new_id()}.ipynb")
    if output.exists() and not options.overwrite:
        raise CommandFailed(f"{output} exists; --overwrite replaces it")
    if options.timeout is not None and not options.timeout > 0:
        raise CommandFailed("--timeout must be a number of seconds above 0")
    try:
        ended = asyncio.run(_executed(options, output))
    except HermesError as error:
        code = KERNEL if error.code == "kernel_not_found" else USAGE
        raise CommandFailed(error.message, code) from error
    _print_json(ended, output) if options.json else _print_words(ended, output)
    return _exit_code(ended)


def value(text: str) -> Any:
    """The value of a parameter: JSON or a Python word where it is that, else the text itself."""
    if text in _PYTHON_WORDS:
        return _PYTHON_WORDS[text]
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


async def _executed(options: Namespace, output: Path) -> ExecutionEnded:
    executor = NotebookExecutor()
    with _ended_by_signals(executor):
        try:
            return await executor.run(
                options.notebook,
                output,
                {name: value(text) for name, text in options.parameters},
                kernel_name=options.kernel,
                timeout=options.timeout,
                on_event=_show if sys.stderr.isatty() and not options.json else _unseen,
            )
        finally:
            await executor.close()


@contextmanager
def _ended_by_signals(executor: NotebookExecutor) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run: its kernel is gone and its output is whole before this process ends."""
    if sys.platform == "win32":  # the event loop there takes no signals; Ctrl-C raises KeyboardInterrupt
        yield
        return
    loop = asyncio.get_running_loop()
    closing: list[asyncio.Task[None]] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, lambda: closing.append(loop.create_task(executor.close())))
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _exit_code(ended: ExecutionEnded) -> int:
    if ended.state == "completed":
        return OK
    if ended.state == "cancelled" or ended.cause == "interrupted":
        return CANCELLED
    return _EXIT_CODES.get(ended.cause, USAGE) if ended.cause else FAILED


def _print_json(ended: ExecutionEnded, output: Path) -> None:
    answer: JsonObject = ended.result.model_dump(mode="json") if ended.result else {}
    answer |= {"state": ended.state, "cause": ended.cause, "message": ended.message, "output_path": str(output)}
    print(json.dumps(answer, indent=2))


def _print_words(ended: ExecutionEnded, output: Path) -> None:
    result = ended.result
    seconds = f" in {result.duration_seconds:.1f} s" if result else ""
    print(f"{ended.state}{seconds}: {ended.progress.cells_done} of {ended.progress.cells_total} code cells")
    for name, scrap in (result.scraps if result else {}).items():
        print(f"  {name} = {json.dumps(scrap)[:200]}")
    if ended.output_hash is not None:
        print(f"output: {output}")
    if ended.state == "failed":
        failed = result.failed_cell if result else None
        what = f"cell {failed.index} ({failed.cell_id}): {failed.ename}: {failed.evalue}" if failed else ended.message
        print(f"jupyter hermes: {' '.join(str(what).split())}", file=sys.stderr)


def _show(event: ExecutionEvent) -> None:
    print(f"\r{event.progress.cells_done}/{event.progress.cells_total} cells", end="", file=sys.stderr, flush=True)
    if event.progress.cells_done == event.progress.cells_total:
        print(file=sys.stderr)


def _unseen(_event: ExecutionEvent) -> None:
    """Progress is for people who look at a terminal."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
