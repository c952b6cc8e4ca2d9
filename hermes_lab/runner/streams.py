"""Standard output arrives in as many pieces as the kernel happened to flush; a notebook holds it as one."""

from __future__ import annotations

from nbformat import NotebookNode


def merge_streams(outputs: list[NotebookNode]) -> list[int]:
    """Join neighbouring pieces of the same stream, in place; the new position of each old one.

    The text is what JupyterLab makes of the pieces; where the kernel cut it no longer shows, so that two runs
    of the same code have the same outputs.
    """
    merged: list[NotebookNode] = []
    pieces: list[list[str]] = []
    positions: list[int] = []
    for output in outputs:
        if merged and _continues(merged[-1], output):
            pieces[-1].append(output.text)
        else:
            merged.append(output)
            pieces.append([output.text] if output.output_type == "stream" else [])
        positions.append(len(merged) - 1)
    for output, texts in zip(merged, pieces, strict=True):
        if len(texts) > 1:
            output["text"] = "".join(texts)
    outputs[:] = merged
    return positions


def _continues(last: NotebookNode, output: NotebookNode) -> bool:
    both_streams = last.output_type == output.output_type == "stream"
    return both_streams and bool(last.name == output.name)
