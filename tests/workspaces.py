"""A folder of notebooks below a server's root, for one test alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.written_notebooks import notebook

Json = dict[str, Any]
PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


class Workspace:
    """Notebooks by their name; ``path(name)`` is how the API calls them."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        folder.mkdir(parents=True)

    def path(self, name: str) -> str:
        """The path from the server's root."""
        return (self.folder / name).relative_to(self.root).as_posix()

    def write(self, name: str, *cells: Json, **metadata: Any) -> str:
        """Write a notebook for the python3 kernel; returns its path from the server's root."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(notebook(*cells, **{**PYTHON, **metadata}), indent=1) + "\n")
        return self.path(name)

    def bytes(self, name: str) -> bytes:
        """The file as it is."""
        return (self.folder / name).read_bytes()

    def read(self, name: str) -> Json:
        """The notebook in the file."""
        found: Json = json.loads(self.bytes(name))
        return found

    def sources(self, name: str) -> dict[str, str]:
        """Cell id -> source, in the order of the cells."""
        return {cell["id"]: "".join(cell["source"]) for cell in self.read(name)["cells"]}

    def tree(self) -> dict[str, bytes]:
        """Every file in it, with its bytes."""
        return {self.path(str(file)): file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
