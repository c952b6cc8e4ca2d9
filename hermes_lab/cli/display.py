"""What a person sees of a run while it goes on: a progress bar, and what the cells put out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from hermes_lab.cli.cell_names import cell_names
from hermes_lab.cli.exits import CommandFailed
from hermes_lab.model.ansi import without_ansi
from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.runner.protocol import ExecutionEvent, ExecutionQueued

_SECONDS_BETWEEN_TICKS = 1.0


class ProgressBar:
    """papermill's bar of cells, with the name of the one that runs. To be made where an event loop runs."""

    def __init__(self, notebook: Notebook) -> None:
        from tqdm import tqdm

        self._names = cell_names(notebook)
        self._bar: Any = tqdm(total=len(self._names), unit="cell", desc="Executing", file=sys.stderr)
        # In a file each moment would be a line more.
        self._clock = asyncio.create_task(self._tick()) if sys.stderr.isatty() else None

    def show(self, event: ExecutionEvent) -> None:
        """Take in how far the run is."""
        if isinstance(event, ExecutionQueued):
            return
        for cell in event.cells:
            if cell.state == "running":
                self._bar.set_description(self._names.get(cell.cell_id) or "Executing", refresh=False)
        self._bar.n = event.progress.cells_done
        self._bar.refresh()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._clock is not None:
            self._clock.cancel()
        self._bar.close()

    async def _tick(self) -> None:
        """Show that time goes by in a cell that takes long, and that nothing hangs."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_TICKS)
            self._bar.refresh()


def show_traceback(lines: list[str]) -> None:
    """Write a traceback to standard error, in colours on a terminal alone."""
    text = "\n".join(lines)
    print(text if sys.stderr.isatty() else without_ansi(text), file=sys.stderr)


class Echo:
    """Writes what the cells put out to where it is wanted, while it comes."""

    def __init__(self, log: TextIO | None, stdout: TextIO | None, stderr: TextIO | None) -> None:
        self._log = log
        self._files = {"stdout": stdout, "stderr": stderr}

    @classmethod
    @contextmanager
    def open(cls, *, log: bool, stdout_file: str | None, stderr_file: str | None) -> Iterator[Echo]:
        """With the files, which are there empty from the start.

        Raises:
            CommandFailed: a file cannot be written.
        """
        with ExitStack() as stack:
            try:
                files = [
                    stack.enter_context(Path(name).open("w", encoding="utf-8", errors="replace")) if name else None
                    for name in (stdout_file, stderr_file)
                ]
            except OSError as error:
                raise CommandFailed(str(error)) from error
            yield cls(sys.stderr if log else None, *files)

    def hear(self, _cell_id: str, kind: str, content: JsonObject) -> None:
        """Take in a message of the kernel."""
        if kind == "stream":
            for file in (self._log, self._files.get(content["name"])):
                self._write(file, content["text"])
        elif kind in {"display_data", "execute_result"}:
            text = content.get("data", {}).get("text/plain")
            if text is not None:
                self._write(self._log, f"{text}\n")

    @staticmethod
    def _write(file: TextIO | None, text: str) -> None:
        if file is not None:
            file.write(text)
            file.flush()
