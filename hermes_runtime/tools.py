"""The tools, with the names, arguments and answers that Hermes gives them in its own scripts."""

from os import PathLike
from typing import Any, Dict, List, Optional, Union

from hermes_runtime.calls import call


def terminal(
    command: str, timeout: Optional[int] = 180, workdir: Optional[str] = None, *, background: bool = False
) -> Dict[str, Any]:
    """Run a shell command on the server's machine, in the notebook's folder unless ``workdir`` names another.

    Returns ``{"output", "exit_code", "error"}``. ``timeout`` is in seconds, 600 at most; when it is over, the
    command and everything that it started is killed, and the exit code is 124. A person is asked first.

    Raises:
        ToolDenied, ToolExpired, NoServer: the command did not run.
    """
    return call(
        "terminal",
        {"command": command, "timeout": timeout, "workdir": workdir, "background": background},
    )


def read_file(path: "Union[str, PathLike[str]]", offset: int = 1, limit: int = 500) -> Dict[str, Any]:
    """Read up to ``limit`` lines (2000 at most) of a text file, from line ``offset`` on; the first line is 1.

    Returns ``{"content", "total_lines", "file_size", "truncated", "is_binary", "is_image"}``; every line
    of the content begins with its number and ``|``. Relative paths start at the notebook's folder.

    Raises:
        ToolDenied, ToolExpired, NoServer: the file was not read.
    """
    return call("read_file", {"path": path, "offset": offset, "limit": limit})


def web_search(query: str, limit: int = 5) -> Dict[str, Any]:
    """Search the web.

    Returns ``{"success": True, "data": {"web": [{"title", "url", "description", "position"}]}}``.

    Raises:
        ToolDenied, ToolExpired, NoServer: nothing was searched.
    """
    return call("web_search", {"query": query, "limit": limit})


TOOLS = (terminal, read_file, web_search)


def tools() -> List[Dict[str, str]]:
    """The tools that this module offers, each with its name, signature and description."""
    import inspect  # noqa: PLC0415 - needed here alone, and not cheap

    return [
        {
            "name": tool.__name__,
            "signature": tool.__name__ + str(inspect.signature(tool)),
            "description": inspect.getdoc(tool) or "",
        }
        for tool in TOOLS
    ]
