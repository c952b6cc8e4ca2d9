"""The stubs inside the kernel and the server's schemas come to the same list."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import hermes_runtime
from hermes_lab.model.tools import TOOLS
from hermes_runtime.tools import TOOLS as STUBS

pytestmark = pytest.mark.requirement("TOOL-7")


def test_the_kernel_offers_exactly_the_tools_that_the_server_knows() -> None:
    assert {stub.__name__ for stub in STUBS} == set(TOOLS)


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.__name__)
def test_a_stub_has_the_arguments_and_defaults_of_the_servers_schema(stub: Any) -> None:
    parameters = inspect.signature(stub).parameters
    offered = {name: parameter.default for name, parameter in parameters.items()}
    fields = TOOLS[stub.__name__].arguments.model_fields
    known = {name: inspect.Parameter.empty if field.is_required() else field.default for name, field in fields.items()}
    assert offered == known


def test_hermes_order_of_positional_arguments_is_kept() -> None:
    """Hermes' script tools are called as ``terminal(command, timeout, workdir)``."""
    first_three = list(inspect.signature(hermes_runtime.terminal).parameters)[:3]
    assert first_three == ["command", "timeout", "workdir"]


def test_tools_lists_every_tool_with_its_signature() -> None:
    listed = {tool["name"]: tool["signature"] for tool in hermes_runtime.tools()}
    assert listed.keys() == TOOLS.keys()
    assert listed["web_search"].startswith("web_search(query: str, limit: int = 5)")
