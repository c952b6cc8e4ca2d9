"""Kernel provisioners as a plugin brings them, which do not do their work: they hang, and some do not even heed that
they are given up."""

from __future__ import annotations

from pathlib import Path

from tests.written_notebooks import Json

_MODULE = '''
import asyncio, pathlib, time
from jupyter_client.provisioning import LocalProvisioner

class Hangs(LocalProvisioner):
    """Has started its kernel, and waits for something that never comes."""
    async def launch_kernel(self, cmd, **kwargs):
        await super().launch_kernel(cmd, **kwargs)
        await asyncio.Event().wait()

class HangsFirst(LocalProvisioner):
    """Waits before it has started anything."""
    async def pre_launch(self, **kwargs):
        await asyncio.Event().wait()

class Late(LocalProvisioner):
    """Starts its kernel when there is a file "go", whether that is still wanted or not."""
    async def launch_kernel(self, cmd, **kwargs):
        folder = pathlib.Path(kwargs["cwd"])
        while not (folder / "go").exists():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                (folder / "cancelled").touch()
        connection_info = await super().launch_kernel(cmd, **kwargs)
        (folder / "late.tmp").write_text(str(self.pid))
        (folder / "late.tmp").rename(folder / "late.pid")
        return connection_info

class Deaf(LocalProvisioner):
    """Has started its kernel, and waits, as does a task of its own; neither heeds that it is cancelled."""
    async def launch_kernel(self, cmd, **kwargs):
        await super().launch_kernel(cmd, **kwargs)
        self.waiting = asyncio.create_task(self.wait_for_ever())
        await self.wait_for_ever()

    async def wait_for_ever(self):
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass

class Elsewhere(LocalProvisioner):
    """Works, and may start its kernels on another machine for all that anybody knows."""

class Blocks(LocalProvisioner):
    """Lets nothing else go on in its process while it waits."""
    async def launch_kernel(self, cmd, **kwargs):
        await super().launch_kernel(cmd, **kwargs)
        time.sleep(1000)
'''
_ENTRY_POINTS = """[jupyter_client.kernel_provisioners]
test-hangs = provisioners_of_tests:Hangs
test-hangs-first = provisioners_of_tests:HangsFirst
test-late = provisioners_of_tests:Late
test-deaf = provisioners_of_tests:Deaf
test-elsewhere = provisioners_of_tests:Elsewhere
test-blocks = provisioners_of_tests:Blocks
"""


def install_provisioners(folder: Path) -> None:
    """Write them into a folder that PYTHONPATH can name."""
    described = folder / "provisioners_of_tests-1.0.dist-info"
    described.mkdir(parents=True, exist_ok=True)
    (folder / "provisioners_of_tests.py").write_text(_MODULE)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: provisioners-of-tests\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(_ENTRY_POINTS)


def provisioned(provisioner: str, program: list[str]) -> Json:
    """The kernel spec of a program that one of them starts."""
    return {
        "argv": program,
        "display_name": provisioner,
        "language": "python",
        "metadata": {"kernel_provisioner": {"provisioner_name": provisioner}},
    }
