"""Executing cells with nbclient's message semantics, over one connection that stays open for the whole run.

nbclient reads the kernel's messages only while a cell runs, and only that cell's. Here the readers live as
long as the run: output that comes late lands in the cell that made it, and any wait can be given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete
from nbformat import NotebookNode

from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.kernels import RunKernel
from hermes_lab.runner.protocol import OnMessage
from hermes_lab.runner.streams import merge_streams

_LOG = logging.getLogger(__name__)
_IDLE_PATIENCE_SECONDS = 4.0
"""How long the end of a cell's output may stay away when nothing comes at all; nbclient's `iopub_timeout`."""
_ASK_AGAIN_SECONDS = 1.0
_SUBSCRIBED_SECONDS = 0.1
_MESSAGES_IN_A_ROW = 100


class _Request:
    """An execute request on its way."""

    def __init__(self, cell: NotebookNode | None, index: int) -> None:
        self.cell = cell
        self.index = index
        self.reply: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self.idle = asyncio.Event()


class CellClient(NotebookClient):
    """Sends cells to a kernel and writes what comes back into the notebook."""

    def __init__(
        self,
        notebook: NotebookNode,
        kernel: RunKernel,
        on_output: Callable[[], None],
        on_message: OnMessage | None = None,
    ) -> None:
        super().__init__(notebook, km=kernel.manager)
        self.kc = kernel.client
        self._kernel = kernel.client
        self._on_output = on_output
        self._on_message = on_message
        self._requests: dict[str, _Request] = {}
        self._messages = 0
        self.readers = (
            asyncio.create_task(self._read(self._kernel.get_shell_msg, self._on_reply)),
            asyncio.create_task(self._read(self._kernel.get_iopub_msg, self._on_iopub)),
        )

    async def ready(self) -> None:
        """Return when the kernel answers on both channels; notes its language in the notebook."""
        while True:
            request = self._expect(self._kernel.kernel_info(), None, -1)
            try:
                reply = await asyncio.wait_for(request.reply, _ASK_AGAIN_SECONDS)
                # A subscription takes a moment, and what was published before it is lost.
                await asyncio.wait_for(request.idle.wait(), _SUBSCRIBED_SECONDS)
            except asyncio.TimeoutError:
                continue
            self.nb.metadata["language_info"] = reply["language_info"]
            return

    async def run_cell(self, cell: NotebookNode, index: int) -> JsonObject:
        """Execute a code cell and return the content of the kernel's reply, when all its output is there."""
        cell.outputs = []
        cell.metadata["execution"] = {}
        self.clear_before_next_output = False
        message_id = self._kernel.execute(
            cell.source, store_history=True, allow_stdin=False, stop_on_error=not self.allows_errors(cell)
        )
        request = self._expect(message_id, cell, index)
        content = await request.reply
        cell["execution_count"] = content.get("execution_count", cell.get("execution_count"))
        await self._until_idle(request)
        self._tidy(cell, index)
        return content

    @staticmethod
    def allows_errors(cell: NotebookNode) -> bool:
        """Whether an error in this cell lets the run go on."""
        return "raises-exception" in cell.metadata.get("tags", [])

    def has_nothing_to_run(self, cell: NotebookNode) -> bool:
        """Whether the cell is text, is empty, or is tagged to be skipped."""
        skipped = self.skip_cells_with_tag in cell.metadata.get("tags", [])
        return cell.cell_type != "code" or not cell.source.strip() or skipped

    async def drain(self, seconds: float) -> None:
        """Take in what a kernel said before it died: return when nothing has come for so long."""
        seen = -1
        while seen != self._messages:
            seen = self._messages
            await asyncio.sleep(seconds)

    def close(self) -> None:
        """Stop listening, and note the state of widgets in the notebook."""
        for reader in self.readers:
            reader.cancel()
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type == "code":
                self._tidy(cell, index)
        self.set_widgets_metadata()

    def _expect(self, message_id: str, cell: NotebookNode | None, index: int) -> _Request:
        request = self._requests[message_id] = _Request(cell, index)
        return request

    async def _until_idle(self, request: _Request) -> None:
        while not request.idle.is_set():
            seen = self._messages
            try:
                await asyncio.wait_for(request.idle.wait(), _IDLE_PATIENCE_SECONDS)
            except asyncio.TimeoutError:
                if seen == self._messages:
                    _LOG.warning("The kernel did not say that cell %d has ended; going on.", request.index)
                    return

    async def _read(
        self, receive: Callable[[], Awaitable[JsonObject]], handle: Callable[[JsonObject, _Request], None]
    ) -> None:
        while True:
            message = await receive()
            self._messages += 1
            request = self._requests.get(message["parent_header"].get("msg_id"))
            if request is not None:
                handle(message, request)
            if self._messages % _MESSAGES_IN_A_ROW == 0:
                await asyncio.sleep(0)  # messages at hand are read without a pause; others want a turn

    def _on_reply(self, message: JsonObject, request: _Request) -> None:
        if request.cell is not None:
            request.cell.metadata["execution"]["shell.execute_reply"] = _timestamp(message)
        if not request.reply.done():
            request.reply.set_result(message["content"])

    def _on_iopub(self, message: JsonObject, request: _Request) -> None:
        try:
            if request.cell is not None:
                if self._on_message is not None:
                    self._on_message(request.cell.id, message["msg_type"], message["content"])
                self.process_message(message, request.cell, request.index)
        except CellExecutionComplete:
            pass
        except Exception:  # noqa: BLE001 - one message that nbclient cannot apply must not end the run
            _LOG.exception("A message of the kernel could not be applied to cell %d.", request.index)
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            request.idle.set()
        self._on_output()

    def _tidy(self, cell: NotebookNode, index: int) -> None:
        moved = merge_streams(cell.outputs)
        displays: dict[str, dict[int, list[int]]] = self._display_id_map
        for places in displays.values():
            if index in places:
                places[index] = [moved[place] for place in places[index]]


def _timestamp(message: dict[str, Any]) -> str:
    """The moment that a message bears, in the form that nbclient and JupyterLab write."""
    return str(message["header"]["date"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
