"""A low priority counts between sessions, too, and is taken back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from hermes_lab.runner.calm import Calm
from tests.sessions import MAY_SET_SESSIONS, nice_of_the_session

pytestmark = pytest.mark.requirement("KERNEL-4")


@pytest.fixture(params=[True, False], ids=["session of its own", "our session"])
def process(request: pytest.FixtureRequest) -> Iterator[tuple[int, bool]]:
    """A process, and whether it leads a session."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=request.param) as started:
        yield started.pid, request.param
        started.kill()


async def test_the_session_of_a_process_is_lowered_with_it_if_it_is_its_own(process: tuple[int, bool]) -> None:
    pid, is_its_own = process
    before, calm = nice_of_the_session(pid), Calm()
    await calm.lower(pid)
    assert (nice_of_the_session(pid) != before) == (MAY_SET_SESSIONS and is_its_own)
    assert calm.raise_again(pid)
    assert nice_of_the_session(pid) == before
