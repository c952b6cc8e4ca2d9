"""The kernels that the server can start."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from jupyter_client.kernelspec import NoSuchKernel
from jupyter_server.utils import ensure_async

from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.payload import JsonObject


def load() -> None:
    """Import now what Jupyter imports when it looks for kernels for the first time: all of IPython, for one folder."""
    with contextlib.suppress(ImportError):  # Jupyter does without, too
        importlib.import_module("IPython.paths")


async def kernel_descriptions(kernel_spec_manager: Any) -> dict[str, KernelDescription]:
    """Every kernel that can be started now, by its name."""
    specs = await ensure_async(kernel_spec_manager.get_all_specs())
    return {name: _described(name, each["spec"]) for name, each in specs.items()}


async def kernel_spec(kernel_spec_manager: Any, name: str) -> JsonObject | None:
    """How this server starts the kernel, wherever it knows it from; None: there is none of that name any more."""
    try:
        spec = await ensure_async(kernel_spec_manager.get_kernel_spec(name))
    except NoSuchKernel:
        return None
    return {**spec.to_dict(), "resource_dir": spec.resource_dir}


def _described(name: str, spec: dict[str, Any]) -> KernelDescription:
    return KernelDescription(
        name=name,
        display_name=str(spec.get("display_name", name)),
        language=str(spec.get("language", "")),
        argv=[str(argument) for argument in spec.get("argv", [])],
    )
