"""What a cell consists of, and what in it a person or an agent wrote and what a run left behind.

Timings and states that execution writes into metadata belong with the outputs: a diff that ignores outputs
ignores them, and a merge that drops outputs drops them. ``language_info`` is written by a kernel when it
starts and differs with the Python of each machine: it is a change only where the kernel itself is another.
"""

from __future__ import annotations

from hermes_lab.model.values import JsonObject, Notebook, same

_CELL_RUN_RECORDS = frozenset({"execution", "ExecuteTime", "papermill", "hermes"})
_NOTEBOOK_RUN_RECORDS = frozenset({"papermill", "hermes", "widgets"})


def empty_notebook() -> Notebook:
    """A notebook without cells, which is what a new notebook differs from."""
    return {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def same_cells(one: JsonObject, other: JsonObject) -> bool:
    """Whether two cells are the same in every part, which is quick where they are."""
    # True can be taken for 1 only where the format lets values be anything.
    return (
        one == other
        and (not one["metadata"] or same(one["metadata"], other["metadata"]))
        and all(map(_same_outputs, one.get("outputs", ()), other.get("outputs", ())))
    )


def _same_outputs(one: JsonObject, other: JsonObject) -> bool:
    """Whether two outputs that are equal in Python are the same."""
    return one["output_type"] in {"stream", "error"} or (
        same(one["metadata"], other["metadata"])
        and all(isinstance(value, str) or same(value, other["data"][mime]) for mime, value in one["data"].items())
    )


def differing_keys(one: JsonObject, other: JsonObject) -> list[str]:
    """The keys, in order, whose values differ or that only one side has."""
    return [
        key for key in sorted({*one, *other}) if key not in one or key not in other or not same(one[key], other[key])
    ]


def written_metadata_keys(one: JsonObject, other: JsonObject) -> list[str]:
    """The metadata keys in which two cells differ, without what a run left there."""
    keys = differing_keys(one["metadata"], other["metadata"])
    return [key for key in keys if key not in _CELL_RUN_RECORDS]


def written_notebook_keys(one: Notebook, other: Notebook) -> list[str]:
    """The metadata keys in which two notebooks differ, without what a run left there."""
    keys = [key for key in differing_keys(one["metadata"], other["metadata"]) if key not in _NOTEBOOK_RUN_RECORDS]
    return keys if "kernelspec" in keys else [key for key in keys if key != "language_info"]


def same_results(one: JsonObject, other: JsonObject) -> bool:
    """Whether two cells hold the same outputs, execution count and run records."""
    return (
        same(one.get("outputs", []), other.get("outputs", []))
        and same(one.get("execution_count"), other.get("execution_count"))
        and all(same(one["metadata"].get(key), other["metadata"].get(key)) for key in _CELL_RUN_RECORDS)
    )


def differing_results(one: JsonObject, other: JsonObject) -> list[str]:
    """In words, which of the results of two cells differ."""
    named = [
        ("outputs", same(one.get("outputs", []), other.get("outputs", []))),
        ("execution count", same(one.get("execution_count"), other.get("execution_count"))),
    ]
    return [name for name, equal in named if not equal] or ["records of runs"]


def same_writing(one: JsonObject, other: JsonObject) -> bool:
    """Whether two cells are the same but for their ids and what runs left in them."""
    return (
        one["source"] == other["source"]
        and one["cell_type"] == other["cell_type"]
        and same(one.get("attachments", {}), other.get("attachments", {}))
        and not written_metadata_keys(one, other)
    )


def without_results(cell: JsonObject) -> JsonObject:
    """The cell as it is before it ever ran."""
    metadata = {key: value for key, value in cell["metadata"].items() if key not in _CELL_RUN_RECORDS}
    if cell["cell_type"] != "code":
        return {**cell, "metadata": metadata}
    return {**cell, "metadata": metadata, "outputs": [], "execution_count": None}


def without_notebook_results(metadata: JsonObject) -> JsonObject:
    """A notebook's metadata as they are before it ever ran."""
    return {key: value for key, value in metadata.items() if key not in _NOTEBOOK_RUN_RECORDS}


def with_results_of(cell: JsonObject, executed: JsonObject) -> JsonObject:
    """The code cell with the outputs, execution count and run records of another one that ran the same code."""
    records = {key: value for key, value in executed["metadata"].items() if key in _CELL_RUN_RECORDS}
    bare = without_results(cell)
    results = {"outputs": executed["outputs"], "execution_count": executed["execution_count"]}
    return {**bare, **results, "metadata": {**bare["metadata"], **records}}


def retyped(cell: JsonObject, cell_type: str) -> JsonObject:
    """The cell as one of another type, with the fields that this type has and without results."""
    unknown = ("attachments",) if cell_type == "code" else ("outputs", "execution_count")
    kept = {key: value for key, value in cell.items() if key not in unknown}
    return without_results({**kept, "cell_type": cell_type})
