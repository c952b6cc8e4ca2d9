"""Which names and values a secret parameter can have: it becomes an environment variable of the kernel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hermes_lab.model.errors import InvalidRequest

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = re.compile(
    r"(PATH|HOME|SHELL|USER|LOGNAME|PWD|TMPDIR|TEMP|TMP|TERM|LANG|LANGUAGE|IFS|ENV|EDITOR|VISUAL|PAGER|BROWSER)"
    r"|(LC|LD|DYLD|PYTHON|IPYTHON|JUPYTER|JPY|HERMES|VIRTUAL_ENV|CONDA|BASH|ZSH|R|JULIA|JAVA|_JAVA|JDK|SPARK|NODE|NPM"
    r"|PERL|PERL5|RUBY|GIT|SSH|XDG|SSL|CURL|MALLOC|GLIBC|GCONV|MPL|MKL|OMP|CUDA|NUMBA)(_.*)?"
    r"|(PYTHON|IPYTHON|JUPYTER|HERMES|RUBY|PERL|BASH|NODE).*|.*_PROXY",
    re.IGNORECASE,
)
"""Variables by which programs find code, or are told how to run it."""
SHORTEST = 4
"""Characters of a value that can be masked in outputs."""
LONGEST = 65_536
"""Characters of all values of a run together: each line is looked for in all that its kernel says."""


def check_secrets(secrets: Mapping[str, str], parameters: Iterable[str] = ()) -> None:
    """Refuse secret parameters that no environment can hold, or outputs be rid of, or that would steer the kernel.

    Raises:
        InvalidRequest: ``details.field`` is ``secret_parameters.<name>``. No value is ever named.
    """
    length = 0
    for name, value in secrets.items():
        if not _NAME.fullmatch(name):
            raise _refusal(name, "cannot be the name of an environment variable")
        if _TAKEN.fullmatch(name):
            raise _refusal(name, "has a meaning of its own for the programs that a kernel is made of")
        if name in parameters:
            raise _refusal(name, "is given as a parameter too, and would be written into the notebook")
        if "\0" in value:
            raise _refusal(name, "has a value that holds a NUL character")
        if len(value.strip()) < SHORTEST:
            raise _refusal(name, f"has a value of less than {SHORTEST} characters: to mask it would shred every output")
        length += len(value)
        if length > LONGEST:
            raise _refusal(name, f"makes the secret parameters longer than {LONGEST} characters: give a file's name")


def _refusal(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{name!r} {why}.", code="invalid_parameters", field=f"secret_parameters.{name}")
