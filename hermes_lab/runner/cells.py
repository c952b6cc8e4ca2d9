"""Executing cells with nbclient's message semantics, over one connection that stays open for the whole run.

nbclient reads the kernel's messages only while a cell runs, and only that cell's. Here they are read as long as the
run lasts: output that comes late lands in the cell that made it, and any wait can be given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from nbformat import NotebookNode

from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.kernels import RunKernel
from hermes_lab.runner.masking import MaskedCell, Secrets
from hermes_lab.runner.outputs import CellOutputs, RunOutputs, explained
from hermes_lab.runner.prologue import IMPLEMENTATION, MESSAGES_UNREAD, prologue
from hermes_lab.runner.protocol import OnMessage
from hermes_lab.runner.widgets import Widgets
from hermes_lab.runner.wire import Message, Wire

_LOG = logging.getLogger(__name__)
_IDLE_PATIENCE_SECONDS = 4.0
"""How long the end of a cell's output may stay away when nothing comes at all; nbclient's `iopub_timeout`."""
_ASK_AGAIN_SECONDS = 1.0
_SUBSCRIBED_SECONDS = 0.1
_NO_REPLY = "NoReply"
_WITHOUT_REPLY = "The kernel could not execute this cell, and did not say why; its source may hold what is no text."
_SKIP_TAG = "skip-execution"
_ERROR_TAG = "raises-exception"


class CellRequest:
    """A cell on its way through the kernel. ``ended`` has the kernel's reply, when all output is there too."""

    def __init__(self, cell: NotebookNode, index: int, outputs: CellOutputs, mask: MaskedCell) -> None:
        self.cell = cell
        self.index = index
        self.outputs = outputs
        self.mask = mask
        self.timings: dict[str, str] = cell["metadata"]["execution"]
        self.reply: JsonObject | None = None
        self.is_idle = False
        self.ended: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()

    def end_where_complete(self, *, without_idle: bool = False) -> None:
        """Done, once both the reply and the end of the output have come."""
        if self.reply is not None and (self.is_idle or without_idle) and not self.ended.done():
            self.ended.set_result(self.reply)


class _Greeting:
    """Whether the kernel has answered on both channels."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.reply: JsonObject | None = None
        self.publishes = False
        self.heard = asyncio.Event()

    async def complete(self) -> JsonObject | None:
        """Its answer, or None where it did not come in time."""
        try:
            await asyncio.wait_for(self._until(lambda: self.reply is not None), _ASK_AGAIN_SECONDS)
            # A subscription takes a moment, and what was published before it is lost.
            await asyncio.wait_for(self._until(lambda: self.publishes), _SUBSCRIBED_SECONDS)
        except asyncio.TimeoutError:
            return None
        return self.reply

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.heard.clear()
            await self.heard.wait()


class CellClient:
    """Sends cells to a kernel and writes what comes back into the notebook.

    ``on_output`` is told the id of each cell that has changed. What ``secrets`` holds is masked before anything else
    is done with a message.
    """

    def __init__(
        self,
        notebook: NotebookNode,
        kernel: RunKernel,
        outputs: RunOutputs,
        secrets: Secrets,
        on_output: Callable[[str], None],
        on_message: OnMessage | None = None,
        *,
        allow_errors: bool = False,
    ) -> None:
        self._notebook = notebook
        self._on_output = on_output
        self._on_message = on_message
        self._allow_errors = allow_errors
        self._kernel_info = kernel.kernel_info
        self._requests: dict[str, CellRequest] = {}
        self._outputs = outputs
        self._secrets = secrets
        self._greeting = _Greeting()
        self._prologue_id: str | None = None
        self._wire = Wire(kernel.client, self._on_shell, self._on_iopub)
        self._widgets = Widgets(notebook, kernel.client)

    @property
    def broken(self) -> asyncio.Future[None]:
        """Fails where the kernel cannot be heard any more."""
        return self._wire.broken

    @property
    def outputs(self) -> list[CellOutputs]:
        """Those of every cell that was sent."""
        return [request.outputs for request in self._requests.values()]

    async def ready(self) -> None:
        """Return when the kernel answers on both channels; notes its language in the notebook."""
        while self._kernel_info is None:
            self._greeting.asked.add(self._wire.send("kernel_info_request", {}))
            self._kernel_info = await self._greeting.complete()
        self._notebook["metadata"]["language_info"] = self._kernel_info["language_info"]
        if self._kernel_info.get("implementation") == IMPLEMENTATION:
            self._prologue_id = self._wire.send("execute_request", prologue())

    def send(self, cell: NotebookNode, index: int) -> CellRequest:
        """Hand a code cell to the kernel; what it had before is cleared."""
        cell["outputs"] = []
        cell["metadata"]["execution"] = {}
        content = {
            "code": cell["source"],
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": not self.allows_errors(cell),
        }
        outputs = CellOutputs(cell, self._outputs)
        request = CellRequest(cell, index, outputs, MaskedCell(self._secrets))
        # The id is where JupyterLab has it: code in the kernel can tell which cell it belongs to.
        self._requests[self._wire.send("execute_request", content, {"cellId": cell["id"]})] = request
        return request

    def allows_errors(self, cell: NotebookNode) -> bool:
        """Whether an error in this cell lets the run go on."""
        return self._allow_errors or self.expects_errors(cell)

    @staticmethod
    def expects_errors(cell: NotebookNode) -> bool:
        """Whether the notebook itself says that this cell may fail."""
        return _ERROR_TAG in cell["metadata"].get("tags", ())

    @staticmethod
    def has_nothing_to_run(cell: NotebookNode) -> bool:
        """Whether the cell is text, is empty, or is tagged to be skipped."""
        skipped = _SKIP_TAG in cell["metadata"].get("tags", ())
        return cell["cell_type"] != "code" or not cell["source"].strip() or skipped

    async def drain(self, seconds: float) -> None:
        """Take in what a kernel has said: return when nothing has come for so long."""
        seen = -1
        while seen != self._wire.received:
            seen = self._wire.received
            await asyncio.sleep(seconds)

    def close(self) -> None:
        """Stop listening, show what was held back, and note the state of widgets in the notebook."""
        self._wire.close()
        for request in self._requests.values():
            for message in request.mask.release():
                self._publish(message, request)
        self._widgets.close()

    def _on_shell(self, message: Message) -> None:
        asked = message.parent_id
        request = self._requests.get(asked)
        if request is not None and message.kind == "execute_reply":
            request.timings["shell.execute_reply"] = message.time
            if request.cell["execution_count"] is None:
                request.cell["execution_count"] = message.content.get("execution_count")
            request.reply = explained(self._secrets.masked(message.content))
            request.end_where_complete()
            if not request.is_idle:
                self._wait_for_idle(request)
        elif asked == self._prologue_id and message.content.get("status") == "ok":
            self._wire.make_kernel_wait(MESSAGES_UNREAD)
        elif asked in self._greeting.asked:
            self._greeting.reply = message.content
            self._greeting.heard.set()

    def _wait_for_idle(self, request: CellRequest, seen: int = -1) -> None:
        """Some kernels fail to say that a cell's output has ended; the run goes on when they say nothing at all."""
        if request.ended.done():
            return
        if seen == self._wire.received:
            _LOG.warning("The kernel did not say that cell %d has ended; going on.", request.index)
            request.end_where_complete(without_idle=True)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(_IDLE_PATIENCE_SECONDS, self._wait_for_idle, request, self._wire.received)

    def _on_iopub(self, message: Message) -> None:
        asked = message.parent_id
        request = self._requests.get(asked)
        if request is not None:
            self._publish(request.mask.masked(message), request)
        elif asked in self._greeting.asked or message.kind == "iopub_welcome":
            self._greeting.publishes = True
            self._greeting.heard.set()

    def _publish(self, message: Message, request: CellRequest) -> None:
        if self._on_message is not None:
            self._on_message(request.outputs.cell_id, message.kind, message.content)
        if message.kind == "status":
            self._note_status(message, request)
        elif message.kind == "execute_input":
            request.timings["iopub.execute_input"] = message.time
            request.cell["execution_count"] = message.content["execution_count"]
        else:
            self._apply(message, request)

    def _note_status(self, message: Message, request: CellRequest) -> None:
        state = message.content["execution_state"]
        if state in {"busy", "idle"}:
            request.timings[f"iopub.status.{state}"] = message.time
        if state == "idle":
            request.is_idle = True
            request.end_where_complete()
            if request.reply is None:
                self._wait_for_reply(request)

    def _wait_for_reply(self, request: CellRequest, seen: int = -1) -> None:
        """A kernel that fails in its own code says that it is done with a cell, and never how it went."""
        if request.reply is not None:
            return
        if seen != self._wire.received:
            loop = asyncio.get_running_loop()
            loop.call_later(_IDLE_PATIENCE_SECONDS, self._wait_for_reply, request, self._wire.received)
            return
        error = {"ename": _NO_REPLY, "evalue": _WITHOUT_REPLY, "traceback": [_WITHOUT_REPLY]}
        self._apply(Message("error", {}, {}, error, []), request)
        request.reply = {"status": "error", **error}
        request.end_where_complete()

    def _apply(self, message: Message, request: CellRequest) -> None:
        try:
            if self._widgets.take(message, request.index):
                self._wire.poke()
                return
            for outputs in request.outputs.take(message):
                self._on_output(outputs.cell_id)
        except Exception:  # noqa: BLE001 - one message that cannot be applied must not end the run
            _LOG.exception("A message of the kernel could not be applied to cell %d.", request.index)
