"""What runs a tool. Whoever implements this may live in another process or on another machine."""

from __future__ import annotations

from typing import Protocol

from hermes_lab.model.kernels import KernelToken
from hermes_lab.model.payload import JsonObject


class ToolProvider(Protocol):
    """Runs tools that a policy or a person let through."""

    async def call(self, tool: str, arguments: JsonObject, kernel: KernelToken) -> JsonObject:
        """The tool's answer; a failure of the tool is an answer with ``error``.

        Cancelling the call stops the tool.

        Raises:
            HermesError: the tool could not be asked, or refuses the arguments.
        """
