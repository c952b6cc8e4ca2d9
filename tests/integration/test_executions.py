"""A run that has ended stays what it came to, whatever becomes of what it left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hermes_lab.engines.paths import Root
from hermes_lab.model.actors import Author
from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.payload import JsonObject, new_id, now, sha256
from hermes_lab.model.runs import Progress, Run
from hermes_lab.runner.in_process import InProcessRunner
from hermes_lab.runner.protocol import ExecuteNotebook, ExecutionEnded, Limits, OnEvent
from hermes_lab.services.events import Events
from hermes_lab.services.executions import Executions, Workplace
from hermes_lab.services.kernels import Kernels
from hermes_lab.services.run_records import RunRecords
from hermes_lab.store import Store
from tests.written_notebooks import code, notebook

pytestmark = pytest.mark.requirement("RUN-22")

NOTEBOOK = notebook(code("only", "1"), kernelspec={"name": "python3", "display_name": "Python 3"})


class MeddledWith:
    """A runner whose output notebooks somebody meddles with as soon as they are whole."""

    def __init__(self, meddle: Callable[[Path], object]) -> None:
        self._runner = InProcessRunner()
        self._meddle = meddle

    async def execute(self, request: ExecuteNotebook, on_event: OnEvent) -> ExecutionEnded:
        ended = await self._runner.execute(request, on_event)
        self._meddle(Path(request.output_path))
        return ended

    async def cancel(self, run_id: str) -> None:
        await self._runner.cancel(run_id)

    async def close(self) -> None:
        await self._runner.close()


async def kernels_here() -> dict[str, KernelDescription]:
    return {}


async def kernels_unknown() -> dict[str, KernelDescription]:
    raise OSError("the folder of the kernel specs cannot be read")


async def no_spec(_name: str) -> JsonObject | None:
    return None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(f"sqlite:///{tmp_path / 'hermes.sqlite3'}")) as store:
        yield store


def stored(store: Store) -> Run:
    """A run that writes its notebook."""
    run = Run(
        run_id=new_id(),
        author=Author(kind="human", name="ada"),
        input_path="report.ipynb",
        input_hash=sha256("report"),
        output_path="out.ipynb",
        prepare_only=True,
        kernel_name="python3",
        created_at=now(),
        progress=Progress.of(NOTEBOOK),
    )
    store.runs.insert(run)
    return run


async def prepared(store: Store, folder: Path, runner: MeddledWith, records: RunRecords) -> Run:
    """The end of a run that writes its notebook, as the store has it."""
    run = stored(store)
    events = Events(lambda _changed: None)
    kernels = Kernels(store, lambda: "http://127.0.0.1", folder)
    executions = Executions(store, events, runner, kernels, records, Limits(), no_spec, Root(folder))
    workplace = Workplace(folder, folder / "report.ipynb", folder / "out.ipynb")
    ended, _ = await executions.execute(run, NOTEBOOK, workplace)
    await runner.close()
    assert executions.known(run.run_id) == store.runs.get(run.run_id) == ended
    return ended


async def test_a_run_is_completed_and_its_output_kept_where_nobody_meddles(store: Store, tmp_path: Path) -> None:
    ended = await prepared(store, tmp_path, MeddledWith(Path.exists), RunRecords(store, kernels_here))
    assert (ended.state, ended.cause) == ("completed", None)
    assert ended.output_hash is not None
    assert store.snapshots.get(ended.output_hash) == (tmp_path / "out.ipynb").read_text()
    assert store.run_records.get(ended.run_id) is not None


@pytest.mark.parametrize(
    "meddle", [Path.unlink, lambda output: output.write_bytes(b"\xff")], ids=["taken away", "spoilt"]
)
async def test_a_run_whose_output_is_gone_at_its_end_stays_what_it_came_to(
    store: Store, tmp_path: Path, meddle: Callable[[Path], object]
) -> None:
    ended = await prepared(store, tmp_path, MeddledWith(meddle), RunRecords(store, kernels_here))
    assert (ended.state, ended.cause, ended.output_hash) == ("completed", None, None)
    assert ended.result is not None
    assert ended.result.status == "success"


@pytest.mark.requirement("RUN-6")
async def test_a_run_that_is_cancelled_before_its_runner_knows_of_it_is_cancelled(store: Store, tmp_path: Path) -> None:
    async def spec_of_a_slow_manager(_name: str) -> JsonObject | None:
        await executions.cancel(run.run_id)
        return None

    run, runner = stored(store), MeddledWith(Path.exists)
    executions = Executions(
        *(store, Events(lambda _changed: None), runner, Kernels(store, lambda: "http://127.0.0.1", tmp_path)),
        *(RunRecords(store, kernels_here), Limits(), spec_of_a_slow_manager, Root(tmp_path)),
    )
    workplace = Workplace(tmp_path, tmp_path / "report.ipynb", tmp_path / "out.ipynb")
    ended, _ = await executions.execute(run, NOTEBOOK, workplace)
    await runner.close()
    assert (ended.state, ended.cause, ended.started_at, ended.message) == (
        "cancelled",
        None,
        None,
        "The run was cancelled.",
    )


async def test_a_run_whose_record_cannot_be_made_stays_what_it_came_to(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = await prepared(store, tmp_path, MeddledWith(Path.exists), RunRecords(store, kernels_unknown))
    assert (ended.state, ended.cause) == ("completed", None)
    assert ended.output_hash is not None
    assert store.run_records.get(ended.run_id) is None
    assert "the folder of the kernel specs cannot be read" in caplog.text
