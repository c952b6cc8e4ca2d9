"""The runner's own process: commands on standard input, events on standard output, one line of JSON each.

When standard input ends, for the server has closed it or is gone, every run ends as `interrupted`, every kernel
is killed, and the process exits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from hermes_lab.engines import papermill
from hermes_lab.model.payload import now
from hermes_lab.model.runs import Progress
from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.lines import LINE_LIMIT, read_lines, to_line
from hermes_lab.runner.patience import run
from hermes_lab.runner.protocol import (
    COMMAND,
    CancelExecution,
    ExecuteNotebook,
    ExecutionEnded,
    ExecutionEvent,
    Ping,
    Pong,
    PrepareKernel,
    code_cells_of,
)

_LOG = logging.getLogger(__name__)


class Child:
    """Carries out the commands of one supervisor."""

    def __init__(self, events: BinaryIO, runtime_folder: Path | None, warm_kernels: int) -> None:
        self._runner = InProcessRunner(runtime_folder, warm_kernels=warm_kernels)
        self._events = events
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, commands: asyncio.StreamReader) -> None:
        """Carry out commands until there are no more, then end all that is running."""
        async for line in read_lines(commands):
            match COMMAND.validate_python(line):
                case ExecuteNotebook() as request:
                    task = asyncio.create_task(self._execute(request))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case CancelExecution(run_id=run_id):
                    # A turn for the run to begin, whose command may be the one before this.
                    await asyncio.sleep(0)
                    await self._runner.cancel(run_id)
                case PrepareKernel(kernel_name=name, kernel_spec=spec, environment=environment):
                    self._runner.prepare(name, environment, spec)
                case Ping():
                    self._say(Pong())
        await self._runner.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _execute(self, request: ExecuteNotebook) -> None:
        try:
            ended = await self._runner.execute(request, self._say)
        except Exception as error:  # noqa: BLE001 - a defect of ours ends one run, and says so
            _LOG.exception("The run %s broke the runner.", request.run_id)
            ended = _broken(request, error)
        self._say(ended)

    def _say(self, event: ExecutionEvent | ExecutionEnded | Pong) -> None:
        """Write one event. Blocks while the supervisor does not read; a pipe without a reader is the end."""
        try:
            self._events.write(to_line(event))
            self._events.flush()
        except BrokenPipeError:
            _LOG.warning("The supervisor is gone; an event goes unheard: %s", event.kind)


def _broken(request: ExecuteNotebook, error: Exception) -> ExecutionEnded:
    cells = code_cells_of(request.notebook)
    return ExecutionEnded(
        run_id=request.run_id,
        state="failed",
        cause="interrupted",
        message=f"The runner could not go on: {error!r}",
        ended_at=now(),
        progress=Progress(cells_total=len(cells)),
        cells=cells,
    )


async def _serve(commands: BinaryIO, events: BinaryIO, runtime_folder: Path | None, warm_kernels: int) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), commands)
    loop.add_signal_handler(signal.SIGTERM, reader.feed_eof)
    try:
        await Child(events, runtime_folder, warm_kernels).serve(reader)
    finally:
        transport.close()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes, out of reach of anything that prints or reads; what is printed goes to standard error."""
    commands, events = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return commands, events


def main(arguments: list[str]) -> int:
    """Serve until standard input ends.

    The arguments are the folder for the kernels' files, and how many kernels of a kind are started ahead.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="hermes_lab.runner: %(message)s")
    commands, events = _take_pipes()
    papermill.load()
    runtime_folder, warm_kernels = arguments
    run(_serve(commands, events, Path(runtime_folder), int(warm_kernels)))
    return 0
