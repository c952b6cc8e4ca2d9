"""Giving every kernel of a Jupyter server variables of its own; the kernel manager stays the server's."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import PurePath, PurePosixPath
from typing import Any

EnvironmentFor = Callable[[str, str | None], Mapping[str, str]]
"""(kernel_id, path of its notebook below the root where it is known) -> variables of that kernel."""
Ended = Callable[[str], None]


def inject(kernel_manager: Any, environment_for: EnvironmentFor, ended: Ended) -> None:
    """From now on each kernel that ``kernel_manager`` starts has the variables of ``environment_for`` too.

    They are kept over restarts. ``ended`` is called once the kernel is gone, or when it did not start. The
    methods of the instance are wrapped, whatever class somebody configured.
    """
    start, remove = kernel_manager.start_kernel, kernel_manager.remove_kernel

    async def start_kernel(**kwargs: Any) -> str:
        kernel_id = kwargs.pop("kernel_id", None) or kernel_manager.new_kernel_id(**kwargs)
        if kernel_id not in kernel_manager:
            asked = kwargs.get("env")
            notebook = _notebook_path(kwargs.get("path"), asked or {})
            kwargs["env"] = compose(asked or os.environ, environment_for(kernel_id, notebook))
        try:
            started = start(kernel_id=kernel_id, **kwargs)
            answer: str = await started if inspect.isawaitable(started) else started
        except BaseException:
            if kernel_id not in kernel_manager:
                ended(kernel_id)
            raise
        return answer

    def remove_kernel(kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return remove(kernel_id, *args, **kwargs)
        finally:
            ended(kernel_id)

    kernel_manager.start_kernel = start_kernel
    kernel_manager.remove_kernel = remove_kernel


def compose(environment: Mapping[str, str], additions: Mapping[str, str]) -> dict[str, str]:
    """``environment`` with ``additions``; a ``PYTHONPATH`` comes before the one that is there."""
    paths = [source["PYTHONPATH"] for source in (additions, environment) if source.get("PYTHONPATH")]
    composed = {**environment, **additions}
    if paths:
        composed["PYTHONPATH"] = os.pathsep.join(paths)
    return composed


def _notebook_path(folder: str | None, environment: Mapping[str, str]) -> str | None:
    """The notebook of a session's kernel: Jupyter starts it in the notebook's folder and names the session.

    A client may name the session by the notebook's path or by its last part.
    """
    name = PurePath(environment.get("JPY_SESSION_NAME", "")).name
    return (PurePosixPath(folder) / name).as_posix() if name and folder is not None else None
