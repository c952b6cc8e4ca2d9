"""The codes of errors, as the source raises them."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from hermes_lab.handlers.authentication import CODES_OF_FOREIGN_ERRORS, INTERNAL_ERROR, XSRF
from hermes_lab.model import errors


@dataclass(frozen=True)
class ErrorCode:
    """A code, the status that it comes with, and what its message says; ``…`` stands for what varies."""

    code: str
    status: int
    message: str


def error_codes(package: Path) -> list[ErrorCode]:
    """Every code that the package answers with, by status and name."""
    found: dict[str, ErrorCode] = {}
    for file in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            raised = _raised(node)
            if raised is not None:
                found.setdefault(raised.code, raised)
    for status, code in [*CODES_OF_FOREIGN_ERRORS.items(), (500, INTERNAL_ERROR), (403, XSRF)]:
        found.setdefault(code, ErrorCode(code, status, HTTPStatus(status).phrase))
    return sorted(found.values(), key=lambda each: (each.status, each.code))


def _raised(node: ast.AST) -> ErrorCode | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    kind = getattr(errors, node.func.id, None)
    if not (inspect.isclass(kind) and issubclass(kind, errors.HermesError)):
        return None
    given = [word.value for word in node.keywords if word.arg == "code"]
    if given and not isinstance(given[0], ast.Constant):
        return None  # it passes on the code of another error, which is found where that one is raised
    code = given[0].value if given else kind.code
    return ErrorCode(str(code), kind.status, _words(node.args[0]) if node.args else "")


def _words(message: ast.expr) -> str:
    if isinstance(message, ast.Constant):
        return str(message.value)
    if isinstance(message, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in message.values)
    return "…"
