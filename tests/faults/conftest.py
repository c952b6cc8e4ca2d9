"""Scenes of faults, and kernels that are of no use."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from hermes_lab.runner.supervisor import SupervisedRunner
from tests.faults.fault import Fault
from tests.faults.scene import Scene
from tests.faults.table import RUNNERS_PATIENCE, install_kernel_specs


@pytest.fixture(scope="module")
def useless_kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kernels that are of no use, in one way each; the runner is to be started after this."""
    folder = tmp_path_factory.mktemp("useless")
    install_kernel_specs(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder), prepend=os.pathsep)
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(useless_kernels: None) -> AsyncIterator[SupervisedRunner]:
    """One runner for all rows of a file: each has to leave it fit for the next."""
    runner = SupervisedRunner(concurrency=2, unresponsive_seconds=RUNNERS_PATIENCE)
    await runner.start()
    yield runner
    await runner.close()


@pytest.fixture
def scene(fault: Fault, tmp_path: Path) -> Iterator[Scene]:
    """Where the fault of this test happens."""
    made = Scene(tmp_path / "scene", fault.output)
    yield made
    made.kill_all()
    made.unmount()
