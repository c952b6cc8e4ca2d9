"""What the cell tagged `parameters` of a notebook declares, and whether a caller keeps to it.

papermill finds parameters with a regular expression, a line at a time. Its findings are given as they are; Python's own
parser adds what papermill overlooks (two assignments in a line, an equals sign in a default) and the defaults' values.
"""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Iterable
from typing import Any

from hermes_lab.engines.papermill.declarations import Declaration, declarations, same_code
from hermes_lab.engines.papermill.parameters import INJECTED, find_translator, language_of
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.parameters import NotebookParameters, Parameter
from hermes_lab.model.payload import JsonObject, Notebook

_TAG = "parameters"
_PAPERMILLS = frozenset({"PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"})
"""What papermill injects by itself where it is asked to; no notebook need declare it."""
_CHECKED: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "bool": (bool,), "str": (str,)}
"""Annotations that say for certain which values they mean."""


def inspect_parameters(
    notebook: Notebook, kernel_name: str, language: str | None = None, *, path: str = ""
) -> NotebookParameters:
    """The parameters that a notebook declares: papermill's findings, with the defaults as values.

    ``language`` is the kernel spec's, ``path`` is only repeated in the answer.
    """
    language = language_of(kernel_name, language)
    cell = _tagged(notebook, _TAG)
    cell_id = cell["id"] if cell else None
    found = _found(cell, kernel_name, language) if cell else []
    known = found is not None
    return NotebookParameters(path=path, language=language, cell_id=cell_id, known=known, parameters=found or [])


def check_known(notebook: Notebook, parameters: JsonObject, kernel_name: str, language: str | None = None) -> None:
    """Refuse parameters that the notebook does not declare, or declares as another type.

    papermill injects them all the same, and a misspelled one goes unnoticed. Where nobody can tell what a notebook
    declares (another language than Python, a cell that is no plain Python) everything is let through; a notebook
    without a cell tagged `parameters` declares nothing. A cell that papermill injected earlier counts as well.

    Raises:
        InvalidRequest: code ``unknown_parameter`` or ``parameter_type``; the field is ``parameters.<name>``.
    """
    parameters = {name: value for name, value in parameters.items() if name not in _PAPERMILLS}
    cells = [cell for tag in (_TAG, INJECTED) if (cell := _tagged(notebook, tag)) is not None]
    if not cells:
        for name in parameters:
            raise _refusal(
                f"The notebook has no cell tagged `parameters`, so {name!r} would change nothing that it declares. Tag "
                "the code cell with the defaults `parameters` (JupyterLab: property inspector, cell tags)",
                name,
            )
    if language_of(kernel_name, language) != "python":
        return
    declared: dict[str, Declaration] = {}
    for cell in cells:
        of_cell = declarations(cell["source"])
        if of_cell is None:
            return
        declared = {**of_cell, **declared}
    for name, value in parameters.items():
        if name not in declared:
            raise _refusal(_unknown(name, declared), name)
        _check_type(name, value, declared[name].annotation)


def _refusal(message: str, name: str) -> InvalidRequest:
    return InvalidRequest(
        f"{message}; `allow_unknown` injects it all the same.", code="unknown_parameter", field=f"parameters.{name}"
    )


def _unknown(name: str, declared: Iterable[str]) -> str:
    names = sorted(declared)
    close = difflib.get_close_matches(name, names, n=3)
    listed = ", ".join([*close, *(each for each in names if each not in close)]) or "none"
    return f"The notebook has no parameter {name!r}; it has: {listed}"


def _check_type(name: str, value: Any, annotation: str | None) -> None:
    expected = _CHECKED.get(annotation or "")
    if expected is None or value is None:
        return
    # To Python, True is a number; nobody who annotates a number means it.
    if isinstance(value, expected) and isinstance(value, bool) == (annotation == "bool"):
        return
    raise InvalidRequest(
        f"The parameter {name!r} is declared as {annotation}, and {json.dumps(value)[:100]} is none; `allow_unknown` "
        "injects it all the same.",
        code="parameter_type",
        field=f"parameters.{name}",
    )


def _tagged(notebook: Notebook, tag: str) -> JsonObject | None:
    """The first cell with the tag, which is the one that papermill takes."""
    tagged = (cell for cell in notebook["cells"] if tag in cell["metadata"].get("tags", []))
    return next(tagged, None)


def _found(cell: JsonObject, kernel_name: str, language: str | None) -> list[Parameter] | None:
    """None: nobody can tell."""
    complaints = logging.getLogger("papermill.translators")
    complaints.addFilter(_no_unparsed_line)
    try:
        inspected = find_translator(kernel_name, language).inspect(cell)
    except (InvalidRequest, NotImplementedError):
        return None
    finally:
        complaints.removeFilter(_no_unparsed_line)
    theirs = {each.name: each for each in inspected}
    ours = declarations(cell["source"])
    if ours is None:
        return [_parameter(name, theirs.get(name), None) for name in theirs]
    return [_parameter(name, theirs.get(name), declaration) for name, declaration in ours.items()]


def _no_unparsed_line(record: logging.LogRecord) -> bool:
    """papermill says which lines it cannot parse; most of them are parsed here."""
    return not record.getMessage().startswith("Unable to parse line")


def _parameter(name: str, theirs: Any, ours: Declaration | None) -> Parameter:
    type_name = theirs.inferred_type_name if theirs is not None else "None"
    if type_name == "None" and ours is not None:
        type_name = ours.annotation or ours.type_name
    return Parameter(
        name=name,
        type_name=None if type_name == "None" else type_name,
        default=_default(theirs, ours),
        default_value=ours.value if ours is not None else None,
        help=theirs.help if theirs is not None else "",
    )


def _default(theirs: Any, ours: Declaration | None) -> str | None:
    """The source as papermill found it, unless it was led astray by what stands beside it."""
    if ours is None:
        return str(theirs.default)
    if theirs is not None and ours.default is not None and same_code(theirs.default, ours.default):
        return str(theirs.default)
    return ours.default
