"""What a kernel is asked while it waits in the pool, and when it is handed to a run. Nothing of it is left in the
kernel's namespace, its history or its counter of executions; Python 3.8 and later."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

from hermes_lab.model.payload import JsonObject

_RUN = "(lambda names: (exec({source!r}, names), names['answer'])[1])({names!r})"

# Which files decide over what a kernel like this one is; and whether a person's own code has run at its start, which
# would have to run where the run is.
_DESCRIBE = """
import glob, json, os, sys
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
profile = app.profile_dir.location
started = glob.glob(os.path.join(profile, "startup", "*.py")) + glob.glob(os.path.join(profile, "startup", "*.ipy"))
own = bool(started or app.exec_files or app.exec_lines or app.code_to_run or app.file_to_run or app.module_to_run
           or (app.exec_PYTHONSTARTUP and os.environ.get("PYTHONSTARTUP")))
made_of = [path for path in sys.path if path] + [sys.executable, os.path.join(sys.prefix, "pyvenv.cfg")]
made_of += [os.path.join(profile, "startup")] + list(app.loaded_config_files)
# Not the profile's folder: every kernel of a person's writes its history there.
made_of += [os.path.join(profile, name + end) for name in ("ipython_config", "ipython_kernel_config")
            for end in (".py", ".json")]
for path in sys.path:
    made_of += glob.glob(os.path.join(path, "*.pth")) if path else []
answer = json.dumps({"runs_own_code": own, "made_of": made_of})
"""
_HAND_OUT = """
import os, sys
from IPython import get_ipython
before = os.getcwd()
os.chdir(folder)
os.environ.update(variables)
sys.path[:] = [folder if path == before else path for path in sys.path]
shell = get_ipython()
visited = shell.history_manager.dir_hist
visited[:] = [type(path)(os.getcwd()) for path in visited[:1]]
shell.starting_dir = os.getcwd()
answer = "{}"
"""


class NotAnswered(Exception):
    """The kernel did not do what it was asked for."""


async def describe(client: AsyncKernelClient, seconds: float) -> JsonObject:
    """What a started kernel is made of.

    Raises:
        NotAnswered: it does not say so in time.
    """
    return await _ask(client, _DESCRIBE, {}, seconds)


async def hand_out(client: AsyncKernelClient, folder: Path, variables: dict[str, str], seconds: float) -> None:
    """Have a started kernel be as one that is started in this folder, with these variables.

    Raises:
        NotAnswered: it is not, or does not say so in time.
    """
    await _ask(client, _HAND_OUT, {"folder": str(folder), "variables": variables}, seconds)


async def _ask(client: AsyncKernelClient, source: str, names: dict[str, Any], seconds: float) -> JsonObject:
    asked = client.execute(
        "",
        silent=True,
        store_history=False,
        allow_stdin=False,
        user_expressions={"hermes": _RUN.format(source=source, names=names)},
    )
    reply = await _reply(client, asked, seconds)
    answer = reply.get("user_expressions", {}).get("hermes", {})
    if answer.get("status") != "ok":
        raise NotAnswered(str(answer.get("evalue", reply)))
    try:
        told: JsonObject = json.loads(ast.literal_eval(answer["data"]["text/plain"]))
    except (ValueError, SyntaxError, LookupError, TypeError) as error:  # it shows text in a way of its own
        raise NotAnswered(f"the answer cannot be read: {error}") from error
    return told


async def _reply(client: AsyncKernelClient, asked: str, seconds: float) -> JsonObject:
    async def matching() -> JsonObject:
        while True:
            message = await client.get_shell_msg()
            if message["parent_header"].get("msg_id") == asked:
                content: JsonObject = message["content"]
                return content

    try:
        return await asyncio.wait_for(matching(), seconds)
    except (asyncio.TimeoutError, Empty) as error:
        raise NotAnswered(f"no answer in {seconds:g} seconds") from error


async def greet(client: AsyncKernelClient, seconds: float) -> JsonObject:
    """Return the content of the kernel's `kernel_info_reply` when it answers on both channels.

    Raises:
        NotAnswered: it does not in time.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while (left := deadline - asyncio.get_running_loop().time()) > 0:
        asked = client.kernel_info()
        content = await _reply(client, asked, left)
        if await _publishes(client, asked):
            return content
    raise NotAnswered(f"nothing was published in {seconds:g} seconds")


async def _publishes(client: AsyncKernelClient, asked: str) -> bool:
    """Whether the end of this request is heard on the other channel; a subscription takes a moment."""
    try:
        while True:
            message = await client.get_iopub_msg(timeout=0.1)
            of_request = message["parent_header"].get("msg_id") == asked
            if of_request and message["content"].get("execution_state") == "idle":
                return True
    except Empty:
        return False
