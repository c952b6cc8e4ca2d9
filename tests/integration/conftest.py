"""Kernels of the server that a test asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.clients import Client
from tests.kernels import Kernel
from tests.servers import Server
from tests.workspaces import Workspace


@pytest.fixture
def start_kernel(server: Server, person: Client, workspace: Workspace) -> Iterator[Callable[..., Kernel]]:
    """Start kernels of notebooks in the workspace, which end with the test."""
    kernels: list[Kernel] = []

    def start(name: str = "check.ipynb") -> Kernel:
        kernels.append(Kernel(server, person, workspace.write(name)))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.shut_down()


@pytest.fixture
def kernel(start_kernel: Callable[..., Kernel]) -> Kernel:
    return start_kernel()
