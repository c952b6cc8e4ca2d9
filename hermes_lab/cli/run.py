"""`jupyter hermes run`."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from hermes_lab.cli.display import Echo, ProgressBar, show_traceback
from hermes_lab.cli.exits import CANCELLED, FAILED, KERNEL, OK, TIMED_OUT, USAGE, CommandFailed
from hermes_lab.cli.notebook_help import notebook_help
from hermes_lab.cli.parameters import parameters, secrets
from hermes_lab.engines.storage import scheme_of
from hermes_lab.executor import NotebookExecutor
from hermes_lab.model.errors import HermesError
from hermes_lab.model.payload import JsonObject, new_id
from hermes_lab.model.runs import Cause
from hermes_lab.runner import patience
from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import ExecutionEnded, ExecutionEvent

_EXIT_CODES: dict[Cause, int] = {
    "cell_error": FAILED,
    "kernel_died": KERNEL,
    "kernel_failed_to_start": KERNEL,
    "kernel_not_found": KERNEL,
    "unresponsive": KERNEL,
    "timed_out": TIMED_OUT,
}


def run(options: Namespace) -> int:
    """Run the notebook in this process and print what it came to."""
    if options.help_notebook:
        return _help(options)
    output = _output(options)
    for name in ("timeout", "execution_timeout", "start_timeout"):
        seconds = getattr(options, name)
        if seconds is not None and not 0 < seconds < math.inf:
            raise CommandFailed(f"--{name.replace('_', '-')} must be a number of seconds above 0")
    with (
        _refusals(),
        Echo.open(log=options.log_output, stdout_file=options.stdout_file, stderr_file=options.stderr_file) as echo,
    ):
        ended = patience.run(_executed(options, output, echo))
    if ended.output_path is not None and scheme_of(output) is None:
        output = ended.output_path
    _print_json(ended, output) if options.json else _print_words(ended, output)
    return _exit_code(ended)


@contextmanager
def _refusals() -> Iterator[None]:
    """What cannot be done is one line, and says by its exit code whether it is for want of the kernel."""
    try:
        yield
    except HermesError as error:
        code = KERNEL if error.code == "kernel_not_found" else USAGE
        # The command line calls the switch by its own name, and has another way to give text.
        message = error.message.replace("`allow_unknown`", "--allow-unknown")
        wants_text = error.code == "parameter_type" and "declared as str" in error.message
        hint = " -r gives a value as text." if wants_text else ""
        raise CommandFailed(f"{message}{hint}", code) from error


def _help(options: Namespace) -> int:
    with _refusals():
        inspected = asyncio.run(
            NotebookExecutor().inspect_parameters(
                options.notebook, kernel_name=options.kernel, language=options.language
            )
        )
    print(inspected.model_dump_json(indent=2) if options.json else notebook_help(inspected))
    # papermill's exit code
    return FAILED if inspected.cell_id is None else OK


def _output(options: Namespace) -> str:
    if options.out is not None and options.output is not None:
        raise CommandFailed("OUT and --output are the same; give one of them")
    given = options.out or options.output
    output: str = given or f"runs/{PurePath(options.notebook).stem}/{new_id()}.ipynb"
    if scheme_of(output) is None and Path(output).exists() and not options.overwrite:
        raise CommandFailed(f"{output} exists; --overwrite replaces it")
    return output


async def _executed(options: Namespace, output: str, echo: Echo) -> ExecutionEnded:
    wants_echo = options.log_output or options.stdout_file or options.stderr_file
    executor = NotebookExecutor(InProcessRunner(on_message=echo.hear if wants_echo else None, describes=False))
    with _ended_by_signals(executor):
        bar = None
        try:
            request = await executor.request(
                options.notebook,
                output,
                parameters(options, output),
                kernel_name=options.kernel,
                language=options.language,
                cwd=options.cwd,
                timeout=options.timeout,
                cell_timeout=options.execution_timeout,
                start_timeout=options.start_timeout,
                secret_parameters=secrets(options),
                allow_unknown=options.allow_unknown,
                allow_errors=options.allow_errors,
                prepare_only=options.prepare_only,
                report_mode=options.report_mode,
            )
            bar = ProgressBar(request.notebook) if _wants_bar(options) else None
            return await executor.carry_out(request, bar.show if bar else _unseen)
        finally:
            if bar is not None:
                bar.close()
            await executor.close()


def _wants_bar(options: Namespace) -> bool:
    if options.progress_bar is not None:
        return bool(options.progress_bar)
    return sys.stderr.isatty() and not options.json and not options.log_output


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


def _print_json(ended: ExecutionEnded, output: str) -> None:
    answer: JsonObject = ended.result.model_dump(mode="json") if ended.result else {}
    answer |= {"state": ended.state, "cause": ended.cause, "message": ended.message, "output_path": output}
    print(json.dumps(answer, indent=2))


def _print_words(ended: ExecutionEnded, output: str) -> None:
    result = ended.result
    took = result.duration_seconds if result else None
    seconds = "" if took is None else f" in {took:.1f} s"
    # Whoever pressed Ctrl-C knows why it ended; to them it is no failure.
    state = "interrupted" if ended.cause == "interrupted" else ended.state
    print(f"{state}{seconds}: {ended.progress.cells_done} of {ended.progress.cells_total} code cells")
    for name, scrap in (result.scraps if result else {}).items():
        print(f"  {name} = {json.dumps(scrap)[:200]}")
    if ended.state == "completed" and ended.message:
        print(ended.message)
    # Where an upload failed nothing is at the URL; the message says where the notebook is.
    if ended.output_hash is not None and (ended.cause != "output_unwritable" or scheme_of(output) is None):
        print(f"output: {output}")
    if ended.state == "failed" and ended.cause != "interrupted":
        failed = result.failed_cell if result else None
        if failed and ended.cause == "cell_error":
            show_traceback(failed.traceback)
        # Counted from 1, as in all that people read.
        what = (
            f"cell {failed.index + 1} ({failed.cell_id}): {failed.ename}: {failed.evalue}" if failed else ended.message
        )
        print(f"jupyter hermes: {' '.join(str(what).split())}", file=sys.stderr)
        if failed and (ended.output_path is not None or ended.cause == "output_unwritable"):
            print(ended.message, file=sys.stderr)


def _unseen(_event: ExecutionEvent) -> None:
    """Progress is for people who look at a terminal."""
