"""Kernels that may call tools: a token for each, which dies with the kernel."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from hermes_lab.model.actors import Actor, scopes_held_by
from hermes_lab.model.kernels import KernelToken
from hermes_lab.model.payload import now
from hermes_lab.store import Store

TOKEN_PREFIX = "hermes_kernel_"  # noqa: S105
Ended = Callable[[str], None]


class Kernels:
    """Issue tokens, recognise them, end them.

    ``server_url`` answers with the address of this server, base URL included, as kernels reach it;
    ``runtime_folder`` holds hermes_runtime and nothing else.
    """

    def __init__(self, store: Store, server_url: Callable[[], str], runtime_folder: Path) -> None:
        self._store = store
        self._server_url = server_url
        self._runtime_folder = runtime_folder
        self._when_ended: list[Ended] = []

    def issue(
        self,
        kernel_id: str,
        origin: Literal["session", "run"],
        path: str | None,
        run_id: str | None = None,
        scratch_folder: Path | None = None,
    ) -> str:
        """A new token for the kernel; only its hash is kept. An earlier one no longer works."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        kernel = KernelToken(
            kernel_id=kernel_id,
            token_hash=_sha256(token),
            origin=origin,
            path=path,
            run_id=run_id,
            scratch_folder=None if scratch_folder is None else str(scratch_folder),
            created_at=now(),
        )
        with self._store.transaction():
            if self._store.kernels.get(kernel_id) is None:
                self._store.kernels.insert(kernel)
            else:
                self._store.kernels.replace(kernel)
        return token

    @property
    def environment_of_all(self) -> dict[str, str]:
        """The part of `environment` that is the same for every kernel."""
        return {"PYTHONPATH": str(self._runtime_folder)}

    def environment(
        self,
        kernel_id: str,
        *,
        origin: Literal["session", "run"],
        path: str | None,
        run_id: str | None = None,
        scratch_folder: Path | None = None,
    ) -> dict[str, str]:
        """What makes hermes_runtime work in the kernel. ``PYTHONPATH`` goes before the kernel's own."""
        return {
            "HERMES_LAB_URL": self._server_url(),
            "HERMES_LAB_KERNEL_ID": kernel_id,
            "HERMES_LAB_KERNEL_TOKEN": self.issue(kernel_id, origin, path, run_id, scratch_folder),
            **self.environment_of_all,
        }

    def actor_for(self, token: str) -> Actor | None:
        """Which kernel presents this token; None where it is unknown or the kernel has ended."""
        kernel = self._store.kernels.find(token_hash=_sha256(token))
        if kernel is None or kernel.ended_at is not None:
            return None
        return Actor(
            kind="kernel",
            name=kernel.path or kernel.kernel_id,
            scopes=scopes_held_by("kernel"),
            kernel_id=kernel.kernel_id,
        )

    def get(self, kernel_id: str) -> KernelToken | None:
        """What is known of a kernel that was given a token."""
        return self._store.kernels.get(kernel_id)

    def end(self, kernel_id: str) -> None:
        """The kernel is gone: its token no longer works. Ending it twice is no error."""
        kernel = self._store.kernels.get(kernel_id)
        if kernel is None or kernel.ended_at is not None:
            return
        self._store.kernels.replace(kernel.model_copy(update={"ended_at": now()}))
        for tell in self._when_ended:
            tell(kernel_id)

    def end_all_of(self, instance_id: str) -> None:
        """The kernels of a server that is gone are gone too."""
        for kernel in self._store.kernels.all(instance_id=instance_id):
            self.end(kernel.kernel_id)

    def when_ended(self, tell: Ended) -> None:
        """Call ``tell`` with the kernel_id of every kernel that ends from now on."""
        self._when_ended.append(tell)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
