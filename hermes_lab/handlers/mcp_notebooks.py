"""Notebooks and differences as text that fits a model's context; what is cut is counted."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator

from hermes_lab.model.ansi import without_ansi
from hermes_lab.model.mcp import CellText, ChangeText, DiffOutcome, NotebookPortion, OutputText, ReadNotebook
from hermes_lab.model.payload import JsonObject

_OUTPUT_CHARACTERS = 4_000
_DIFF_CHARACTERS = 4_000
_DIFF_CHANGES = 200
_AS_TEXT = ("text/markdown", "text/latex", "text/plain")
"""Media types that a model reads, best first."""


def portion(content: JsonObject, request: ReadNotebook) -> NotebookPortion:
    """The cells from ``first_cell`` on, as many as fit; one at least, cut where it alone is too large.

    ``content`` is what `get_notebook` answers.
    """
    cells = content["notebook"]["cells"]
    shown: list[CellText] = []
    room = request.limit_bytes
    for index, cell in enumerate(cells[request.first_cell :], request.first_cell):
        text = _cell_text(index, cell, request)
        room -= len(text.model_dump_json(exclude_unset=True).encode())
        if shown and room < 0:
            break
        shown.append(text)
    end = request.first_cell + len(shown)
    left_out = 0 if request.outputs else sum(len(cell.get("outputs", [])) for cell in cells[request.first_cell : end])
    return NotebookPortion(
        path=content["path"],
        hash=content["hash"],
        metadata=content["notebook"]["metadata"],
        cells_total=len(cells),
        cells=shown,
        next_cell=end if end < len(cells) else None,
        **({"outputs_left_out": left_out} if left_out else {}),
    )


def shortened(text: str, limit: int) -> tuple[str, int]:
    """The beginning and the end of a text, and how many characters between them are left out."""
    omitted = len(text) - limit
    if omitted <= 0:
        return text, 0
    head = limit // 2
    return f"{text[:head]}\n[… {omitted} characters left out …]\n{text[head + omitted :]}", omitted


def differences(diff: JsonObject) -> DiffOutcome:
    """What `create_diff` answers, without the whole cells before and after."""
    changes = diff["changes"]
    left_out = len(changes) - _DIFF_CHANGES
    return DiffOutcome(
        base_hash=diff["base_hash"],
        remote_hash=diff["remote_hash"],
        counts=diff["counts"],
        changes=[_change_text(change) for change in changes[:_DIFF_CHANGES]],
        **({"changes_left_out": left_out} if left_out > 0 else {}),
    )


def _cell_text(index: int, cell: JsonObject, request: ReadNotebook) -> CellText:
    source, omitted = shortened(cell["source"], request.limit_bytes)
    # Only what there is: a notebook has many cells, and every empty field of each would be read.
    there: JsonObject = {}
    if omitted:
        there["source_omitted_characters"] = omitted
    if cell.get("metadata"):
        there["metadata"] = cell["metadata"]
    if request.outputs and cell.get("outputs"):
        there["outputs"] = [_output_text(output) for output in cell["outputs"]]
    return CellText(index=index, id=cell["id"], cell_type=cell["cell_type"], source=source, **there)


def _output_text(output: JsonObject) -> OutputText:
    kinds = {"stream": "stream", "error": "error", "execute_result": "result"}
    bundle = output.get("data", {})
    text_type = next((media_type for media_type in _AS_TEXT if media_type in bundle), None)
    if output["output_type"] == "stream":
        full = _joined(output["text"])
    elif output["output_type"] == "error":
        full = "\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}"
    else:
        full = _joined(bundle[text_type]) if text_type else ""
    text, omitted = shortened(without_ansi(full), _OUTPUT_CHARACTERS)
    left_out = [media_type for media_type in bundle if media_type != text_type]
    return OutputText.model_validate(
        {
            "kind": kinds.get(output["output_type"], "display"),
            "text": text,
            **({"omitted_characters": omitted} if omitted else {}),
            **({"left_out": left_out} if left_out else {}),
        }
    )


def _joined(text: str | list[str] | JsonObject) -> str:
    if isinstance(text, dict):
        return json.dumps(text)
    return text if isinstance(text, str) else "".join(text)


def _change_text(change: JsonObject) -> ChangeText:
    text, omitted = shortened("\n".join(_source_diff(change)), _DIFF_CHARACTERS)
    fields = {name: change[name] for name in ("change_id", "kind", "cell_id", "summary")}
    return ChangeText.model_validate(
        {**fields, "source_diff": text, **({"omitted_characters": omitted} if omitted else {})}
    )


def _source_diff(change: JsonObject) -> Iterator[str]:
    before, after = ((change[side] or {}).get("source", "") for side in ("before", "after"))
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="")
    return (line for number, line in enumerate(lines) if number > 1)  # the two lines that name files
