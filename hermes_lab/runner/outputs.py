"""What a kernel's messages make of the outputs of a cell: nbclient's rules, applied as the messages come.

One thing differs: neighbouring pieces of a stream are one output from the start, so that two runs of the same
code have the same outputs, wherever the kernel cut them.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.wire import Message

_LOG = logging.getLogger(__name__)
_NO_KEYBOARD = "StdinNotImplementedError"
_WITHOUT_KEYBOARD = "Notebooks run without a person at the keyboard; pass a parameter instead."


class Displays:
    """Where displays with an id are, in all cells: an update changes each of them."""

    def __init__(self) -> None:
        self._shown: dict[str, list[tuple[CellOutputs, JsonObject]]] = {}

    def add(self, display_id: str, outputs: CellOutputs, output: JsonObject) -> None:
        """A display with this id is shown there."""
        self._shown.setdefault(display_id, []).append((outputs, output))

    def update(self, display_id: str, content: JsonObject) -> list[CellOutputs]:
        """Put the new content into every display with this id; the cells that hold one."""
        changed = []
        for outputs, output in self._shown.get(display_id, ()):
            output.update(data=bundle_of(content), metadata=content.get("metadata") or {})
            changed.append(outputs)
        return changed

    def forget(self, display_ids: set[str], outputs: CellOutputs) -> None:
        """The displays of this cell are cleared."""
        for display_id in display_ids:
            self._shown[display_id] = [place for place in self._shown[display_id] if place[0] is not outputs]


class CellOutputs:
    """The outputs of one cell. ``cell_id`` names it, ``outputs`` is its list in the notebook."""

    def __init__(self, cell: JsonObject, displays: Displays) -> None:
        self.cell_id: str = cell["id"]
        self._cell = cell
        self._outputs: list[JsonObject] = cell["outputs"]
        self._displays = displays
        self._display_ids: set[str] = set()
        self._clear_before_next = False

    def take(self, message: Message) -> list[CellOutputs]:
        """Apply a message; the cells that it changed."""
        content = message.content
        changed = [self]
        display_id = (content.get("transient") or {}).get("display_id")
        if display_id and message.kind in {"execute_result", "display_data", "update_display_data"}:
            changed += self._displays.update(display_id, content)
        if "execution_count" in content:
            self._cell["execution_count"] = content["execution_count"]
        match message.kind:
            case "stream":
                self._write(str(content["name"]), str(content["text"]))
            case "execute_result":
                self._show(
                    {**_display(message.kind, content), "execution_count": content["execution_count"]}, display_id
                )
            case "display_data":
                self._show(_display(message.kind, content), display_id)
            case "error":
                self._show(_error(explained(content)), None)
            case "clear_output" if content.get("wait"):
                self._clear_before_next = True
            case "clear_output":
                self._clear()
            case "update_display_data":
                changed.remove(self)
            case _:
                _LOG.warning("A kernel published %r, which is no output.", message.kind)
        return changed

    def _write(self, name: str, text: str) -> None:
        self._clear_where_due()
        last = self._outputs[-1] if self._outputs else None
        if last is not None and last["output_type"] == "stream" and last["name"] == name:
            last["text"].append(text)
        else:
            self._outputs.append({"output_type": "stream", "name": name, "text": [text]})

    def _show(self, output: JsonObject, display_id: str | None) -> None:
        self._clear_where_due()
        self._outputs.append(output)
        if display_id:
            self._display_ids.add(display_id)
            self._displays.add(display_id, self, output)

    def _clear_where_due(self) -> None:
        if self._clear_before_next:
            self._clear()
            self._clear_before_next = False

    def _clear(self) -> None:
        self._outputs.clear()
        self._displays.forget(self._display_ids, self)
        self._display_ids.clear()


def bundle_of(content: JsonObject) -> JsonObject:
    """The data of a display, each in the form that the notebook format has for its MIME type."""
    return {mime: value if _fits(mime, value) else json.dumps(value) for mime, value in content["data"].items()}


def _fits(mime: str, value: Any) -> bool:
    if isinstance(value, str) or mime == "application/json":
        return True
    if mime.startswith("application/") and mime.endswith("+json"):
        return True
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def _display(kind: str, content: JsonObject) -> JsonObject:
    return {"output_type": kind, "data": bundle_of(content), "metadata": content.get("metadata") or {}}


def _error(content: JsonObject) -> JsonObject:
    traceback = [str(line) for line in content.get("traceback") or ()]
    error = {"output_type": "error", "ename": str(content["ename"]), "evalue": str(content["evalue"])}
    return {**error, "traceback": traceback}


def explained(content: JsonObject) -> JsonObject:
    """An error as the kernel reports it; one that wanted a person at the keyboard says what to do instead."""
    if content.get("ename") != _NO_KEYBOARD:
        return content
    traceback = [*(content.get("traceback") or ()), _WITHOUT_KEYBOARD]
    return {**content, "evalue": f"{content.get('evalue', '')} {_WITHOUT_KEYBOARD}".strip(), "traceback": traceback}
