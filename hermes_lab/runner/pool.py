"""Started kernels that wait for runs, so that a run need not wait for its kernel. Each is used once.

Only ipykernel's, of which is known how to give them the folder and the variables of a run afterwards. Everything else
starts when it is wanted: other languages, kernels in a sandbox, kernels whose start the run's variables bear upon, and
those that execute code of the person's at their start, and those that a plugin starts, maybe elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec

from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject
from hermes_lab.runner import handing_out
from hermes_lab.runner.calm import Calm
from hermes_lab.runner.handing_out import NotAnswered
from hermes_lab.runner.kernels import kernel_spec_of
from hermes_lab.runner.launched import LaunchedKernel, starts_here

_LOG = logging.getLogger(__name__)
_KINDS_REMEMBERED = 2
_START_SECONDS = 60.0
_ON_ITS_WAY_SECONDS = 10.0
_ANSWER_SECONDS = 10.0
_HAND_OUT_SECONDS = 5.0
_ATTEMPTS = 3
_FIRST_PAUSE_SECONDS = 1.0
# A kernel that is started takes these in too late: the interpreter, IPython or the C library has read them.
_READ_AT_START = re.compile(
    r"PYTHON|IPYTHON|JUPYTER_|JPY_|LD_|DYLD_|LC_|LANG|MALLOC_|GLIBC_|ZMQ_|(TZ|HOME|XDG_\w+|VIRTUAL_ENV|CONDA_PREFIX)$"
)


@dataclass(frozen=True)
class Kind:
    """Kernels that are alike before they know of their run."""

    kernel_name: str
    spec: str
    python_path: str

    @classmethod
    def of(cls, kernel_name: str, spec: KernelSpec, environment: dict[str, str]) -> Kind | None:
        """The kind of kernel that this is; None for one that has to start when it is wanted."""
        late = [name for name in environment if name != "PYTHONPATH" and _READ_AT_START.match(name)]
        if late or not any("ipykernel" in argument for argument in spec.argv):
            return None
        if not starts_here(spec):  # on a cluster each one costs; and a plugin may block the runner before any run
            return None
        described = json.dumps({**spec.to_dict(), "resource_dir": spec.resource_dir}, sort_keys=True)
        return cls(kernel_name, described, environment.get("PYTHONPATH", ""))


@dataclass(frozen=True)
class WarmKernel:
    """A kernel that waits. ``kernel_info`` is what it said of itself."""

    launched: LaunchedKernel
    kernel_info: JsonObject
    made_of: dict[str, int]

    @property
    def is_fresh(self) -> bool:
        """Whether it lives, and a kernel that is started now would be the same."""
        return not self.launched.exited.done() and _modified(self.made_of) == self.made_of


class WarmKernels:
    """Keeps ``size`` kernels of each of the kinds that were asked for last. They are started one after another, when
    there is processor time to spare, or at a low priority where that can be taken back.

    ``runtime_folder`` is where they keep their connection files and sockets.
    """

    def __init__(self, size: int, runtime_folder: Path | None = None) -> None:
        self._size = size
        self._runtime_folder = runtime_folder
        self._kinds: OrderedDict[Kind, KernelSpec] = OrderedDict()
        self._warm: dict[Kind, list[WarmKernel]] = {}
        self._unfit: set[Kind] = set()
        self._coming: tuple[Kind, asyncio.Task[WarmKernel | None]] | None = None
        self._starting: int | None = None
        """The process of the one that is coming."""
        self._calm = Calm()
        self._filling: asyncio.Task[None] | None = None
        self._discarding: set[asyncio.Task[None]] = set()
        self._closing = False

    def prepare(self, kernel_name: str, environment: dict[str, str], kernel_spec: JsonObject | None = None) -> None:
        """Have kernels of this kind ready for a run that will come."""
        try:
            spec = kernel_spec_of(kernel_name, kernel_spec)
        except InvalidRequest:  # whoever runs a notebook in it is told
            return
        kind = Kind.of(kernel_name, spec, environment)
        if kind is not None:
            self._remember(kind, spec)
            self._fill()

    async def take(
        self, kernel_name: str, spec: KernelSpec, working_folder: str, environment: dict[str, str]
    ) -> WarmKernel | None:
        """A kernel for a run, as if it were started now in that folder with these variables; None: there is none.

        It is the caller's from now on; a caller that is cancelled gets none.
        """
        kind = Kind.of(kernel_name, spec, environment)
        if kind is None or kind in self._unfit or self._closing:
            return None
        self._remember(kind, spec)
        variables = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
        try:
            with self._calm.disturbed():
                return await self._handed_out(kind, Path(working_folder), variables)
        finally:
            self._fill()

    async def close(self) -> None:
        """End the kernels that wait."""
        self._closing = True
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait({self._filling})
        for kind in list(self._warm):
            self._forget(kind)
        if self._discarding:
            await asyncio.wait(self._discarding)

    async def _handed_out(self, kind: Kind, folder: Path, variables: dict[str, str]) -> WarmKernel | None:
        while (warm := await self._next(kind)) is not None:
            if warm.is_fresh:
                try:
                    await handing_out.hand_out(warm.launched.client, folder, variables, _HAND_OUT_SECONDS)
                except NotAnswered as error:
                    _LOG.warning("A waiting kernel %r could not be used: %s", kind.kernel_name, error)
                except BaseException:  # the run has ended meanwhile: nobody else may have what was meant for it
                    self._discard(warm)
                    raise
                else:
                    return warm
            self._discard(warm)
        return None

    async def _next(self, kind: Kind) -> WarmKernel | None:
        if self._warm.get(kind):
            return self._warm[kind].pop(0)
        if self._coming is None or self._coming[0] != kind:
            return None
        # One is on its way, and will be there before another could be.
        coming, self._coming = self._coming[1], None
        if self._starting is not None:
            self._calm.raise_again(self._starting)
        try:
            await asyncio.wait({coming}, timeout=_ON_ITS_WAY_SECONDS)
        except asyncio.CancelledError:
            coming.add_done_callback(self._discard_late)
            raise
        if coming.done():
            return coming.result()
        coming.add_done_callback(self._discard_late)
        return None

    def _remember(self, kind: Kind, spec: KernelSpec) -> None:
        self._kinds[kind] = spec
        self._kinds.move_to_end(kind)
        while len(self._kinds) > _KINDS_REMEMBERED:
            self._forget(next(iter(self._kinds)))

    def _forget(self, kind: Kind) -> None:
        self._kinds.pop(kind, None)
        for warm in self._warm.pop(kind, []):
            self._discard(warm)

    def _discard_late(self, coming: asyncio.Task[WarmKernel | None]) -> None:
        if not coming.cancelled() and (warm := coming.result()) is not None:
            self._discard(warm)

    def _discard(self, warm: WarmKernel) -> None:
        task = asyncio.create_task(warm.launched.stop(gracefully=False))
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)

    def _fill(self) -> None:
        if not self._closing and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill_up())

    async def _fill_up(self) -> None:
        failures = 0
        while (kind := self._wanting()) is not None and failures < _ATTEMPTS:
            await self._calm.wait()
            coming = asyncio.create_task(self._started(kind, self._kinds[kind]))
            self._coming, self._starting = (kind, coming), None
            try:
                warm = await asyncio.shield(coming)
            except asyncio.CancelledError:
                coming.cancel()
                await asyncio.wait({coming})
                raise
            if self._coming != (kind, coming):  # a run has it already
                continue
            self._coming = None
            if warm is not None and kind in self._kinds:
                self._add(kind, warm)
            elif warm is not None:
                self._discard(warm)
            elif kind not in self._unfit:
                failures += 1
                await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2.0**failures)

    def _wanting(self) -> Kind | None:
        """The kind that lacks a kernel, the one that was asked for last before others."""
        lacking = (kind for kind in reversed(self._kinds) if len(self._warm.get(kind, [])) < self._size)
        return next((kind for kind in lacking if kind not in self._unfit), None)

    def _add(self, kind: Kind, warm: WarmKernel) -> None:
        self._warm.setdefault(kind, []).append(warm)
        warm.launched.exited.add_done_callback(lambda _: self._lost(kind, warm))

    def _lost(self, kind: Kind, warm: WarmKernel) -> None:
        """It has ended; if nobody has it yet, another one takes its place."""
        waiting = self._warm.get(kind, [])
        if warm in waiting and not self._closing:
            waiting.remove(warm)
            self._discard(warm)
            self._fill()

    async def _started(self, kind: Kind, spec: KernelSpec) -> WarmKernel | None:
        """Start one; None where that did not work, or it may not wait."""
        environment = {"PYTHONPATH": kind.python_path} if kind.python_path else {}
        mark = f"warm-{uuid.uuid4().hex}"
        launched = LaunchedKernel(kind.kernel_name, spec, mark, None, environment, self._runtime_folder)
        warm = None
        try:
            warm = await asyncio.wait_for(self._warmed(kind, launched), _START_SECONDS)
        except Exception as error:  # noqa: BLE001 - kernel provisioners are plugins and raise what they like
            words = launched.last_words
            _LOG.warning("A kernel %r did not start ahead of its run: %r %s", kind.kernel_name, error, words)
        finally:
            if warm is None:
                await launched.stop(gracefully=False)
        return warm

    async def _warmed(self, kind: Kind, launched: LaunchedKernel) -> WarmKernel | None:
        await launched.start()
        started = await launched.started()
        if started is not None:
            self._starting = started.pid
            await self._calm.lower(started.pid)
        greeting = asyncio.create_task(handing_out.greet(launched.client, _START_SECONDS))
        either: set[asyncio.Future[Any]] = {greeting, launched.exited}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not greeting.done():
                raise NotAnswered(await launched.epitaph())
        finally:
            greeting.cancel()
        kernel_info = greeting.result()
        described = await handing_out.describe(launched.client, _ANSWER_SECONDS)
        if described["runs_own_code"]:
            self._unfit.add(kind)
            return None
        if started is not None and not self._calm.raise_again(started.pid):
            return None
        return WarmKernel(launched, kernel_info, _modified(described["made_of"]))


def _modified(paths: Any) -> dict[str, int]:
    """When each of these was changed last, in nanoseconds; 0 for what is not there."""
    found = {}
    for path in paths:
        try:
            found[path] = Path(path).stat().st_mtime_ns
        except OSError:
            found[path] = 0
    return found
