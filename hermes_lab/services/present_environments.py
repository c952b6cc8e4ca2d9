"""What kernels would start in now, to be compared with what evidence ran in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from hermes_lab.model.errors import HermesError
from hermes_lab.runner.environment import Environments
from hermes_lab.runner.kernels import kernel_spec_of
from hermes_lab.services.executions import KernelSpecOf

_log = logging.getLogger(__name__)
_SECONDS: Final = 5.0
"""Who reads waits no longer for an interpreter to say what it finds; that is known for the next reader."""


class PresentEnvironments:
    """Fingerprints of kernels as they are now. ``variables`` are what every kernel gets from this server."""

    def __init__(self, kernel_spec: KernelSpecOf, variables: Mapping[str, str]) -> None:
        self._kernel_spec = kernel_spec
        self._variables = dict(variables)
        self._environments = Environments()
        self._asking: dict[str, asyncio.Task[str | None]] = {}

    async def fingerprint(self, kernel_name: str) -> str | None:
        """That of the environment in which a kernel of this name would start; None: there is none, or it is unknown.

        Costs a look at the kernel's spec and at the folders that its interpreter imports from; when one of these has
        changed, the interpreter is asked anew, once for all who wait.
        """
        asking = self._asking.get(kernel_name)
        if asking is None:
            asking = self._asking[kernel_name] = asyncio.create_task(self._found(kernel_name))
            asking.add_done_callback(lambda _task: self._asking.pop(kernel_name, None))
        await asyncio.wait({asking}, timeout=_SECONDS)
        return asking.result() if asking.done() else None

    async def _found(self, kernel_name: str) -> str | None:
        try:
            spec = await self._kernel_spec(kernel_name)
            if spec is None:
                return None
            known = await self._environments.describe(kernel_name, kernel_spec_of(kernel_name, spec), self._variables)
        except HermesError as error:
            _log.info("In what the kernel %s would start is unknown: %s", kernel_name, error.message)
            return None
        except Exception:  # noqa: BLE001 - kernel spec managers are plugins; what is unknown is not the same
            _log.exception("In what the kernel %s would start is unknown.", kernel_name)
            return None
        return known.fingerprint
