"""Kernels that may call tools: each has a token of its own, dead with the kernel."""

from __future__ import annotations

from typing import Literal

from hermes_lab.model.payload import Payload, UtcTime


class KernelToken(Payload):
    """What the store keeps of a kernel's token. ``run_id`` is set for the kernel of a run.

    ``scratch_folder`` (absolute) is set for evidence: its tools see that copy and never the original.
    """

    kernel_id: str
    token_hash: str
    origin: Literal["session", "run"]
    path: str | None = None
    run_id: str | None = None
    scratch_folder: str | None = None
    created_at: UtcTime
    ended_at: UtcTime | None = None


class KernelDescription(Payload):
    """A kernel that can be started, as its kernel spec describes it."""

    name: str
    display_name: str
    language: str
    argv: list[str]
