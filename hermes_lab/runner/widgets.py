"""Widgets: their state in the notebook, and the outputs that an output widget takes for itself, by nbclient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_client.asynchronous.client import AsyncKernelClient
from nbformat import NotebookNode

from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.wire import Message

if TYPE_CHECKING:
    from nbclient import NotebookClient


class Widgets:
    """Plays the front end's part for the widgets of one kernel.

    nbclient is imported when the first of them appears: most runs have none, and the import takes its time.
    """

    def __init__(self, notebook: NotebookNode, client: AsyncKernelClient) -> None:
        self._notebook = notebook
        self._kernel = client
        self._front_end: NotebookClient | None = None

    def take(self, message: Message, index: int) -> bool:
        """Whether the message was for a widget: it speaks to one, or one has asked for the outputs of its cell."""
        comm = message.kind.startswith("comm")
        if self._front_end is None:
            if not comm:
                return False
            self._front_end = self._made()
        known = _as_nbclient_has_it(message)
        if comm:
            self._front_end.handle_comm_msg([], known, index)
            return True
        hooks = self._front_end.output_hook_stack.get(message.parent_id)
        if not hooks or message.kind == "update_display_data":
            return False
        if message.kind == "clear_output":
            hooks[-1].clear_output([], known, index)
        else:
            hooks[-1].output([], known, None, index)
        return True

    def close(self) -> None:
        """Note the state of all widgets in the notebook."""
        if self._front_end is not None:
            self._front_end.set_widgets_metadata()

    def _made(self) -> NotebookClient:
        from nbclient import NotebookClient  # noqa: PLC0415 - see above

        front_end = NotebookClient(self._notebook)
        front_end.reset_execution_trackers()
        front_end.kc = self._kernel
        return front_end


def _as_nbclient_has_it(message: Message) -> JsonObject:
    return {
        "header": {**message.header},
        "msg_type": message.kind,
        "parent_header": message.parent,
        "content": message.content,
        "metadata": {},
        "buffers": message.buffers,
    }
