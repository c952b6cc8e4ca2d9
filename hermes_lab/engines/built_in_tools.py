"""The tool provider that needs nothing but this machine."""

from __future__ import annotations

from pathlib import Path

from ..model.errors import InvalidRequest
from ..model.kernels import KernelToken
from ..model.payload import JsonObject
from ..model.tools import ReadFileArguments, TerminalArguments, WebSearchArguments
from .files import Files
from .paths import Root
from .terminal import Terminal
from .web import Web


class BuiltInTools:
    """A `ToolProvider` of our own: files inside the root, a terminal without secrets, a SearXNG search."""

    def __init__(self, root: Root, terminal: Terminal, files: Files, web: Web) -> None:
        self._root = root
        self._terminal = terminal
        self._files = files
        self._web = web

    async def call(self, tool: str, arguments: JsonObject, kernel: KernelToken) -> JsonObject:
        """The tool's answer, in Hermes' shape.

        Raises:
            InvalidRequest: there is no such tool here, or a path leads out of the root.
        """
        if tool == "terminal":
            command = TerminalArguments.model_validate(arguments)
            return await self._terminal.run(command, self._folder_of(kernel))
        if tool == "read_file":
            lines = ReadFileArguments.model_validate(arguments)
            return await self._files.read(lines, self._folder_of(kernel))
        if tool == "web_search":
            return await self._web.search(WebSearchArguments.model_validate(arguments))
        raise InvalidRequest(f"There is no tool {tool!r} here.", code="unknown_tool", field="tool")

    def _folder_of(self, kernel: KernelToken) -> Path:
        """The folder of the kernel's notebook; the root where that is not known or gone."""
        folder = self._root.resolve(kernel.path).parent if kernel.path else self._root.folder
        return folder if folder.is_dir() else self._root.folder
