"""Output that is too much, late, strange, or cannot be written."""

from __future__ import annotations

import pytest

from hermes_lab.runner.supervisor import SupervisedRunner
from tests.faults.doors import endured_by_a_runner
from tests.faults.fault import Fault
from tests.faults.scene import Scene
from tests.faults.table import DISK, GIGABYTES, OUTPUT

pytestmark = [pytest.mark.requirement("FAULT-1", "FAULT-4"), pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("fault", [row for row in (*OUTPUT, *GIGABYTES, *DISK) if row.door == "runner"], ids=str)
async def test_the_run_ends_as_the_table_says_and_the_next_one_works(
    fault: Fault, scene: Scene, runner: SupervisedRunner
) -> None:
    assert "\n".join(await endured_by_a_runner(fault, scene, runner)) == ""
