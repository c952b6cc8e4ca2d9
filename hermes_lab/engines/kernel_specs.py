"""The kernels that the server can start."""

from __future__ import annotations

from typing import Any

from jupyter_server.utils import ensure_async


async def kernel_languages(kernel_spec_manager: Any) -> dict[str, str]:
    """Kernel name -> its language, for every kernel that can be started now."""
    specs = await ensure_async(kernel_spec_manager.get_all_specs())
    return {name: str(spec["spec"].get("language", "")) for name, spec in specs.items()}
