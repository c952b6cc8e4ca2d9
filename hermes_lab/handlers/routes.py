"""Every route under our prefix."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from hermes_lab.handlers.authentication import Shared, UnknownRouteHandler
from hermes_lab.handlers.mcp import McpHandler
from hermes_lab.handlers.openapi import PREFIX, OpenApiHandler
from hermes_lab.handlers.operation import OperationHandler
from hermes_lab.handlers.stream import StreamHandler
from hermes_lab.model.actors import scopes_held_by
from hermes_lab.operations import OPERATIONS, STREAMS, Operation

Route = tuple[str, type[Any], dict[str, Any]]


def routes(shared: Shared) -> list[Route]:
    """A route for each path of the table, and those that are no operations."""
    common = {"shared": shared}
    by_path: defaultdict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in OPERATIONS:
        by_path[operation.path][operation.method] = operation
    return [
        *((_pattern(path), OperationHandler, {**common, "operations": row}) for path, row in by_path.items()),
        *((_pattern(stream.path), StreamHandler, {**common, "stream": stream}) for stream in STREAMS),
        (f"{PREFIX}/openapi.json", OpenApiHandler, common),
        (r"/hermes/mcp", McpHandler, common),
        (r"/hermes/.*", UnknownRouteHandler, common),
    ]


def kernel_routes(shared: Shared, handler: type[OperationHandler]) -> list[Route]:
    """The routes of what a kernel may do."""
    by_path: defaultdict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in OPERATIONS:
        if operation.scope in scopes_held_by("kernel"):
            by_path[operation.path][operation.method] = operation
    return [(_pattern(path), handler, {"shared": shared, "operations": row}) for path, row in by_path.items()]


def _pattern(path: str) -> str:
    return PREFIX + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
