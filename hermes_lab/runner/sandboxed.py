"""The kernel spec of a kernel that is shut in a sandbox."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir

from hermes_lab.engines.interpreters import interpreter, program_of
from hermes_lab.engines.sandbox import Enclosure
from hermes_lab.engines.sandbox_probe import probe
from hermes_lab.runner.protocol import Sandbox

LOCAL_PROVISIONER: Final = "local-provisioner"
"""Jupyter's own, which starts processes of this machine."""


class GivenKernelSpec(KernelSpecManager):
    """Knows one kernel spec, which is installed nowhere."""

    def __init__(self, spec: KernelSpec) -> None:
        super().__init__()
        self._spec = spec

    def get_kernel_spec(self, _kernel_name: str) -> KernelSpec:
        """The one."""
        return self._spec


def sandboxed(
    spec: KernelSpec, folder: Path, working_folder: Path, sandbox: Sandbox, environment: Mapping[str, str]
) -> tuple[KernelSpec, dict[str, str]]:
    """The kernel spec that starts the kernel in a sandbox, and the whole environment that it is started with.

    ``folder`` is private to the kernel; ``environment`` is what the run adds to the machine's. Blocks.

    Raises:
        OSError: kernels cannot be shut in here, or the interpreter is not to be found.
    """
    report = probe()
    if report.bubblewrap is None or not report.works:
        raise OSError(f"There is no sandbox here. {report.reason}")
    program = program_of(spec.argv[0])
    readable = [*sandbox.readable_folders, *environment.get("PYTHONPATH", "").split(os.pathsep)]
    if any("{resource_dir}" in argument for argument in spec.argv):
        readable.append(spec.resource_dir)
    own = [str(Path.home()), jupyter_runtime_dir(), jupyter_data_dir(), tempfile.gettempdir()]
    enclosure = Enclosure(
        folder=folder,
        scratch_folder=Path(sandbox.scratch_folder),
        interpreter=interpreter(program),
        readable=tuple(Path(path) for path in readable if path),
        closed=tuple(Path(path) for path in (*own, *sandbox.closed_folders)),
        tool_socket=Path(sandbox.tool_socket) if sandbox.tool_socket else None,
    )
    enclosure.connection_file.touch(mode=0o600)
    enclosure.prepare()
    argv = enclosure.wrap([str(program), *spec.argv[1:]], report.bubblewrap, working_folder)
    inside = KernelSpec(
        argv=argv,
        env=spec.env,
        display_name=spec.display_name,
        language=spec.language,
        # A signal would reach bubblewrap, and end the kernel.
        interrupt_mode="message",
        # The server's default may be another one.
        metadata={**spec.metadata, "kernel_provisioner": {"provisioner_name": LOCAL_PROVISIONER, "config": {}}},
        resource_dir=spec.resource_dir,
    )
    return inside, enclosure.environment(os.environ, environment)
