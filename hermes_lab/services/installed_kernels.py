"""The kernels that notebooks can be run with here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hermes_lab.engines.kernel_specs import ServerKernels
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.payload import Notebook
from hermes_lab.runner.protocol import kernel_name_of

KernelDescriptions = Callable[[], Awaitable[dict[str, KernelDescription]]]
"""The kernels that can be started now, by their names."""


class InstalledKernels:
    """Chooses the kernel of a notebook among those that can be started now."""

    def __init__(self, server_kernels: ServerKernels) -> None:
        self._server_kernels = server_kernels

    async def kernel_of(self, notebook: Notebook, asked: str | None) -> KernelDescription:
        """The kernel that a notebook is run with: the one asked for, else its own, else the server's
        default.

        Raises:
            InvalidRequest: there is no such kernel here.
        """
        name = kernel_name_of(notebook, asked, self._server_kernels.default_name)
        known = await self._server_kernels.descriptions()
        if name not in known:
            raise InvalidRequest(
                f"There is no kernel {name!r}; installed: {', '.join(sorted(known))}.",
                code="kernel_not_found",
                field="kernel_name",
            )
        return known[name]

    async def kernel_to_start(self, notebook: Notebook, asked: str | None) -> KernelDescription:
        """As `kernel_of`, for who is going to have it started.

        Raises:
            InvalidRequest: as `kernel_of`.
            Unavailable: this server starts its kernels on a gateway; code `kernels_on_gateway`.
        """
        self._server_kernels.check_they_run_here()
        return await self.kernel_of(notebook, asked)
