"""Cells of Python, read as IPython reads them. Nothing is executed."""

from __future__ import annotations

import ast
import symtable
import threading
import warnings
from dataclasses import dataclass

from hermes_lab.engines.ipython_syntax import plain_python
from hermes_lab.model.payload import JsonObject, Notebook

LONGEST = 100_000
"""Characters of a cell that is read as Python; a longer one is text."""
_FILE = "<cell>"
# The filters of warnings are the process's: two threads must not restore each other's.
_warnings = threading.Lock()


@dataclass(frozen=True)
class PythonCell:
    """A cell's syntax tree and scopes. Lines count from 1, as in the source (`ast`)."""

    tree: ast.Module
    scopes: symtable.SymbolTable


def is_python(notebook: Notebook) -> bool:
    """Whether the notebook's code is Python; one that does not say is run by Jupyter's default kernel, which is."""
    metadata: JsonObject = notebook["metadata"]
    kernel, language = metadata.get("kernelspec"), metadata.get("language_info")
    told = [
        kernel.get("language") if isinstance(kernel, dict) else None,
        language.get("name") if isinstance(language, dict) else None,
        kernel.get("name") if isinstance(kernel, dict) else None,
    ]
    name = next((word for word in told if isinstance(word, str) and word), "python")
    return name.lower().startswith(("python", "ipython", "xpython"))


def parsed(source: str) -> PythonCell | None:
    """The cell as Python with IPython's additions; None for what is neither, or too long or too deep to read."""
    if len(source) > LONGEST:
        return None
    try:
        # What Python warns of in other people's code is for their kernel to say.
        with _warnings, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tree, text = ast.parse(source, _FILE), source
            except SyntaxError:
                text = plain_python(source)
                tree = ast.parse(text, _FILE)
            return PythonCell(tree, symtable.symtable(text, _FILE, "exec"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
