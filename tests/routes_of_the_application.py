"""Writes what a Jupyter server with hermes_lab routes below /hermes, as JSON: [[pattern, [method, …]], …].

Run as a program: the application is composed as a server composes it, and ended before it listens.
"""

from __future__ import annotations

import json
import sys

from jupyter_server.serverapp import ServerApp
from tornado.routing import Router


def hermes_routes(router: Router) -> list[tuple[str, list[str]]]:
    """Every rule below a router, at any depth, whose pattern names us or whose handler is ours."""
    found = []
    for rule in router.rules:
        if isinstance(rule.target, Router):
            found += hermes_routes(rule.target)
            continue
        pattern = getattr(getattr(rule.matcher, "regex", None), "pattern", "")
        if "hermes" in pattern or rule.target.__module__.startswith("hermes_lab"):
            operations = rule.target_kwargs.get("operations")
            found.append((pattern, sorted(operations or rule.target.SUPPORTED_METHODS)))
    return found


def main() -> None:
    """Compose, print, end."""
    server = ServerApp()
    server.jpserver_extensions = {"hermes_lab": True}
    server.initialize(argv=[], find_extensions=True, new_httpserver=False)
    sys.stdout.write(json.dumps(hermes_routes(server.web_app.default_router)) + "\n")


if __name__ == "__main__":
    main()
