"""One run for papermill: its notebook goes through the runner, and its manager hears of every cell."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import output_from_msg, reads_json
from papermill.clientwrap import PapermillNotebookClient
from papermill.iorw import LocalHandler, papermill_io
from papermill.log import logger

from hermes_lab.engines.notebook_format import validate
from hermes_lab.engines.papermill import without_error_markers
from hermes_lab.executor import NotebookExecutor
from hermes_lab.model.payload import JsonObject, new_id
from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import (
    ExecuteNotebook,
    ExecutionEnded,
    ExecutionEvent,
    ExecutionQueued,
    Limits,
    OnEvent,
    OnMessage,
)


def execute(
    manager: Any,
    kernel_name: str,
    *,
    input_path: str | NotebookNode | None = None,
    log_output: bool = False,
    stdout_file: Any = None,
    stderr_file: Any = None,
    start_timeout: float = 60,
    execution_timeout: float | None = None,
    timeout: float | None = None,
    allow_errors: bool = False,
    **_options_of_nbclient: Any,
) -> NotebookNode:
    """Execute the notebook of a papermill ``NotebookExecutionManager``; the options are those of papermill's engine.

    Raises:
        DeadKernelError, CellTimeoutError, NoSuchKernel, RuntimeError: as papermill's own engine raises them.
    """
    manager.notebook_start()
    paths = {name: manager.nb.metadata.papermill.get(name) for name in ("input_path", "output_path")}
    recorded, manager.output_path = manager.output_path, None  # from here on the runner alone saves
    show = SimpleNamespace(log=logger, log_output=log_output, stdout_file=stdout_file, stderr_file=stderr_file)

    def hear(_cell_id: str, kind: str, content: JsonObject) -> None:
        if kind in {"stream", "display_data", "execute_result"}:
            output = output_from_msg({"header": {"msg_type": kind}, "content": content})
            PapermillNotebookClient.log_output_message(show, output)

    cell_timeout = execution_timeout or timeout
    folder = Path(tempfile.mkdtemp(prefix="hermes-papermill-"))
    request = ExecuteNotebook(
        run_id=new_id(),
        notebook=validate(json.loads(json.dumps(manager.nb))),
        input_path=input_path if isinstance(input_path, str) else None,  # papermill takes a notebook itself, too
        output_path=str(_local(recorded, folder)),
        recorded_output_path=recorded,
        working_folder=os.getcwd(),  # noqa: PTH109 - papermill changed to it, and says so with `os.chdir`
        kernel_name=kernel_name,
        cell_timeout_seconds=cell_timeout if cell_timeout and cell_timeout > 0 else None,
        allow_errors=allow_errors,
        limits=Limits(start_seconds=start_timeout),
    )
    logger.info(f"Executing notebook with kernel: {kernel_name}")
    cells = _Cells(manager, request)
    try:
        ended = _run(request, cells.show, hear if log_output or stdout_file or stderr_file else None)
        cells.end(completed=ended.state == "completed")
    finally:
        manager.cleanup_pbar()
    moved_to = None if ended.output_path is None else Path(ended.output_path)
    if ended.output_hash is not None and moved_to is None:
        manager.nb = _written(request)
        manager.nb.metadata.papermill.update(paths)
    only_copy_in_there = moved_to is not None and moved_to.parent == folder
    if ended.cause != "output_unwritable" and not only_copy_in_there:
        shutil.rmtree(folder)
    if moved_to is not None:
        # papermill would write what it is answered over the file that somebody else wrote meanwhile.
        raise RuntimeError(ended.message)
    _raise_for(ended, kernel_name)
    executed: NotebookNode = manager.nb
    return executed


class _Cells:
    """Tells the manager, which counts all cells, about those that the runner tells of: cells of code."""

    def __init__(self, manager: Any, request: ExecuteNotebook) -> None:
        self._manager = manager
        self._index = {cell["id"]: index for index, cell in enumerate(request.notebook["cells"])}
        self._next = 0

    def show(self, event: ExecutionEvent) -> None:
        """Take in what became of some cells."""
        if isinstance(event, ExecutionQueued):
            return
        for told in event.cells:
            index = self._index[told.cell_id]
            cell = self._manager.nb.cells[index]
            if told.state == "running":
                self._pass_over(index)
                self._manager.cell_start(cell, index)
            elif told.state != "not_run" and index >= self._next:
                if told.state != "completed":
                    self._manager.cell_exception(cell, cell_index=index)
                self._manager.cell_complete(cell, cell_index=index)
                self._next = index + 1

    def end(self, *, completed: bool) -> None:
        """The run has ended."""
        if completed:
            self._pass_over(len(self._index))
            self._manager.complete_pbar()

    def _pass_over(self, index: int) -> None:
        """Text, and code that has nothing to run."""
        for position in range(self._next, index):
            cell = self._manager.nb.cells[position]
            if cell.cell_type == "code":
                if self._manager.pbar:
                    self._manager.pbar.update(1)
            else:
                self._manager.cell_start(cell, position)
                self._manager.cell_complete(cell, cell_index=position)
        self._next = max(self._next, index)


def _local(path: str | None, folder: Path) -> Path:
    """The file that the runner writes: papermill's output where that is a file of this machine."""
    handler = papermill_io.get_handler(path)
    if path is None or not isinstance(handler, LocalHandler):
        return folder / "output.ipynb"
    # papermill writes in the folder where it was called, wherever the notebook works
    cwd = handler.cwd(None)
    handler.cwd(cwd)
    return Path(cwd or "", path).resolve()


def _run(request: ExecuteNotebook, show: OnEvent, hear: OnMessage | None) -> ExecutionEnded:
    """Execute in an event loop of its own; in a thread where this one has a loop already, as in a notebook."""

    async def carried_out() -> ExecutionEnded:
        return await NotebookExecutor(InProcessRunner(on_message=hear, describes=False)).carry_out(request, show)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(carried_out())
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(lambda: asyncio.run(carried_out())).result()


def _written(request: ExecuteNotebook) -> NotebookNode:
    """The output notebook, to which papermill itself adds the marks of a failure."""
    return without_error_markers(reads_json(Path(request.output_path).read_text(encoding="utf-8")))


def _raise_for(ended: ExecutionEnded, kernel_name: str) -> None:
    message = ended.message or ""
    match ended.cause:
        case None | "cell_error":
            return
        case "kernel_died" | "unresponsive":
            raise DeadKernelError(message)
        case "kernel_not_found":
            raise NoSuchKernel(kernel_name)
        case "timed_out":
            raise CellTimeoutError(message)
        case _:
            raise RuntimeError(message)
