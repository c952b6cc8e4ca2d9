"""What a kernel runs in: its interpreter and the packages that this interpreter finds."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import secrets
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec

from hermes_lab.engines.injection import compose
from hermes_lab.model.evidence import Environment
from hermes_lab.model.payload import JsonObject

_LOG = logging.getLogger(__name__)
_SECONDS = 30.0
_SETTLED_NANOSECONDS = 5_000_000_000
"""A folder that was written so lately may be in the middle of an installation, which need not touch it again."""
_ANSWER = b"hermes_lab: "
"""How the line with the answer begins: what an environment runs at every start may print something, too."""
# The folder that `-c` puts first is the present one; what lies there is no part of the environment.
_ASK = f"""
import sys
sys.path.pop(0)
import json
from importlib.metadata import distributions
packages = {{d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"] and d.version}}
answer = {{"interpreter": sys.executable, "version": sys.version, "packages": packages, "folders": sys.path}}
print("\\n{_ANSWER.decode()}" + json.dumps(answer))
"""


@dataclass(frozen=True)
class _Answer:
    """What an interpreter said of itself; ``stamps`` tell whether it would say the same now."""

    interpreter: str
    version: str
    packages: dict[str, str]
    stamps: dict[str, int]


class Environments:
    """Asks each interpreter once, and again only when it, or a folder that it imports from, has changed."""

    def __init__(self) -> None:
        self._known: dict[str, _Answer] = {}

    async def describe(self, kernel_name: str, spec: KernelSpec, environment: dict[str, str]) -> Environment:
        """The environment of a kernel; of one that is no Python program, the program as a file.

        Two are the same (`fingerprint`) if the kernel is started in the same way, by the same interpreter in the same
        version, which finds the same packages in the same versions. What could not be found out equals nothing.
        """
        program = _program(spec)
        described: JsonObject = {"kernel_name": kernel_name, "interpreter": program, "spec": _of_spec(spec)}
        version, packages = None, dict[str, str]()
        if Path(program).name.startswith("python"):
            answer = await self._ask(program, {**compose(os.environ, environment), **spec.env})
            if answer is None:
                described["unknown"] = secrets.token_hex()
            else:
                program, version, packages = answer.interpreter, answer.version, answer.packages
                described |= {"interpreter": program, "version": version, "packages": packages}
        else:
            described["program"] = _stamps([program])
        canonical = json.dumps(described, sort_keys=True, separators=(",", ":"), default=str)
        return Environment(
            kernel_name=kernel_name,
            interpreter=program,
            interpreter_version=version,
            packages=packages,
            fingerprint=hashlib.sha256(canonical.encode()).hexdigest(),
        )

    async def _ask(self, program: str, variables: dict[str, str]) -> _Answer | None:
        relevant = {name: value for name, value in variables.items() if name.startswith("PYTHON")}
        key = json.dumps([program, relevant], sort_keys=True)
        known = self._known.get(key)
        if known is not None and known.stamps == _stamps(list(known.stamps)):
            return known
        began = time.time_ns()
        told = await _run_interpreter(program, variables)
        if told is None:
            return None
        packages = dict(sorted(told["packages"].items()))
        answer = _Answer(told["interpreter"], told["version"], packages, _stamps([program, *told["folders"]]))
        if max(answer.stamps.values()) < began - _SETTLED_NANOSECONDS:
            self._known[key] = answer
        return answer


def _of_spec(spec: KernelSpec) -> dict[str, Any]:
    """How the kernel is started: all of its spec but for what it is called."""
    described: dict[str, Any] = spec.to_dict()
    del described["display_name"]
    if any("{resource_dir}" in argument for argument in spec.argv):
        described["resource_dir"] = spec.resource_dir
    return described


def _program(spec: KernelSpec) -> str:
    """What the kernel's command starts; a bare ``python`` is this interpreter, as Jupyter has it."""
    name: str = spec.argv[0]
    this = {"python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info)}
    return sys.executable if name in this else shutil.which(name) or name


def _stamps(paths: list[str]) -> dict[str, int]:
    """When each was written last, links followed; 0 for what is not there."""
    return {path: Path(path).stat().st_mtime_ns if Path(path).exists() else 0 for path in paths}


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
