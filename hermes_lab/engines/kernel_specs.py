"""The kernels that the server can start."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_server.gateway.managers import GatewayMappingKernelManager
from jupyter_server.utils import ensure_async

from hermes_lab.model.errors import Unavailable
from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.payload import JsonObject


def load() -> None:
    """Import now what Jupyter imports when it looks for kernels for the first time: all of IPython, for one folder."""
    with contextlib.suppress(ImportError):  # Jupyter does without, too
        importlib.import_module("IPython.paths")


class ServerKernels:
    """The kernels of a Jupyter server. What its settings say of them holds for the kernels of runs, too."""

    def __init__(self, server: Any) -> None:
        self._server = server

    @property
    def default_name(self) -> str:
        """The kernel of a notebook that names none."""
        return str(self._server.kernel_manager.default_kernel_name)

    @property
    def on_gateway(self) -> bool:
        """Whether they run on another machine, where a gateway starts them."""
        configured = self._server.gateway_config.gateway_enabled
        return bool(configured or isinstance(self._server.kernel_manager, GatewayMappingKernelManager))

    def check_they_run_here(self) -> None:
        """Refuse what would start one: on this machine is not where the server's administrator wants code to run.

        Raises:
            Unavailable: they are on a gateway; code `kernels_on_gateway`.
        """
        if self.on_gateway:
            raise Unavailable(
                "Nothing is run: the kernels of this server are on a gateway (GatewayClient.url), and those of runs "
                "would be on this machine.",
                code="kernels_on_gateway",
            )

    async def descriptions(self) -> dict[str, KernelDescription]:
        """Every kernel that can be started now, by its name."""
        specs = await ensure_async(self._server.kernel_spec_manager.get_all_specs())
        return {name: _described(name, each["spec"]) for name, each in specs.items()}

    async def spec(self, name: str) -> JsonObject | None:
        """How this server starts the kernel, wherever it knows it from; None: there is none of that name any more.

        Raises:
            Unavailable: as `check_they_run_here`.
        """
        self.check_they_run_here()
        try:
            spec = await ensure_async(self._server.kernel_spec_manager.get_kernel_spec(name))
        except NoSuchKernel:
            return None
        known: JsonObject = {**spec.to_dict(), "resource_dir": spec.resource_dir}
        return {**known, "metadata": self._provisioned(known["metadata"])}

    def _provisioned(self, metadata: JsonObject) -> JsonObject:
        """With the server's own provisioner, where the kernel names none: it may start kernels on another machine."""
        if "provisioner_name" in metadata.get("kernel_provisioner", {}):
            return metadata
        factory = KernelProvisionerFactory.instance(parent=self._server)
        return {**metadata, "kernel_provisioner": {"provisioner_name": factory.default_provisioner_name, "config": {}}}


def _described(name: str, spec: dict[str, Any]) -> KernelDescription:
    return KernelDescription(
        name=name,
        display_name=str(spec.get("display_name", name)),
        language=str(spec.get("language", "")),
        argv=[str(argument) for argument in spec.get("argv", [])],
    )
