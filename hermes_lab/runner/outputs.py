"""What a kernel's messages make of the outputs of a cell: nbclient's rules, applied as the messages come.

Two things differ. Neighbouring pieces of a stream are one output from the start, so that two runs of the same
code have the same outputs, wherever the kernel cut them. And what is too much for the notebook goes to files beside it.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.budget import RunBudget
from hermes_lab.runner.protocol import Limits
from hermes_lab.runner.spill import SpillFolder
from hermes_lab.runner.spilled_cell import SpilledCell, SpilledStream, bundle_size
from hermes_lab.runner.stream_text import StreamText, utf8_size
from hermes_lab.runner.wire import Message

_LOG = logging.getLogger(__name__)
_NO_KEYBOARD = "StdinNotImplementedError"
_WITHOUT_KEYBOARD = "Notebooks run without a person at the keyboard; pass a parameter instead."
_ERROR_BYTES = 100_000
"""An error is shown whatever else there is; so much of it."""
_SHORTENED_BYTES = 1_000_000
"""What is kept at most of a stream that is too long: nobody reads ten times as much, and all of it is in the file."""
_SCRAP = ("application/scrapbook.scrap.", "application/papermill.record+")
"""What a notebook glued is a result and no display: it is never too much."""


class RunOutputs:
    """What the cells of a run share: the displays that update each other, the budget, and the files beyond it."""

    def __init__(self, limits: Limits, folder: SpillFolder) -> None:
        self.displays = Displays()
        self.budget = RunBudget(limits)
        self.folder = folder


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
            outputs.update(output, content)
            changed.append(outputs)
        return changed

    def forget(self, display_ids: set[str], outputs: CellOutputs) -> None:
        """The displays of this cell are cleared."""
        for display_id in display_ids:
            self._shown[display_id] = [place for place in self._shown[display_id] if place[0] is not outputs]


class CellOutputs:
    """The outputs of one cell, in its list in the notebook; what they took is in its metadata."""

    def __init__(self, cell: JsonObject, run: RunOutputs) -> None:
        self.cell_id: str = cell["id"]
        self.output_bytes = 0
        """All that the cell wrote, whatever became of it."""
        self._cell = cell
        self._outputs: list[JsonObject] = cell["outputs"]
        self._record: JsonObject = cell["metadata"]["hermes"]
        self._displays = run.displays
        self._budget = run.budget.of_cell()
        self._spilled = SpilledCell(run.folder, self.cell_id)
        self._streams: dict[str, SpilledStream] = {}
        self._display_ids: set[str] = set()
        self._sizes: dict[int, int] = {}
        self._clear_before_next = False

    @property
    def spilled_to(self) -> str | None:
        """The first of the files that hold what was too much for the notebook."""
        return next(iter(self._spilled.names), None)

    def take(self, message: Message) -> list[CellOutputs]:
        """Apply a message; the cells that it changed."""
        content = message.content
        changed = [self]
        display_id = (content.get("transient") or {}).get("display_id")
        if display_id and message.kind in {"execute_result", "display_data", "update_display_data"}:
            changed += self._displays.update(display_id, content)
        if "execution_count" in content:
            self._cell["execution_count"] = content["execution_count"]
        if message.kind == "update_display_data":
            changed.remove(self)
        else:
            self._apply(message.kind, content, display_id)
        for outputs in changed:
            outputs.note()
        return changed

    def _apply(self, kind: str, content: JsonObject, display_id: str | None) -> None:
        match kind:
            case "stream":
                self._write(str(content["name"]), str(content["text"]))
            case "execute_result":
                shown = {**_display(kind, content), "execution_count": content["execution_count"]}
                self._show(shown, display_id)
            case "display_data":
                self._show(_display(kind, content), display_id)
            case "error":
                self._show_error(_error(explained(content)))
            case "clear_output" if content.get("wait"):
                self._clear_before_next = True
            case "clear_output":
                self._clear()
            case _:
                _LOG.warning("A kernel published %r, which is no output.", kind)

    def update(self, output: JsonObject, content: JsonObject) -> None:
        """Give a display of this cell another content."""
        self._budget.take(-self._sizes.pop(id(output), 0))
        self._spilled.replace(output)
        output.update(data=bundle_of(content), metadata=content.get("metadata") or {})
        size = self._counted(bundle_size(output["data"]))
        if self._has_room(output, size):
            self._allow(output, size)
        elif self._spilled.wants_files(size):
            output["data"] = self._spilled.display(output)
        else:
            self._share(output)
            output["data"] = {"text/plain": f"[its last update is not shown; it is in {self.spilled_to}]"}

    def note(self) -> None:
        """Say in the cell's metadata what its outputs took."""
        self._record["output_bytes"] = self.output_bytes
        if self._spilled.names or "spill_files" in self._record:
            self._record["spill_files"] = self._spilled.names

    def _write(self, name: str, text: str) -> None:
        if not text:
            return  # all of it is held back, for it may be the beginning of a secret
        self._clear_where_due()
        size = self._counted(utf8_size(text))
        if name in self._streams:
            self._streams[name].append(text)
        elif size <= self._budget.room:
            self._budget.take(size)
            self._stream(name).append(text)
        else:
            self._spill(name, text)

    def _stream(self, name: str) -> StreamText:
        """The text that the stream goes on in: the last output's, where that is the same stream."""
        last = self._outputs[-1] if self._outputs else None
        if last is None or last["output_type"] != "stream" or last["name"] != name:
            last = {"output_type": "stream", "name": name, "text": StreamText()}
            self._outputs.append(last)
        text: StreamText = last["text"]
        return text

    def _spill(self, name: str, text: str) -> None:
        """The stream has become too long: all of it goes to a file, and the notebook keeps its head and its tail."""
        growing = self._stream(name)
        before = [output for output in self._outputs if output["output_type"] == "stream" and output["name"] == name]
        shown_here = growing.text()
        room = self._budget.room
        kept = min(max(utf8_size(shown_here) + room - self._budget.reserve, 0), _SHORTENED_BYTES)
        spilled = self._spilled.stream(name, [output["text"].text() for output in before[:-1]], kept)
        for piece in (shown_here, text):
            spilled.append(piece)
        self._budget.take(kept - utf8_size(shown_here))
        before[-1]["text"] = spilled.text
        self._streams[name] = spilled

    def _show(self, output: JsonObject, display_id: str | None) -> None:
        self._clear_where_due()
        if display_id:
            self._display_ids.add(display_id)
            self._displays.add(display_id, self, output)
        size = self._counted(bundle_size(output["data"]))
        if self._has_room(output, size):
            self._allow(output, size)
            self._outputs.append(output)
        elif self._spilled.wants_files(size):
            output["data"] = self._spilled.display(output)
            self._outputs.append(output)
        else:
            self._share(output)

    def _has_room(self, output: JsonObject, size: int) -> bool:
        return size <= self._budget.room or any(mime.startswith(_SCRAP) for mime in output["data"])

    def _allow(self, output: JsonObject, size: int) -> None:
        self._budget.take(size)
        self._sizes[id(output)] = size

    def _share(self, output: JsonObject) -> None:
        marker = self._spilled.share(output)
        if marker is not None:
            self._outputs.append(marker)

    def _show_error(self, error: JsonObject) -> None:
        self._clear_where_due()
        size = self._counted(sum(map(utf8_size, [error["ename"], error["evalue"], *error["traceback"]])))
        limit = max(self._budget.room, _ERROR_BYTES)
        self._budget.take(min(size, limit))
        self._outputs.append(error if size <= limit else self._spilled.error(error, limit))

    def _counted(self, size: int) -> int:
        self.output_bytes += size
        return size

    def _clear_where_due(self) -> None:
        if self._clear_before_next:
            self._clear()
            self._clear_before_next = False

    def _clear(self) -> None:
        self._outputs.clear()
        self._streams.clear()
        self._sizes.clear()
        self._spilled.clear()
        self._budget.clear()
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
