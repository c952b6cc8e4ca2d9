"""Writing parameters into a notebook with papermill's translators."""

from __future__ import annotations

import keyword
import math
import re
from typing import TYPE_CHECKING, Any

from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject

if TYPE_CHECKING:
    from nbformat import NotebookNode

INJECTED = "injected-parameters"
"""Tag of the cell that papermill writes the parameters into, and its id where that id is free."""

_NAME = re.compile(r"[A-Za-z_.][A-Za-z0-9_.]*")
_SCALARS = (str, bool, int, float, type(None))


def check_parameters(parameters: JsonObject, kernel_name: str, language: str | None = None) -> None:
    """Refuse parameters that papermill cannot write as code for this kernel, before anything runs.

    ``language`` is the kernel spec's. A name must be an identifier, because it becomes code as it stands.

    Raises:
        InvalidRequest: ``details.field`` is ``parameters.<name>``.
    """
    if not parameters:
        return
    language = language_of(kernel_name, language)
    translator = find_translator(kernel_name, language)
    for name, value in parameters.items():
        _check_name(name, language)
        _check_value(value, f"parameters.{name}")
        try:
            translator.translate(value)
        except NotImplementedError as error:
            raise InvalidRequest(
                f"A value of type {type(value).__name__} cannot be given to a {language} notebook: {error}.",
                code="invalid_parameters",
                field=f"parameters.{name}",
            ) from error


def parameterize(
    notebook: NotebookNode,
    parameters: JsonObject,
    kernel_name: str,
    language: str | None = None,
) -> NotebookNode:
    """The notebook with papermill's injected cell; a cell that an earlier run injected is replaced.

    The notebook must carry ``metadata.papermill``, and ``tags`` on every cell. Without parameters it is
    returned as it is.

    Raises:
        InvalidRequest: as in `check_parameters`.
    """
    check_parameters(parameters, kernel_name, language)
    if not parameters:
        return notebook
    from papermill.parameterize import parameterize_notebook

    taken = {cell.id: INJECTED in cell.metadata.tags for cell in notebook.cells}
    parameterized: NotebookNode = parameterize_notebook(
        notebook, parameters, kernel_name=kernel_name, language=language_of(kernel_name, language)
    )
    injected = next(cell for cell in parameterized.cells if INJECTED in cell.metadata.tags)
    replaced = next((cell_id for cell_id, was_injected in taken.items() if was_injected), None)
    # A stable id lets two runs of a notebook be compared cell by cell.
    injected.id = replaced or (injected.id if INJECTED in taken else INJECTED)
    return parameterized


def language_of(kernel_name: str, language: str | None) -> str | None:
    """The language as papermill spells it."""
    if not language:
        # Jupyter's own kernel has this name in every installation, and is Python by definition.
        return "python" if kernel_name == "python3" else None
    lowered = language.lower()
    return "R" if lowered == "r" else lowered


def find_translator(kernel_name: str, language: str | None) -> Any:
    """papermill's translator for a kernel.

    Raises:
        InvalidRequest: it has none for the language.
    """
    from papermill.exceptions import PapermillException
    from papermill.translators import papermill_translators

    try:
        return papermill_translators.find_translator(kernel_name, language)
    except PapermillException as error:
        raise InvalidRequest(
            f"papermill cannot write parameters in the language of the kernel {kernel_name!r}.",
            code="invalid_parameters",
            field="parameters",
        ) from error


def _check_name(name: str, language: str | None) -> None:
    in_python = language == "python"
    fits = name.isidentifier() and not keyword.iskeyword(name) if in_python else _NAME.fullmatch(name)
    if not fits:
        raise InvalidRequest(
            f"{name!r} cannot be the name of a variable.",
            code="invalid_parameters",
            field=f"parameters.{name}",
        )


def _check_value(value: object, field: str) -> None:
    """papermill writes anything that it does not know as the text of its ``str()``; that is refused here."""
    match value:
        case list():
            for position, item in enumerate(value):
                _check_value(item, f"{field}.{position}")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise _untranslatable(key, field)
                _check_value(item, f"{field}.{key}")
        case float() if not math.isfinite(value):
            raise InvalidRequest(
                "A parameter must be a finite number: JSON has no other.",
                code="invalid_parameters",
                field=field,
            )
        case _ if not isinstance(value, _SCALARS):
            raise _untranslatable(value, field)


def _untranslatable(value: object, field: str) -> InvalidRequest:
    return InvalidRequest(
        f"A parameter of type {type(value).__name__} cannot be written as code; use text, numbers, booleans, "
        "null, lists and objects of these.",
        code="invalid_parameters",
        field=field,
    )
