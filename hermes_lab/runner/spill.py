"""Files beside the output notebook, for what was too much for it."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path

from hermes_lab.engines.regular_files import read_regular
from hermes_lab.model.payload import JsonObject
from hermes_lab.runner.beside import lies_beside

_LOG = logging.getLogger(__name__)
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_PART_LENGTH = 64
_NAME_BYTES = 200


class SpillFile:
    """One file that output goes to, whole or not at all: what could not be written is counted.

    Raises:
        FileExistsError: something is there already.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.size = 0
        """How many bytes came."""
        self.error: OSError | None = None
        """Why there is no file."""
        self._path = path
        # Nothing that lies there, a link to elsewhere least of all, is written through.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._file = -1
        try:
            self._file = os.open(path, flags, 0o666)
        except FileExistsError:
            raise
        except OSError as error:
            self._fail(error)

    def write(self, content: bytes) -> None:
        """Add to it; an error is kept for whoever asks, for the cell goes on."""
        self.size += len(content)
        rest = memoryview(content)
        while rest and self.error is None:
            try:
                done = os.write(self._file, rest)
            except OSError as error:
                self._fail(error)
            else:
                rest = rest[done:]

    def close(self) -> None:
        """Have it on the disk."""
        if self._file >= 0:
            try:
                os.fsync(self._file)
            except OSError as error:
                self._fail(error)
            else:
                self._close()

    def remove(self) -> None:
        """Its content is not wanted any more."""
        if self._file >= 0:
            self._close()
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1

    def _fail(self, error: OSError) -> None:
        """Give the room back that it took: the notebook needs it more."""
        _LOG.warning("The file %s cannot be written: %s", self._path, error)
        self.error = error
        self.remove()

    def told(self) -> str:
        """Where what is not shown can be read, for a person."""
        if self.error is None:
            return f"all {self.size:,} bytes are in {self.name}"
        return f"all {self.size:,} bytes are counted, but {self.name} could not be written: {self.error.strerror}"


class SpillFolder:
    """The spill files of one output notebook. Their names begin with its own, and none replaces a file."""

    def __init__(self, output_path: Path) -> None:
        self._folder = output_path.parent
        self._stem = output_path.stem
        self._files: list[SpillFile] = []

    def open(self, cell_id: str, what: str, extension: str) -> SpillFile:
        """A new file ``<notebook>.<cell id>.<what>.<extension>``, with a number where that name is taken."""
        parts = [_UNSAFE.sub("_", part)[:_PART_LENGTH] for part in (cell_id, what, extension)]
        stem = self._stem.encode()[: _NAME_BYTES - sum(map(len, parts))].decode("utf-8", "ignore")
        number = 1
        while True:
            numbered = parts[1] if number == 1 else f"{parts[1]}-{number}"
            try:
                file = SpillFile(self._folder / f"{stem}.{parts[0]}.{numbered}.{parts[2]}")
            except FileExistsError:
                number += 1
                continue
            self._files.append(file)
            return file

    def remove(self, file: SpillFile) -> None:
        """The output that went there was cleared."""
        self._files.remove(file)
        file.remove()

    def close(self) -> OSError | None:
        """Have all files on the disk; the error of one that is not complete."""
        for file in self._files:
            file.close()
        return next((file.error for file in self._files if file.error is not None), None)


def remove_spilled(output_path: Path) -> None:
    """Remove the spill files of a notebook that is about to be replaced: those that it names itself.

    Where somebody saved a copy of a run's notebook at its place while the run went on, the run's own is beside it, and
    they are that one's.
    """
    try:
        notebook: JsonObject = json.loads(read_regular(output_path))
        cells = notebook["cells"]
        names = {name for cell in cells for name in cell["metadata"].get("hermes", {}).get("spill_files", ())}
        if lies_beside(output_path, str(notebook["metadata"]["hermes"]["run_id"])):
            return
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # it is no notebook of ours
    for name in names:
        beside = output_path.parent / str(name)
        # A name is all that it may be; and only what carries the notebook's own name was made for it.
        if beside.name == name and name.startswith(f"{output_path.stem}.") and not beside.is_dir():
            beside.unlink(missing_ok=True)
