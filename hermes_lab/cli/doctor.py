"""`jupyter hermes doctor`."""

from __future__ import annotations

import asyncio
import json
import tempfile
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from hermes_lab.cli.checks import Finding, findings
from hermes_lab.cli.exits import FAILED, OK, CommandFailed
from hermes_lab.model.payload import JsonObject

_SECONDS_TO_START = 60.0


def doctor(options: Namespace) -> int:
    """Print what was found; a problem is the exit code."""
    root = Path(options.root_dir)
    if not root.is_dir():
        raise CommandFailed(f"There is no folder {root}.")
    found = []
    for finding in findings(root, options.db_url, kernels):
        found.append(finding)
        if not options.json:
            _print(finding)
    healthy = all(finding.status != "problem" for finding in found)
    if options.json:
        print(json.dumps({"ok": healthy, "checks": [asdict(finding) for finding in found]}, indent=2))
    return OK if healthy else FAILED


def kernels() -> list[Finding]:
    """Which kernels there are; those of ipykernel are started and asked for something."""
    from jupyter_client.kernelspec import KernelSpecManager

    specs = KernelSpecManager().get_all_specs()
    if not specs:
        return [Finding("kernels", "problem", "there is none", "pip install ipykernel")]
    started = [name for name, spec in specs.items() if any("ipykernel" in word for word in spec["spec"]["argv"])]
    others = sorted(specs.keys() - set(started))
    found = [asyncio.run(_started(name)) for name in sorted(started)]
    return [*found, *(Finding(f"kernel {name}", "ok", "found, and not tried") for name in others)]


async def _started(kernel_name: str) -> Finding:
    from hermes_lab.runner.in_process import InProcessRunner
    from hermes_lab.runner.protocol import ExecuteNotebook

    cell: JsonObject = {
        "cell_type": "code",
        "id": "trial",
        "source": "1",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    runner = InProcessRunner()
    with tempfile.TemporaryDirectory(prefix="hermes-") as folder:
        request = ExecuteNotebook(
            run_id=f"doctor-{Path(folder).name}",
            notebook={"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5},
            output_path=str(Path(folder, "out.ipynb")),
            working_folder=folder,
            kernel_name=kernel_name,
            timeout_seconds=_SECONDS_TO_START,
        )
        try:
            ended = await runner.execute(request, lambda _event: None)
        finally:
            await runner.close()
    if ended.state == "completed":
        return Finding(f"kernel {kernel_name}", "ok", "starts and answers")
    hint = f"repair or remove it: jupyter kernelspec remove {kernel_name}"
    return Finding(f"kernel {kernel_name}", "problem", " ".join(str(ended.message).split())[:500], hint)


def _print(finding: Finding) -> None:
    word = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}[finding.status]
    print(f"{word}  {finding.name}: {finding.message}", flush=True)
    if finding.hint is not None:
        print(f"         {finding.hint}", flush=True)
