"""The built-in provider's terminal: one shell command in a session of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hermes_lab.engines.descendants import kill_descendants
from hermes_lab.engines.environment import without_secrets
from hermes_lab.engines.paths import Root
from hermes_lab.engines.shortened import ShortenedText
from hermes_lab.model.payload import JsonObject, new_id
from hermes_lab.model.tools import DEFAULT_TERMINAL_TIMEOUT, TerminalArguments

MAX_OUTPUT: Final = 50_000
"""Characters of output that are kept."""
MARK: Final = "HERMES_TERMINAL_CALL"
"""The variable by which everything that a command started is found again."""
TIMED_OUT: Final = 124
"""The exit code of a command that was stopped, as coreutils' ``timeout`` gives it."""
_LAST_WORDS: Final = 2.0
"""Seconds for output that is still in the pipe when all is killed."""


class Terminal:
    """Runs commands inside the root, without the server's secrets, and leaves nothing running."""

    def __init__(self, root: Root, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = without_secrets(environment)
        self._shell = shutil.which("bash") or "/bin/sh"

    async def run(self, arguments: TerminalArguments, folder: Path) -> JsonObject:
        """Hermes' ``{output, exit_code, error}``; ``note`` where something was still running at the end.

        Raises:
            InvalidRequest: ``workdir`` leads out of the root.
        """
        if arguments.background:
            return failure(
                "Commands in the background are not offered by the built-in terminal: they would outlive the "
                "approval. Run the command in the foreground."
            )
        if arguments.workdir is not None:
            folder = self._root.resolve(arguments.workdir, "arguments.workdir", within=folder)
        if not folder.is_dir():
            return failure(f"There is no folder {arguments.workdir or str(folder)!r}.")
        command = _Command(self._shell, arguments.command, folder, self._environment)
        return await command.run(arguments.timeout or DEFAULT_TERMINAL_TIMEOUT)


def failure(error: str) -> JsonObject:
    """Hermes' answer for a command that never ran."""
    return {"output": "", "exit_code": -1, "error": error}


class _Command:
    """One command, from its start to the end of the last process that it started."""

    def __init__(self, shell: str, text: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._arguments = (shell, "-c", text)
        self._folder = folder
        self._mark = new_id()
        self._environment = {**environment, "PWD": str(folder), MARK: self._mark}
        self._output = ShortenedText(MAX_OUTPUT)

    async def run(self, timeout: int) -> JsonObject:
        # A pipe of our own: with asyncio's, some versions of Python report the end of the process only when the last
        # process that holds the pipe has ended (cpython issue 119710).
        reading_end, writing_end = os.pipe()
        listener = _Listener(self._output)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: listener, os.fdopen(reading_end, "rb", buffering=0)
        )
        try:
            process = await self._start(writing_end)
        except OSError as error:
            transport.close()
            return failure(f"The command could not be started: {error.strerror}.")
        finally:
            os.close(writing_end)
        code: int | None
        try:
            code = await asyncio.wait_for(process.wait(), timeout)
        except asyncio.TimeoutError:
            code = None
        finally:
            # Also when the call is cancelled: nothing that was approved once may go on unseen.
            left = await asyncio.shield(asyncio.to_thread(kill_descendants, MARK, self._mark, session=process.pid))
            await asyncio.wait({listener.ended}, timeout=_LAST_WORDS)
            transport.close()
        self._output.feed(b"", final=True)
        return self._answer(code, timeout, left)

    async def _start(self, output: int) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            cwd=self._folder,
            env=self._environment,
            start_new_session=True,
        )

    def _answer(self, code: int | None, timeout: int, left: int) -> JsonObject:
        output = self._output.text()
        if code is None:
            return {
                "output": output,
                "exit_code": TIMED_OUT,
                "error": f"Command timed out after {timeout} seconds",
            }
        answer: JsonObject = {"output": output, "exit_code": _shell_code(code), "error": None}
        if left:
            answer["note"] = f"{left} process(es) still ran when the command ended, and were stopped."
        return answer


class _Listener(asyncio.Protocol):
    """Takes the output as it comes; ``ended`` is done when nobody can write any more."""

    def __init__(self, output: ShortenedText) -> None:
        self._output = output
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._output.feed(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


def _shell_code(code: int) -> int:
    """A shell reports death by signal N as 128 + N, Python as -N."""
    return 128 - code if code < 0 else code
