"""What a kernel runs in: its interpreter and the packages that this interpreter finds."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import shutil
import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec

from hermes_lab.engines.injection import compose
from hermes_lab.model.evidence import Environment
from hermes_lab.model.payload import JsonObject

_LOG = logging.getLogger(__name__)
_SECONDS = 30.0
_ANSWER = b"hermes_lab: "
"""How the line with the answer begins: what an environment runs at every start may print something, too."""
# The folder that `-c` puts first is the present one; what lies there is no part of the environment.
_ASK = f"""
import sys
sys.path.pop(0)
import json
from importlib.metadata import distributions
packages = {{d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"] and d.version}}
answer = {{"interpreter": sys.executable, "packages": packages, "folders": sys.path}}
print("\\n{_ANSWER.decode()}" + json.dumps(answer))
"""


class Environments:
    """Asks each interpreter once, and again only when a folder that it imports from has changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[dict[str, int], dict[str, str], str]] = {}

    async def describe(self, kernel_name: str, spec: KernelSpec, environment: dict[str, str]) -> Environment:
        """The environment of a kernel; of one that is no Python program, the interpreter alone."""
        program = _program(spec)
        packages: dict[str, str] = {}
        if Path(program).name.startswith("python"):
            program, packages = await self._ask(program, {**compose(os.environ, environment), **spec.env})
        described = {"kernel_name": kernel_name, "interpreter": program, "packages": packages}
        canonical = json.dumps(described, sort_keys=True, separators=(",", ":"))
        fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
        return Environment(kernel_name=kernel_name, interpreter=program, packages=packages, fingerprint=fingerprint)

    async def _ask(self, program: str, variables: dict[str, str]) -> tuple[str, dict[str, str]]:
        key = (program, variables.get("PYTHONPATH", ""))
        if key in self._known:
            folders, packages, interpreter = self._known[key]
            if folders == _modified(list(folders)):
                return interpreter, packages
        answer = await _run_interpreter(program, variables)
        if answer is None:
            return program, {}
        found = dict(sorted(answer["packages"].items()))
        self._known[key] = (_modified(answer["folders"]), found, answer["interpreter"])
        return answer["interpreter"], found


def _program(spec: KernelSpec) -> str:
    """What the kernel's command starts; a bare ``python`` is this interpreter, as Jupyter has it."""
    name: str = spec.argv[0]
    this = {"python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info)}
    return sys.executable if name in this else shutil.which(name) or name


def _modified(folders: list[str]) -> dict[str, int]:
    return {name: Path(name).stat().st_mtime_ns if Path(name).exists() else 0 for name in folders}


async def _run_interpreter(program: str, variables: dict[str, str]) -> JsonObject | None:
    pipe = asyncio.subprocess.PIPE
    try:
        asked = await asyncio.create_subprocess_exec(
            program, "-c", _ASK, env=variables, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        _LOG.warning("%s cannot be asked for its packages: %s", program, error)
        return None
    try:
        answer, complaint = await asyncio.wait_for(asked.communicate(), _SECONDS)
    except asyncio.TimeoutError:
        asked.kill()
        await asked.wait()
        answer, complaint = b"", b"it took too long"
    told = next((line for line in answer.splitlines() if line.startswith(_ANSWER)), None)
    if asked.returncode != 0 or told is None:
        _LOG.warning("%s did not say which packages it has: %s", program, complaint.decode(errors="replace"))
        return None
    listed: JsonObject = json.loads(told.removeprefix(_ANSWER))
    return listed
