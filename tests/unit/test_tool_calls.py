"""Tool calls from the request to the audit log, on a real store with the real built-in tools."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hermes_lab.engines.built_in_tools import BuiltInTools
from hermes_lab.engines.paths import Root
from hermes_lab.engines.web import Web
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import Conflict, IllegalTransition, InvalidRequest, NotAllowed, NotFound
from hermes_lab.model.events import Changed
from hermes_lab.model.tool_calls import (
    CreateToolCall,
    DecideToolCall,
    GetToolCall,
    ListToolCalls,
    Policy,
    ToolCall,
)
from hermes_lab.services.events import Events
from hermes_lab.services.kernels import Kernels
from hermes_lab.services.tool_calls import ToolCalls
from hermes_lab.services.tool_executions import ToolExecutions
from hermes_lab.store import Store

PERSON = Actor.person("ada")
AGENT = Actor(kind="agent", name="bot", scopes=frozenset({"tool_calls:decide"}))


@dataclass
class Bench:
    """The services on a store of their own, and two kernels."""

    folder: Path
    store: Store
    kernels: Kernels
    calls: ToolCalls
    told: list[Changed]
    kernel: Actor
    other_kernel: Actor

    async def ask(self, tool: str = "terminal", **arguments: Any) -> ToolCall:
        """What the kernel is answered."""
        return await self.calls.create(self.kernel, CreateToolCall(tool=tool, arguments=arguments, wait=20))

    async def decide(self, call: ToolCall, decision: Any, **fields: Any) -> ToolCall:
        """What the person is answered."""
        request = DecideToolCall(tool_call_id=call.tool_call_id, decision=decision, **fields)
        return await self.calls.decide(PERSON, request)

    async def end_of(self, call: ToolCall) -> ToolCall:
        """The call when it has ended, as the kernel reads it."""
        while call.ended_at is None:
            wait = GetToolCall(tool_call_id=call.tool_call_id, wait=20, since=call.version)
            call = await self.calls.get(self.kernel, wait)
        return call

    def actions(self, call: ToolCall) -> list[str]:
        """What the audit log has about the call."""
        return [entry.action for entry in self.store.audit.entries() if entry.subject == call.tool_call_id]


@pytest.fixture
def policies() -> dict[str, Policy]:
    return {}


@pytest.fixture
def patience() -> float:
    return 60.0


@pytest.fixture
async def bench(tmp_path: Path, policies: dict[str, Policy], patience: float) -> AsyncIterator[Bench]:
    (tmp_path / "root" / "fleet").mkdir(parents=True)
    (tmp_path / "root" / "fleet" / "hosts.txt").write_text("alpha\n")
    root = Root(tmp_path / "root")
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    told: list[Changed] = []
    kernels = Kernels(store, lambda: "http://127.0.0.1:8888/", tmp_path / "runtime")
    tools = BuiltInTools(root, {"PATH": "/usr/bin:/bin"}, Web(""))
    calls = ToolCalls(store, Events(told.append), kernels, ToolExecutions(tools), policies, patience)
    actors = []
    for kernel_id in ("k1", "k2"):
        token = kernels.issue(kernel_id, "session", "fleet/check.ipynb")
        actor = kernels.actor_for(token)
        assert actor is not None
        actors.append(actor)
    yield Bench(root.folder, store, kernels, calls, told, *actors)
    await calls.close()
    store.close()


async def test_an_allowed_tool_answers_at_once(bench: Bench) -> None:
    call = await bench.ask("read_file", path="hosts.txt")
    assert (call.state, call.policy) == ("succeeded", "allow")
    assert call.result is not None
    assert call.result["content"] == "1|alpha"
    assert call.decided_by is None
    assert bench.actions(call) == ["create_tool_call", "end_tool_call"]


async def test_a_tool_that_asks_waits_for_a_person_and_then_runs_once(bench: Bench) -> None:
    call = await bench.ask(command="echo once >> log; cat log")
    assert call.state == "awaiting_approval"
    assert not (bench.folder / "fleet" / "log").exists()
    allowed = await bench.decide(call, "allow", digest=call.digest)
    assert (allowed.state, allowed.decided_by) == ("running", PERSON.author)
    ended = await bench.end_of(call)
    assert (ended.state, ended.result) == ("succeeded", {"output": "once\n", "exit_code": 0, "error": None})
    assert bench.actions(call) == ["create_tool_call", "allow_tool_call", "end_tool_call"]


async def test_a_denied_call_never_runs_and_the_cell_receives_the_reason(bench: Bench) -> None:
    call = await bench.ask(command="touch here")
    await bench.decide(call, "deny", reason="not on a Friday")
    ended = await bench.end_of(call)
    assert (ended.state, ended.message, ended.result) == ("denied", "not on a Friday", None)
    assert not (bench.folder / "fleet" / "here").exists()
    assert bench.actions(call) == ["create_tool_call", "deny_tool_call"]


@pytest.mark.parametrize("patience", [0.2])
@pytest.mark.requirement("TOOL-4")
async def test_where_nobody_answers_the_call_expires_and_can_no_longer_be_allowed(bench: Bench) -> None:
    call = await bench.ask(command="touch here")
    ended = await bench.end_of(call)
    assert (ended.state, ended.decided_by) == ("expired", None)
    with pytest.raises(IllegalTransition) as refusal:
        await bench.decide(call, "allow")
    assert refusal.value.details["state"] == "expired"
    assert not (bench.folder / "fleet" / "here").exists()


@pytest.mark.parametrize("policies", [{"read_file": "deny"}])
async def test_a_tool_that_policy_denies_is_denied_at_once(bench: Bench) -> None:
    call = await bench.ask("read_file", path="hosts.txt")
    assert (call.state, call.result) == ("denied", None)
    assert "policy" in (call.message or "")


@pytest.mark.parametrize("policies", [{"terminal": "allow"}])
async def test_a_failure_of_the_tool_itself_is_its_answer(bench: Bench) -> None:
    outside = await bench.ask("read_file", path="../../store.sqlite3")
    assert (outside.state, outside.result) == (
        "failed",
        {"error": "'../../store.sqlite3' leads out of the root folder."},
    )
    background = await bench.ask("terminal", command="true", background=True)
    assert background.state == "failed"
    wrong = await bench.ask("terminal", command="exit 3")
    assert (wrong.state, (wrong.result or {})["exit_code"]) == ("succeeded", 3)


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_deciding_twice_is_refused(bench: Bench, decision: str) -> None:
    call = await bench.ask(command="echo once >> log")
    await bench.decide(call, "allow")
    await bench.end_of(call)
    with pytest.raises(IllegalTransition):
        await bench.decide(call, decision)
    assert (bench.folder / "fleet" / "log").read_text() == "once\n"


@pytest.mark.requirement("TOOL-2")
async def test_a_decision_about_another_request_than_the_one_shown_is_refused(bench: Bench) -> None:
    shown = await bench.ask(command="ls")
    waiting = await bench.ask(command="rm -rf .")
    with pytest.raises(Conflict) as refusal:
        await bench.decide(waiting, "allow", digest=shown.digest)
    assert refusal.value.code == "digest_mismatch"
    assert (await bench.calls.get(PERSON, GetToolCall(tool_call_id=waiting.tool_call_id))).state == (
        "awaiting_approval"
    )


async def test_the_digest_covers_the_kernel_and_every_argument(bench: Bench) -> None:
    request = CreateToolCall(tool="terminal", arguments={"command": "ls"})
    first = await bench.ask(command="ls")
    spelled_out = await bench.ask(command="ls", timeout=180, workdir=None, background=False)
    other_argument = await bench.ask(command="ls", timeout=179)
    other_kernel = await bench.calls.create(bench.other_kernel, request)
    assert first.digest == spelled_out.digest
    assert len({first.digest, other_argument.digest, other_kernel.digest}) == 3


async def test_only_people_decide(bench: Bench) -> None:
    call = await bench.ask(command="ls")
    request = DecideToolCall(tool_call_id=call.tool_call_id, decision="allow")
    for actor in (AGENT, bench.kernel):
        with pytest.raises(NotAllowed):
            await bench.calls.decide(actor, request)


async def test_only_kernels_call_tools(bench: Bench) -> None:
    for actor in (PERSON, AGENT):
        with pytest.raises(NotAllowed):
            await bench.calls.create(actor, CreateToolCall(tool="read_file", arguments={"path": "hosts.txt"}))


async def test_a_kernel_sees_its_own_calls_alone(bench: Bench) -> None:
    call = await bench.ask("read_file", path="hosts.txt")
    with pytest.raises(NotFound):
        await bench.calls.get(bench.other_kernel, GetToolCall(tool_call_id=call.tool_call_id))
    assert (await bench.calls.list(bench.other_kernel, ListToolCalls())).items == []
    assert (await bench.calls.list(bench.kernel, ListToolCalls())).items == [call]
    assert (await bench.calls.list(PERSON, ListToolCalls())).items == [call]


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "field"),
    [
        ("format_disk", {}, "unknown_tool", "tool"),
        ("read_file", {}, "invalid_arguments", "arguments.path"),
        ("read_file", {"path": "a", "offset": 0}, "invalid_arguments", "arguments.offset"),
        ("read_file", {"path": "a\0b"}, "invalid_arguments", "arguments.path"),
        ("terminal", {"command": "ls", "timeout": 601}, "invalid_arguments", "arguments.timeout"),
        ("terminal", {"command": "ls", "sudo": True}, "invalid_arguments", "arguments.sudo"),
        ("terminal", {"command": "x" * 100_001}, "invalid_arguments", "arguments.command"),
        ("terminal", {"command": "\ud800"}, "invalid_arguments", "arguments.command"),
        ("web_search", {"query": ["a"]}, "invalid_arguments", "arguments.query"),
    ],
)
async def test_arguments_that_the_tool_does_not_take_are_refused_and_nothing_is_stored(
    bench: Bench, tool: str, arguments: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await bench.ask(tool, **arguments)
    assert (refusal.value.code, refusal.value.details["field"]) == (code, field)
    assert (await bench.calls.list(PERSON, ListToolCalls())).items == []


async def test_a_waiting_call_ends_with_its_kernel(bench: Bench) -> None:
    call = await bench.ask(command="touch here")
    bench.kernels.end("k1")
    assert (await bench.end_of(call)).state == "expired"
    with pytest.raises(IllegalTransition):
        await bench.decide(call, "allow")


@pytest.mark.parametrize("policies", [{"terminal": "allow"}])
async def test_a_running_tool_is_stopped_with_its_kernel(bench: Bench) -> None:
    started = bench.folder / "fleet" / "started"
    os.mkfifo(started)
    asking = asyncio.create_task(bench.ask(command="echo now > started; sleep 1000.5"))
    assert await asyncio.to_thread(started.read_text) == "now\n"
    bench.kernels.end("k1")
    ended = await asyncio.wait_for(asking, 20)
    assert (ended.state, ended.result) == ("failed", None)
    assert "broken off" in (ended.message or "")


@pytest.mark.parametrize("policies", [{"terminal": "allow"}])
async def test_a_kernel_that_ends_at_once_leaves_no_call_open(bench: Bench) -> None:
    call = await bench.calls.create(bench.kernel, CreateToolCall(tool="terminal", arguments={"command": "ls"}))
    assert call.state == "running"
    bench.kernels.end("k1")
    assert (await asyncio.wait_for(bench.end_of(call), 20)).state == "failed"


async def test_the_token_of_a_kernel_that_ended_is_worth_nothing(bench: Bench) -> None:
    token = bench.kernels.issue("k3", "session", None)
    assert bench.kernels.actor_for(token) is not None
    bench.kernels.end("k3")
    assert bench.kernels.actor_for(token) is None


async def test_a_second_token_for_a_kernel_replaces_the_first(bench: Bench) -> None:
    first = bench.kernels.issue("k3", "session", None)
    second = bench.kernels.issue("k3", "session", None)
    assert bench.kernels.actor_for(first) is None
    assert bench.kernels.actor_for(second) is not None


async def test_only_the_hash_of_a_kernels_token_is_kept(bench: Bench) -> None:
    token = bench.kernels.issue("k3", "session", None)
    kept = bench.store.kernels.get("k3")
    assert kept is not None
    assert kept.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in kept.model_dump_json()


async def test_calls_that_a_dead_server_left_open_are_ended(bench: Bench) -> None:
    call = await bench.ask(command="ls")
    bench.calls.end_all_of(bench.store.instance_id)
    assert (await bench.end_of(call)).state == "expired"


async def test_every_step_is_told_without_its_content(bench: Bench) -> None:
    call = await bench.ask(command="echo canary")
    await bench.decide(call, "allow")
    await bench.end_of(call)
    steps = [changed.state for changed in bench.told if changed.id == call.tool_call_id]
    assert steps == ["awaiting_approval", "running", "succeeded"]
    assert not any("canary" in changed.model_dump_json() for changed in bench.told)


async def test_the_audit_log_of_calls_is_an_unbroken_chain(bench: Bench) -> None:
    call = await bench.ask(command="echo hello")
    await bench.decide(call, "allow")
    await bench.end_of(call)
    assert bench.store.audit.first_broken() is None
    authors = [entry.author.kind for entry in bench.store.audit.entries()]
    assert authors == ["kernel", "human", "kernel"]
