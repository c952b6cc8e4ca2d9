"""Notebooks that are kept elsewhere: read and written by URL, with the storage that papermill has for its scheme.

``s3://``, ``gs://``, ``abs://``, ``adl://``, ``hdfs://``, ``http(s)://``, and whatever another package registers with
papermill. Who may use which scheme is for the caller to say.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from hermes_lab.model.errors import InvalidRequest, NotAllowed, NotFound, Unavailable

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme_of(path: str) -> str | None:
    """The scheme of a path, in lower case; None for a file of this machine."""
    match = _SCHEME.match(path)
    return match[1].lower() if match else None


def check_scheme(path: str, allowed: Collection[str], field: str) -> None:
    """Refuse a path whose scheme is not among those allowed; a file of this machine has none, and passes.

    Raises:
        NotAllowed: code ``remote_scheme_not_allowed``.
    """
    scheme = scheme_of(path)
    if scheme is not None and scheme not in allowed:
        known = f"allowed are {', '.join(sorted(allowed))}" if allowed else "none is allowed"
        raise NotAllowed(
            f"Notebooks at {scheme}:// are not read or written here: {known}.",
            code="remote_scheme_not_allowed",
            field=field,
        )


def read_text(path: str, field: str = "input_path") -> str:
    """The text at a URL. Blocks.

    Raises:
        InvalidRequest: papermill has no storage for the scheme.
        NotFound: nothing is there.
        Unavailable: the storage does not give it; code ``storage_unavailable``.
    """
    handler = _handler(path, field)
    try:
        text = handler.read(path)
    except FileNotFoundError as error:
        raise NotFound(f"There is no {path}.", code="no_such_notebook", field=field) from error
    except Exception as error:
        # Each storage raises its own library's errors, and says in words what went wrong.
        raise Unavailable(f"{path} cannot be read: {error}", code="storage_unavailable", field=field) from error
    return text.decode("utf-8") if isinstance(text, bytes) else str(text)


def is_there(path: str) -> bool:
    """Whether something can be read at a URL. Blocks."""
    try:
        read_text(path)
    except (NotFound, Unavailable):
        return False
    return True


def write_text(text: str, path: str) -> None:
    """Put a text at a URL. Blocks.

    Raises:
        OSError: the storage does not take it.
        InvalidRequest: papermill has no storage for the scheme.
    """
    handler = _handler(path, "output_path")
    try:
        handler.write(text, path)
    except Exception as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def check_storage(path: str, field: str) -> None:
    """Refuse a URL that papermill has no storage for.

    Raises:
        InvalidRequest: code ``unknown_scheme``.
    """
    _handler(path, field)


def _handler(path: str, field: str) -> Any:
    from papermill.iorw import LocalHandler, papermill_io

    handler = papermill_io.get_handler(path)
    if isinstance(handler, LocalHandler):
        raise InvalidRequest(f"papermill has no storage for {scheme_of(path)}://.", code="unknown_scheme", field=field)
    return handler
