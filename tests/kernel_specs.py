"""Kernel specs that a server's user has installed."""

from __future__ import annotations

import json
import sys

from tests.servers import Server


def describe_kernel(server: Server, name: str, **variables: str) -> None:
    """Install, or write anew, a Python kernel of this name with these environment variables."""
    folder = server.home / "data" / "kernels" / name
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": name, "language": "python", "env": variables}
    (folder / "kernel.json").write_text(json.dumps(spec))
