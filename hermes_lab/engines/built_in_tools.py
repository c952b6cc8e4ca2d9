"""The tool provider that needs nothing but this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hermes_lab.engines.files import Files
from hermes_lab.engines.paths import Root
from hermes_lab.engines.terminal import Terminal
from hermes_lab.engines.web import Web
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.kernels import KernelToken
from hermes_lab.model.payload import JsonObject
from hermes_lab.model.tools import ReadFileArguments, TerminalArguments, WebSearchArguments


class BuiltInTools:
    """A `ToolProvider` of our own: files inside the root, a terminal without secrets, a SearXNG search."""

    def __init__(self, root: Root, environment: Mapping[str, str], web: Web) -> None:
        self._root = root
        self._environment = environment
        self._web = web

    async def call(self, tool: str, arguments: JsonObject, kernel: KernelToken) -> JsonObject:
        """The tool's answer, in Hermes' shape.

        Raises:
            InvalidRequest: there is no such tool here, or a path leads out of the root.
        """
        # The kernel of an evidence run lives in a scratch copy: the original is out of its tools' reach too.
        root = Root(kernel.scratch_folder) if kernel.scratch_folder else self._root
        if tool == "terminal":
            command = TerminalArguments.model_validate(arguments)
            return await Terminal(root, self._environment).run(command, _folder_of(kernel, root))
        if tool == "read_file":
            lines = ReadFileArguments.model_validate(arguments)
            return await Files(root).read(lines, _folder_of(kernel, root))
        if tool == "web_search":
            return await self._web.search(WebSearchArguments.model_validate(arguments))
        raise InvalidRequest(f"There is no tool {tool!r} here.", code="unknown_tool", field="tool")


def _folder_of(kernel: KernelToken, root: Root) -> Path:
    """The folder of the kernel's notebook; the root where that is not known or gone, and in a scratch copy of it."""
    if kernel.path is None or kernel.scratch_folder is not None:
        return root.folder
    folder = root.resolve(kernel.path).parent
    return folder if folder.is_dir() else root.folder
