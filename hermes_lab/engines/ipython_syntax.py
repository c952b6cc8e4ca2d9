"""IPython's additions to Python (magics, `!` commands, `?`) as the calls that IPython makes of them.

Every line keeps its number, so that what is found in the result can be shown in the cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# IPython is imported where it is used: most cells are plain Python.

_CELL_MAGIC = re.compile(r"%%(?P<name>[^\s%]\S*)[ \t]*(?P<line>.*)")
PYTHON_CELL_MAGICS = frozenset({"capture", "lprun", "memit", "mprun", "prun", "snakeviz", "time", "timeit"})
"""Cell magics whose body is a cell of Python again."""
_MISLEADING = re.compile(r"""['"()\[\]{}\\]""")
_MOST_ROUNDS = 10


def plain_python(source: str) -> str:
    """The cell as Python: ``!ls`` is ``get_ipython().system('ls')`` there, ``%%bash`` is ``run_cell_magic``.

    The body of a cell magic that runs Python stays code; every other body is the third argument of its call.

    Raises:
        SyntaxError: IPython cannot read the cell either.
    """
    lines = source.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return source
    magic = _CELL_MAGIC.fullmatch(lines[first].rstrip())
    if magic is None:
        return "".join(_without_escapes(lines))
    name, line = magic["name"], magic["line"]
    body = lines[first + 1 :]
    if name in PYTHON_CELL_MAGICS:
        call = f"get_ipython().run_line_magic({name!r}, {_without_code(name, line)!r})\n"
        return "".join([*lines[:first], call, plain_python("".join(body))])
    call = f"get_ipython().run_cell_magic({name!r}, {line!r}, {''.join(body)!r})\n"
    return "".join([*lines[:first], call, *["\n"] * len(body)])


def _without_code(name: str, line: str) -> str:
    """The line of `%%timeit x = 1` is set-up code that the cell cannot see; of `%%capture out` it is names."""
    return line if name == "capture" else ""


def _without_escapes(lines: list[str]) -> list[str]:
    """The lines with their escapes replaced, and an empty line for each that went with one."""
    from IPython.core.inputtransformer2 import leading_indent, make_tokens_by_line

    lines = leading_indent(lines)  # type: ignore[no-untyped-call]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for _ in range(_MOST_ROUNDS):
        escapes = list(_until_unclear(make_tokens_by_line(lines), lines))
        if not escapes:
            return lines
        for escape in reversed(escapes):
            lines = _replaced(lines, escape)
    raise SyntaxError("The cell has too many escapes.")


def _until_unclear(lines_of_tokens: list[Any], lines: list[str]) -> Iterator[Any]:
    """The escapes from the top, up to the first whose text may have misled the tokenizer about what follows it."""
    for tokens in lines_of_tokens:
        found = [each for each in (kind.find([tokens]) for kind in _kinds()) if each is not None]
        if found:
            escape = min(found, key=lambda each: each.sortby())
            yield escape
            if _MISLEADING.search(lines[escape.start_line]):
                return


def _replaced(lines: list[str], escape: Any) -> list[str]:
    replaced: list[str] = escape.transform(lines)
    after = escape.start_line + 1
    return [*replaced[:after], *["\n"] * (len(lines) - len(replaced)), *replaced[after:]]


def _kinds() -> list[Any]:
    from IPython.core.inputtransformer2 import EscapedCommand, HelpEnd, MagicAssign, SystemAssign

    return [MagicAssign, SystemAssign, EscapedCommand, HelpEnd]
