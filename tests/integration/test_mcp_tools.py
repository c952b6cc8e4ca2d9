"""The tools as a model uses them: read, run, propose, show that it runs, wait for the person."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tests.clients import Client, Json
from tests.mcp_calls import ask, call, refused
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code, markdown

pytestmark = pytest.mark.requirement("MCP-2")

GLUE = """from IPython.display import display
def glue(name, value):
    scrap = {"name": name, "data": value, "encoder": "json", "version": 1}
    display({"application/scrapbook.scrap.json+json": scrap}, metadata={"scrapbook": {"name": name}}, raw=True)
"""
"""What scrapbook's own `glue` writes, without the seconds that importing it takes."""

DOUBLE = (
    markdown("intro", "# Double it"),
    code("params", "n = 1", tags=["parameters"]),
    code("double", GLUE + "print(n * 2)\nglue('double', n * 2)", prints="2\n", count=1),
)


@pytest.fixture
def server(allowing_server: Server) -> Server:
    """Evidence of agents runs at once."""
    return allowing_server


@pytest.fixture
def path(workspace: Workspace) -> str:
    return workspace.write("double.ipynb", *DOUBLE)


def propose(agent: Client, path: str, source: str = "print(n * 3)", **fields: Any) -> Json:
    read = call(agent, "get_notebook", path=path)
    change = {"op": "replace_source", "cell_id": "double", "source": source, "rationale": "three are better"}
    return call(
        agent, "propose_change", path=path, base_hash=read["hash"], title="Triple", operations=[change], **fields
    )


def test_a_notebook_is_read_cell_by_cell_without_its_outputs(agent: Client, path: str) -> None:
    read = call(agent, "get_notebook", path=path)
    assert [cell["id"] for cell in read["cells"]] == ["intro", "params", "double"]
    assert read["cells"][1] == {
        "index": 1,
        "id": "params",
        "cell_type": "code",
        "source": "n = 1",
        "metadata": {"tags": ["parameters"]},
    }
    assert "outputs" not in read["cells"][2]
    assert read["outputs_left_out"] == 1
    assert read["next_cell"] is None
    assert read["hash"] == agent.get("notebooks", path=path).json()["hash"]


def test_outputs_are_shown_as_text_and_what_is_no_text_is_named(agent: Client, workspace: Workspace) -> None:
    cell = code("all", "…")
    cell["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "x" * 10_000},
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/plain": "<Figure>", "image/png": "iVBORw0KGgo="},
        },
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mE\x1b[0m: v"]},
    ]
    outputs = call(agent, "get_notebook", path=workspace.write("o.ipynb", cell), outputs=True)["cells"][0]["outputs"]
    assert outputs[0]["omitted_characters"] == 6_000
    assert len(outputs[0]["text"]) < 4_100
    assert outputs[1] == {"kind": "display", "text": "<Figure>", "left_out": ["image/png"]}
    assert outputs[2] == {"kind": "error", "text": "E: v"}


def test_a_long_notebook_comes_in_portions_that_together_are_all_of_it(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("long.ipynb", *(code(f"c{number}", f"# {number}" + "x" * 300) for number in range(50)))
    seen: list[str] = []
    first: int | None = 0
    while first is not None:
        read = call(agent, "get_notebook", path=path, first_cell=first, limit_bytes=4_000)
        assert len(json.dumps(read["cells"])) < 5_000
        seen += [cell["id"] for cell in read["cells"]]
        first = read["next_cell"]
    assert seen == [f"c{number}" for number in range(50)]


def test_a_cell_that_alone_is_too_large_is_cut_and_what_is_missing_is_counted(
    agent: Client, workspace: Workspace
) -> None:
    path = workspace.write("wide.ipynb", code("wide", "y" * 5_000), code("next", "1"))
    cells = call(agent, "get_notebook", path=path, limit_bytes=2_000)["cells"]
    assert [cell["id"] for cell in cells] == ["wide"]
    assert cells[0]["source_omitted_characters"] == 3_000
    assert "3000 characters left out" in cells[0]["source"]


def test_a_run_is_waited_for_and_answers_its_scraps(agent: Client, path: str) -> None:
    run = call(agent, "run_notebook", input_path=path, parameters={"n": 21}, wait=60)
    assert run["state"] == "completed", run
    assert run["result"]["scraps"] == {"double": 42}
    assert set(run["result"]) >= {"status", "duration_seconds", "cells_executed", "failed_cell", "scraps"}
    assert call(agent, "get_run", run_id=run["run_id"]) == run


def test_a_run_that_takes_longer_than_the_wait_goes_on_with_get_run(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("slow.ipynb", code("a", "input_given = 1"), code("slow", "import time\ntime.sleep(2)"))
    run = call(agent, "run_notebook", input_path=path, wait=0)
    assert run["state"] in ("pending", "running")
    assert "get_run" in run["next_step"]
    ended = call(agent, "get_run", run_id=run["run_id"], wait=60)
    assert ended["state"] == "completed"
    assert "next_step" not in ended


def test_a_run_that_takes_too_long_is_stopped(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("endless.ipynb", code("endless", "import time\nwhile True:\n    time.sleep(1)"))
    run = call(agent, "run_notebook", input_path=path, wait=0)
    stopped = call(agent, "cancel_run", run_id=run["run_id"])
    assert stopped["run_id"] == run["run_id"]
    assert call(agent, "get_run", run_id=run["run_id"], wait=60)["state"] == "cancelled"
    assert call(agent, "cancel_run", run_id=run["run_id"])["state"] == "cancelled"


def test_a_failed_cell_is_told_without_terminal_colours_and_its_large_scraps_are_counted(
    agent: Client, workspace: Workspace
) -> None:
    big = code("big", GLUE + "glue('big', 'z' * 9_000)\nglue('small', 1)")
    run = call(agent, "run_notebook", input_path=workspace.write("f.ipynb", big, code("bad", "1 / 0")), wait=60)
    assert (run["state"], run["cause"]) == ("failed", "cell_error")
    failed = run["result"]["failed_cell"]
    assert (failed["index"], failed["cell_id"], failed["ename"]) == (1, "bad", "ZeroDivisionError")
    assert failed["traceback"]
    assert "\x1b" not in "".join(failed["traceback"])
    assert run["result"]["scraps"] == {"small": 1}
    assert run["scraps_left_out"]["big"] > 9_000
    assert "propose_change" in run["next_step"]


def test_a_proposal_leaves_the_file_alone_and_its_evidence_says_what_changes(
    agent: Client, path: str, workspace: Workspace
) -> None:
    before = workspace.bytes("double.ipynb")
    source = GLUE + "glue('double', n * 3)"
    proposal = propose(agent, path, source)
    assert proposal["state"] == "open"
    assert [(change["change_id"], change["kind"]) for change in proposal["changes"]] == [("double", "modify")]
    assert "create_evidence" in proposal["next_step"]
    made = call(agent, "create_evidence", proposal_id=proposal["proposal_id"], parameters={"n": 2})
    evidence = call(agent, "get_evidence", evidence_id=made["evidence_id"], wait=60)
    assert (evidence["state"], evidence["verdict"]) == ("completed", "green"), evidence
    (scrap,) = evidence["scraps"]
    assert {**scrap, "name": "double", "before": 4, "after": 6, "change": "changed"} == scrap
    assert evidence["proposal"]["state"] == "completed"
    assert "environment" not in evidence
    assert workspace.bytes("double.ipynb") == before


def test_whoever_waits_for_a_review_hears_decision_and_reason_when_the_person_gives_them(
    agent: Client, person: Client, path: str
) -> None:
    proposal = propose(agent, path)
    heard: list[Json] = []
    waiting = threading.Thread(
        target=lambda: heard.append(call(agent, "wait_for_review", proposal_id=proposal["proposal_id"], wait=60))
    )
    waiting.start()
    decision = {"decision": "accept", "text": "print(n * 4)", "comment": "twice is enough"}
    reviewed = person.post(
        f"proposals/{proposal['proposal_id']}/reviews", decisions={"double": decision}, comment="No."
    )
    assert reviewed.status_code == 200, reviewed.text
    waiting.join(60)
    (change,) = heard[0]["changes"]
    assert (change["decision"]["decision"], change["reason"]) == ("accept", "twice is enough")
    assert [(hunk["before"], hunk["after"]) for hunk in change["edited"]] == [("print(n * 3)", "print(n * 4)")]
    comments = [(comment["change_id"], comment["text"], comment["author"]["kind"]) for comment in heard[0]["comments"]]
    assert comments == [(None, "No.", "human"), ("double", "twice is enough", "human")]
    same = agent.get(f"proposals/{proposal['proposal_id']}/review").json()
    assert (heard[0]["version"], heard[0]["comments"]) == (same["version"], same["comments"])


def test_a_wait_that_ends_without_a_review_answers_what_there_is(agent: Client, path: str) -> None:
    proposal = propose(agent, path)
    again = call(agent, "wait_for_review", proposal_id=proposal["proposal_id"], wait=0.2, since=proposal["version"])
    assert (again["state"], again["decided"], again["comments"]) == ("open", False, [])
    assert "wait_for_review" in again["next_step"]


def test_a_merge_is_heard_of_too(agent: Client, person: Client, path: str) -> None:
    proposal_id = propose(agent, path)["proposal_id"]
    accepted = person.post(f"proposals/{proposal_id}/reviews", verdict="accept").json()
    assert person.post(f"proposals/{proposal_id}/merge").status_code == 200
    heard = call(agent, "wait_for_review", proposal_id=proposal_id, since=accepted["version"])
    assert heard["state"] == "merged"
    assert heard["merges"][0]["applied"] == ["double"]
    listed = call(agent, "list_proposals", path=path, state="merged")["items"]
    assert [summary["proposal_id"] for summary in listed] == [proposal_id]


def test_two_notebooks_are_compared_as_unified_diffs(agent: Client, path: str) -> None:
    proposal = propose(agent, path)
    sides = {"base": {"path": path}, "remote": {"proposal_id": proposal["proposal_id"]}}
    diff = call(agent, "create_diff", **sides)
    assert diff["counts"]["modify"] == 1
    lines = diff["changes"][0]["source_diff"].splitlines()
    assert "+print(n * 3)" in lines
    assert "-print(n * 2)" in lines


def test_what_cannot_be_done_is_an_error_that_the_model_reads(agent: Client, path: str) -> None:
    assert refused(agent, "get_notebook", path="no/such.ipynb")["details"]["field"] == "path"
    assert refused(agent, "get_run", run_id="none")["code"] == "no_such_run"
    stale = refused(agent, "propose_change", path=path, base_hash="0" * 64, title="t", operations=[_delete("double")])
    assert stale["code"] == "stale_base"
    assert stale["details"]["current_hash"]
    base_hash = call(agent, "get_notebook", path=path)["hash"]
    unknown = refused(agent, "propose_change", path=path, base_hash=base_hash, title="t", operations=[_delete("zz")])
    assert unknown["code"] == "unknown_cell"


def test_wrong_arguments_are_named_each(agent: Client) -> None:
    fault = refused(agent, "run_notebook", input_path="", wait=61, colour="red")
    assert fault["code"] == "invalid_request"
    assert {each["field"] for each in fault["details"]["errors"]} == {"input_path", "wait", "colour"}


def test_a_tool_that_the_scopes_do_not_allow_is_refused_even_where_its_name_is_known(
    issue_agent: Callable[..., Client], path: str
) -> None:
    reader = issue_agent(scopes=["notebooks:read"])
    assert refused(reader, "run_notebook", input_path=path)["code"] == "missing_scope"
    assert call(reader, "get_notebook", path=path)["cells_total"] == 3


def test_answers_are_what_the_output_schema_says_and_the_text_says_the_same(agent: Client, path: str) -> None:
    schemas = {tool["name"]: tool["outputSchema"] for tool in ask(agent, "tools/list")["result"]["tools"]}
    proposal = propose(agent, path)
    run = call(agent, "run_notebook", input_path=path, wait=60)
    evidence = call(agent, "create_evidence", proposal_id=proposal["proposal_id"])
    calls: dict[str, Json] = {
        "get_notebook": {"path": path, "outputs": True},
        "get_run": {"run_id": run["run_id"]},
        "run_notebook": {"input_path": path, "wait": 0},
        "cancel_run": {"run_id": run["run_id"]},
        "propose_change": {
            "path": path,
            "base_hash": proposal["base_hash"],
            "title": "t",
            "operations": [_delete("intro")],
        },
        "create_evidence": {"proposal_id": proposal["proposal_id"]},
        "get_evidence": {"evidence_id": evidence["evidence_id"], "wait": 60},
        "wait_for_review": {"proposal_id": proposal["proposal_id"], "wait": 0},
        "list_proposals": {},
        "create_diff": {"base": {"path": path}, "remote": {"run_id": run["run_id"]}},
    }
    assert calls.keys() == schemas.keys()
    for tool, arguments in calls.items():
        result = ask(agent, "tools/call", {"name": tool, "arguments": arguments})["result"]
        jsonschema.Draft202012Validator(schemas[tool]).validate(result["structuredContent"])
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


def _delete(cell_id: str) -> Json:
    return {"op": "delete", "cell_id": cell_id}
