"""The notebooks that are executed and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}
BYTES_OF_A_LARGE_OUTPUT = 100_000
_SCRAPS_OF_A_NOTEBOOK = 5


def trivial_cells(file: Path, count: int) -> Path:
    """A notebook of cells that cost a kernel next to nothing."""
    return _written(file, [f"x = {number}\nx + 1" for number in range(count)])


def large_outputs(file: Path, count: int) -> Path:
    """A notebook whose cells print 100 kB each, in lines of 100 bytes."""
    lines = BYTES_OF_A_LARGE_OUTPUT // 100
    return _written(file, [f"print(('{number % 10}' * 99 + '\\n') * {lines}, end='')" for number in range(count)])


def flood(file: Path, megabytes: int) -> Path:
    """A notebook of one cell that prints so much, in lines of 100 bytes, a thousand of them at a time."""
    source = f"lines = ('x' * 99 + '\\n') * 1000\nfor _ in range({megabytes * 10}):\n    print(lines, end='')"
    return _written(file, [source])


def glued(folder: Path, count: int) -> Path:
    """A folder of executed notebooks of 20 cells each; a quarter of the cells glued something."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        cells = [_executed(place) for place in range(4 * _SCRAPS_OF_A_NOTEBOOK)]
        _save(folder / f"notebook-{number:03}.ipynb", cells)
    return folder


def _executed(place: int) -> Json:
    outputs: list[Json] = [{"output_type": "stream", "name": "stdout", "text": ["line of some length\n"] * 20}]
    if place % 4 == 0:
        payload = {"name": f"scrap {place}", "data": {"score": place, "hosts": ["a", "b"]}, "encoder": "json"}
        outputs.append(
            {
                "output_type": "display_data",
                "data": {"application/scrapbook.scrap.json+json": {**payload, "version": 1}},
                "metadata": {"scrapbook": {"name": payload["name"], "data": True, "display": False}},
            }
        )
    return _code(f"cell-{place}", "print('line of some length')\n" * 5, outputs)


def _written(file: Path, sources: list[str]) -> Path:
    return _save(file, [_code(f"cell-{number}", source, []) for number, source in enumerate(sources)])


def _code(cell_id: str, source: str, outputs: list[Json]) -> Json:
    cell = {"cell_type": "code", "id": cell_id, "metadata": {}, "source": source}
    return {**cell, "execution_count": None, "outputs": outputs}


def _save(file: Path, cells: list[Json]) -> Path:
    notebook = {"cells": cells, "metadata": {"kernelspec": _PYTHON}, "nbformat": 4, "nbformat_minor": 5}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")
    return file
