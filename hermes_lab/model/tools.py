"""The tools that a kernel may call: names, arguments and default policies, each described here once.

Names, arguments and answers are those of Hermes' own scripts. ``hermes_runtime`` offers the same list inside
the kernel; a test compares the two.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from hermes_lab.model.payload import Payload
from hermes_lab.model.tool_calls import Policy


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
"""Text that an operating system takes as an argument or a path."""

DEFAULT_TERMINAL_TIMEOUT = 180


class TerminalArguments(Payload):
    """What to run, where, and for how many seconds at most."""

    command: Text = Field(min_length=1, max_length=100_000)
    timeout: int | None = Field(
        default=DEFAULT_TERMINAL_TIMEOUT, ge=1, le=600, description="Seconds; null: the default"
    )
    workdir: Text | None = Field(
        default=None, min_length=1, max_length=4_096, description="Default: the notebook's folder"
    )
    background: bool = Field(default=False, description="Answer at once and let the command go on")


class ReadFileArguments(Payload):
    """Which lines of which text file."""

    path: Text = Field(min_length=1, max_length=4_096, description="Relative: to the notebook's folder")
    offset: int = Field(default=1, ge=1, description="The first line is 1")
    limit: int = Field(default=500, ge=1, le=2_000, description="Lines")


class WebSearchArguments(Payload):
    """What to search the web for."""

    query: Text = Field(min_length=1, max_length=2_000)
    limit: int = Field(default=5, ge=1, le=100, description="Results")


class Tool(Payload):
    """A tool, what it takes, and what happens to a call where no policy was configured."""

    name: str
    description: str
    arguments: type[Payload]
    policy: Policy


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            name="terminal",
            description="Run a shell command on the server's machine.",
            arguments=TerminalArguments,
            policy="ask",
        ),
        Tool(
            name="read_file",
            description="Read lines of a text file inside the root folder.",
            arguments=ReadFileArguments,
            policy="allow",
        ),
        Tool(
            name="web_search",
            description="Search the web.",
            arguments=WebSearchArguments,
            policy="ask",
        ),
    )
}
