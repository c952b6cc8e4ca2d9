"""The variables that a cell of Python declares at its top level, as Python's own parser sees them."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)


@dataclass(frozen=True)
class Declaration:
    """One variable; ``default`` as `ast.unparse` writes it.

    ``value`` is null where the default is no literal that JSON can hold, ``type_name`` where it is no literal.
    """

    default: str | None
    annotation: str | None = None
    value: Any = None
    type_name: str | None = None


def declarations(source: str) -> dict[str, Declaration] | None:
    """Each variable that the cell assigns, in the order of their first assignments; None where it is no plain Python.

    Lines that are IPython's magics are passed over. The last assignment counts, as it does when the cell runs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the notebook's code, which is not ours to judge
            tree = ast.parse(_MAGIC.sub("", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: dict[str, Declaration] = {}
    for statement in _statements(tree.body):
        found |= _of_statement(statement)
    return found


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of the cell, and those in its `if`, `try` and `with` blocks, which share its variables."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "finalbody"):
            if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from _statements(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _of_statement(statement: ast.stmt) -> dict[str, Declaration]:
    match statement:
        case ast.Assign(targets=targets, value=value):
            return {name: each for target in targets for name, each in _of_target(target, value)}
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            return {name: _declaration(value, _annotation(annotation))}
        case _:
            return {}


def _of_target(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, Declaration]]:
    match target, value:
        case ast.Name(id=name), _:
            yield name, _declaration(value)
        case (ast.Tuple(elts=names), ast.Tuple(elts=values)) if len(names) == len(values):
            for each, its_value in zip(names, values, strict=True):
                yield from _of_target(each, its_value)
        case ((ast.Tuple(elts=names) | ast.List(elts=names)), _):
            for part in ast.walk(ast.Tuple(elts=names)):
                if isinstance(part, ast.Name):
                    yield part.id, Declaration(default=None)


def _annotation(annotation: ast.expr) -> str:
    """The annotation as text; one that is quoted, without its quotes."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return ast.unparse(annotation)


def _declaration(value: ast.expr | None, annotation: str | None = None) -> Declaration:
    if value is None:
        return Declaration(default=None, annotation=annotation)
    default = ast.unparse(value)
    try:
        literal = ast.literal_eval(value)
        json.dumps(literal, allow_nan=False).encode()
        same = literal == json.loads(json.dumps(literal))
    except (ValueError, TypeError, MemoryError, RecursionError):
        return Declaration(default=default, annotation=annotation)
    if not same:  # a tuple, or a key that is no text: JSON would make another value of it
        return Declaration(default=default, annotation=annotation, type_name=type(literal).__name__)
    return Declaration(default=default, annotation=annotation, value=literal, type_name=type(literal).__name__)


def same_code(one: str, other: str) -> bool:
    """Whether two expressions differ in nothing but their layout."""
    try:
        return ast.dump(ast.parse(one, mode="eval")) == ast.dump(ast.parse(other, mode="eval"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
