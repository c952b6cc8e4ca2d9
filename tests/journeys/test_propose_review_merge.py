"""Journey 2: an agent proposes, a person decides, and the file holds exactly what was accepted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from tests.clients import Client, error
from tests.journeys.proposing import merge, propose, read, replace, review, states
from tests.workspaces import Workspace
from tests.written_notebooks import code, markdown

CELLS = (
    markdown("title", "# Report"),
    code("load", "rows = [1, 2, 3]", prints="loaded\n", count=1),
    code("score", "total = sum(rows)\nprint(total)", prints="6\n", count=2),
    code("plot", "print('plot')"),
)
LONG = "\n".join(f"line_{number} = {number}" for number in range(12))


@pytest.fixture
def path(workspace: Workspace) -> str:
    return workspace.write("report.ipynb", *CELLS)


@pytest.mark.requirement("PROP-1", "PROP-2")
def test_an_agent_proposes_operations_and_the_document_stays(agent: Client, workspace: Workspace, path: str) -> None:
    before = workspace.bytes("report.ipynb")
    new = {"id": "note", "cell_type": "markdown", "source": "Mind the median."}
    proposal = propose(
        agent,
        path,
        replace("score", "print(max(rows))", rationale="The largest one counts."),
        {"op": "insert", "after_cell_id": "title", "cell": new},
        {"op": "delete", "cell_id": "plot"},
        rationale="It reads better.",
    )

    assert (proposal["state"], proposal["stale"], proposal["author"]["kind"]) == ("open", False, "agent")
    assert proposal["base_hash"] == hashlib.sha256(before).hexdigest()
    kinds = {change["change_id"]: change["kind"] for change in proposal["changes"]}
    assert kinds == {"score": "modify", "note": "insert", "plot": "delete"}
    reasons = {change["change_id"]: change["rationale"] for change in proposal["changes"]}
    assert reasons["score"] == "The largest one counts."
    assert workspace.bytes("report.ipynb") == before


@pytest.mark.requirement("PROP-1", "PROP-2")
def test_an_agent_proposes_a_whole_notebook(agent: Client, workspace: Workspace, path: str) -> None:
    before = workspace.bytes("report.ipynb")
    notebook = read(agent, path)["notebook"]
    notebook["cells"][2]["source"] = "print(max(rows))"
    proposal = propose(agent, path, operations=None, notebook=notebook)
    assert [(change["kind"], change["cell_id"]) for change in proposal["changes"]] == [("modify", "score")]
    assert workspace.bytes("report.ipynb") == before


@pytest.mark.requirement("PROP-7", "MERGE-1")
def test_outputs_that_an_agent_wrote_are_never_taken_over(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    notebook = read(agent, path)["notebook"]
    forged = [{"output_type": "stream", "name": "stdout", "text": "all is well\n"}]
    for cell in notebook["cells"][1:]:
        cell |= {"outputs": forged, "execution_count": 9}
    notebook["cells"][3]["source"] = "print('a better plot')"
    notebook["cells"].append({**code("new", "print('new')"), "outputs": forged, "execution_count": 9})
    proposal = propose(agent, path, operations=None, notebook=notebook)
    assert "all is well" not in person.get(f"proposals/{proposal['proposal_id']}/notebooks").text
    review(person, proposal, verdict="accept")
    merge(person, proposal)
    assert b"all is well" not in workspace.bytes("report.ipynb")
    outputs = [cell.get("outputs") for cell in workspace.read("report.ipynb")["cells"]]
    assert ["".join(output[0]["text"]) if output else output for output in outputs] == [None, "loaded\n", "6\n", [], []]


@pytest.mark.requirement("PROP-3")
def test_a_base_that_the_server_never_gave_is_refused(agent: Client, workspace: Workspace, path: str) -> None:
    refused = agent.post("proposals", path=path, base_hash="0" * 64, title="Better", operations=[replace("plot", "1")])
    assert error(refused) == (409, "stale_base")
    current = hashlib.sha256(workspace.bytes("report.ipynb")).hexdigest()
    assert refused.json()["details"]["current_hash"] == current


@pytest.mark.requirement("PROP-4", "MERGE-3")
def test_a_proposal_against_an_older_base_is_stale_and_merges(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    older = read(agent, path)["hash"]
    workspace.write("report.ipynb", markdown("title", "# The report"), *CELLS[1:])
    proposal = propose(agent, path, replace("plot", "print('better')"), base_hash=older)
    assert (proposal["stale"], proposal["conflicted"]) == (True, False)

    review(person, proposal, {"plot": "accept"})
    merged = merge(person, proposal)

    assert merged["state"] == "merged"
    assert workspace.sources("report.ipynb") == {
        "title": "# The report",
        "load": "rows = [1, 2, 3]",
        "score": "total = sum(rows)\nprint(total)",
        "plot": "print('better')",
    }


@pytest.mark.requirement("PROP-5")
def test_a_new_notebook_appears_when_it_is_merged(agent: Client, person: Client, workspace: Workspace) -> None:
    path = workspace.path("new.ipynb")
    notebook = {"cells": list(CELLS[:1]), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    asked = agent.post("proposals", path=path, base_hash=None, title="A new one", notebook=notebook)
    assert asked.status_code == 201, asked.text
    assert workspace.tree() == {}

    review(person, asked.json(), verdict="accept")
    merged = merge(person, asked.json())

    assert (merged["state"], merged["merge"]["before_hash"]) == ("merged", None)
    assert workspace.sources("new.ipynb") == {"title": "# Report"}


@pytest.mark.requirement("PROP-5")
def test_a_new_notebook_is_not_proposed_where_one_exists(agent: Client, path: str) -> None:
    notebook = {"cells": list(CELLS[:1]), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    refused = agent.post("proposals", path=path, base_hash=None, title="A new one", notebook=notebook)
    assert error(refused) == (409, "document_exists")


@pytest.mark.requirement("PROP-6")
def test_an_agent_replaces_its_own_proposal(agent: Client, person: Client, path: str) -> None:
    first = propose(agent, path, replace("plot", "1"))
    second = propose(agent, path, replace("plot", "2"), supersedes=first["proposal_id"])
    closed = agent.get(f"proposals/{first['proposal_id']}").json()
    assert (closed["state"], closed["superseded_by"]) == ("superseded", second["proposal_id"])
    late = person.post(f"proposals/{first['proposal_id']}/reviews", decisions={"plot": "accept"})
    assert error(late) == (409, "illegal_transition")


@pytest.mark.requirement("PROP-6")
def test_an_agent_withdraws_its_own_proposal_and_no_other(
    agent: Client, issue_agent: Callable[..., Client], person: Client, path: str
) -> None:
    proposal = propose(agent, path, replace("plot", "1"))
    withdraw = f"proposals/{proposal['proposal_id']}/withdraw"
    assert error(issue_agent().post(withdraw)) == (403, "not_the_author")
    assert agent.post(withdraw).json()["state"] == "withdrawn"
    assert error(agent.post(withdraw)) == (409, "illegal_transition")
    late = person.post(f"proposals/{proposal['proposal_id']}/merge")
    assert error(late) == (409, "illegal_transition")


@pytest.mark.requirement("REVIEW-1", "MERGE-1")
def test_the_file_holds_what_was_accepted_and_nothing_else(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    proposal = propose(
        agent,
        path,
        replace("title", "# The report"),
        replace("load", "rows = [4]"),
        {"op": "delete", "cell_id": "plot"},
    )
    before = workspace.bytes("report.ipynb")
    decisions = {
        "title": "accept",
        "load": {"decision": "reject", "comment": "These rows are real."},
        "plot": "reject",
    }
    reviewed = review(person, proposal, decisions, comment="The title is better.")
    assert workspace.bytes("report.ipynb") == before
    assert states(reviewed) == {"title": "pending", "load": "rejected", "plot": "rejected"}

    merged = merge(person, proposal)

    assert merged["state"] == "merged"
    assert merged["merge"]["applied"] == ["title"]
    assert merged["merge"]["before_hash"] == hashlib.sha256(before).hexdigest()
    assert merged["merge"]["hash"] == hashlib.sha256(workspace.bytes("report.ipynb")).hexdigest()
    expected = [dict(cell) for cell in workspace.read("report.ipynb")["cells"]]
    assert expected[0]["source"] in ("# The report", ["# The report"])
    assert workspace.sources("report.ipynb") == {
        "title": "# The report",
        **{cell["id"]: cell["source"] for cell in CELLS[1:]},
    }
    printed = {cell["id"]: cell["outputs"] for cell in expected if cell.get("outputs")}
    assert set(printed) == {"load", "score"}
    seen = agent.get(f"proposals/{proposal['proposal_id']}").json()
    comments = [comment["text"] for each in seen["reviews"] for comment in each["comments"]]
    assert comments == ["The title is better.", "These rows are real."]


@pytest.mark.requirement("REVIEW-1")
def test_an_agent_that_waits_is_told_of_the_review(agent: Client, person: Client, path: str) -> None:
    proposal = propose(agent, path, replace("plot", "1"))
    seen = agent.get(f"proposals/{proposal['proposal_id']}", since=proposal["version"]).json()
    assert seen["version"] == proposal["version"]
    review(person, proposal, {"plot": "accept"})
    merge(person, proposal)
    told = agent.wait_until(f"proposals/{proposal['proposal_id']}", lambda now: now["state"] != "open")
    assert told["state"] == "merged"


@pytest.mark.requirement("REVIEW-2")
def test_rejecting_everything_closes_the_proposal_and_a_later_accept_opens_it(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    before = workspace.bytes("report.ipynb")
    proposal = propose(agent, path, replace("plot", "1"), replace("load", "2"))
    assert review(person, proposal, verdict="reject")["state"] == "rejected"
    assert error(person.post(f"proposals/{proposal['proposal_id']}/merge")) == (409, "illegal_transition")
    assert workspace.bytes("report.ipynb") == before
    assert review(person, proposal, {"plot": "accept"})["state"] == "open"
    assert merge(person, proposal)["state"] == "merged"
    assert workspace.sources("report.ipynb")["plot"] == "1"


@pytest.mark.requirement("REVIEW-3")
def test_a_decision_can_be_taken_back_until_it_is_applied(agent: Client, person: Client, path: str) -> None:
    proposal = propose(agent, path, replace("plot", "1"), replace("load", "2"))
    review(person, proposal, {"plot": "accept", "load": "accept"})
    review(person, proposal, {"plot": "undecided", "load": "reject"})
    refused = person.post(f"proposals/{proposal['proposal_id']}/merge")
    assert error(refused) == (409, "nothing_accepted")
    review(person, proposal, {"plot": "accept"})
    merge(person, proposal)
    late = person.post(f"proposals/{proposal['proposal_id']}/reviews", decisions={"plot": "reject"})
    assert error(late) == (409, "illegal_transition")


@pytest.mark.requirement("MERGE-2")
def test_a_merge_is_repeated_until_nothing_is_pending(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    proposal = propose(agent, path, replace("plot", "1"), replace("load", "2"))
    review(person, proposal, {"plot": "accept"})
    first = merge(person, proposal)
    assert (first["state"], states(first)) == ("open", {"plot": "applied", "load": "pending"})
    assert workspace.sources("report.ipynb")["load"] == "rows = [1, 2, 3]"

    review(person, proposal, {"load": "accept"})
    second = merge(person, proposal)
    assert (second["state"], len(second["merges"])) == ("merged", 2)
    assert (workspace.sources("report.ipynb")["plot"], workspace.sources("report.ipynb")["load"]) == ("1", "2")


@pytest.mark.requirement("MERGE-3")
def test_newer_edits_elsewhere_in_the_same_cell_survive_a_merge(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    path = workspace.write("long.ipynb", code("long", LONG))
    proposal = propose(agent, path, replace("long", LONG.replace("line_1 = 1\n", "line_1 = 'agent'\n")))
    workspace.write("long.ipynb", code("long", LONG.replace("line_9 = 9", "line_9 = 'person'")), code("mine", "x"))
    review(person, proposal, verdict="accept")
    assert merge(person, proposal)["state"] == "merged"
    both = LONG.replace("line_1 = 1\n", "line_1 = 'agent'\n").replace("line_9 = 9", "line_9 = 'person'")
    assert workspace.sources("long.ipynb") == {"long": both, "mine": "x"}


@pytest.mark.requirement("MERGE-4")
def test_overlapping_newer_edits_refuse_the_merge_and_the_file_stays(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    proposal = propose(agent, path, replace("plot", "print('agent')"), replace("load", "rows = [4]"))
    workspace.write("report.ipynb", *CELLS[:3], code("plot", "print('person')"))
    before = workspace.bytes("report.ipynb")
    review(person, proposal, verdict="accept")
    shown = person.get(f"proposals/{proposal['proposal_id']}").json()
    assert (shown["stale"], shown["conflicted"]) == (True, True)

    refused = person.post(f"proposals/{proposal['proposal_id']}/merge")

    assert error(refused) == (409, "merge_conflict")
    details = refused.json()["details"]
    assert details["current_hash"] == hashlib.sha256(before).hexdigest()
    assert [conflict["change_id"] for conflict in details["conflicts"]] == ["plot"]
    assert (details["conflicts"][0]["local"], details["conflicts"][0]["remote"]) == (
        "print('person')",
        "print('agent')",
    )
    assert workspace.bytes("report.ipynb") == before
    unchanged = person.get(f"proposals/{proposal['proposal_id']}").json()
    assert (unchanged["state"], unchanged["merges"]) == ("open", [])


@pytest.mark.requirement("MERGE-4")
@pytest.mark.parametrize(
    ("resolution", "source"), [("local", "print('person')"), ("remote", "print('agent')"), ("edited", "both()")]
)
def test_a_person_settles_a_conflict(
    agent: Client, person: Client, workspace: Workspace, path: str, resolution: str, source: str
) -> None:
    proposal = propose(agent, path, replace("plot", "print('agent')"))
    workspace.write("report.ipynb", *CELLS[:3], code("plot", "print('person')"))
    decision = {"decision": "accept", "resolution": resolution}
    review(person, proposal, {"plot": decision | ({"text": source} if resolution == "edited" else {})})
    merge(person, proposal)
    assert workspace.sources("report.ipynb")["plot"] == source


@pytest.mark.requirement("MERGE-5")
def test_a_merge_that_expects_another_document_writes_nothing(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    proposal = propose(agent, path, replace("plot", "1"))
    review(person, proposal, verdict="accept")
    before = workspace.bytes("report.ipynb")
    refused = person.post(f"proposals/{proposal['proposal_id']}/merge", expected_hash="0" * 64)
    assert error(refused) == (409, "document_moved")
    assert refused.json()["details"]["current_hash"] == hashlib.sha256(before).hexdigest()
    assert workspace.bytes("report.ipynb") == before
    merge(person, proposal, expected_hash=hashlib.sha256(before).hexdigest())


@pytest.mark.parametrize("word", ["accept", "reject"])
@pytest.mark.requirement("MERGE-6")
def test_one_hunk_of_a_change_is_accepted(agent: Client, person: Client, workspace: Workspace, word: str) -> None:
    path = workspace.write("long.ipynb", code("long", LONG))
    wanted = LONG.replace("line_1 = 1\n", "line_1 = 'first'\n").replace("line_9 = 9", "line_9 = 'second'")
    proposal = propose(agent, path, replace("long", wanted))
    first, second = (hunk["hunk_id"] for hunk in proposal["changes"][0]["hunks"])
    review(person, proposal, {"long": {"decision": word, "hunks": {first: "accept", second: "reject"}}})
    merge(person, proposal)
    assert workspace.sources("long.ipynb") == {"long": LONG.replace("line_1 = 1\n", "line_1 = 'first'\n")}
    assert first != second


@pytest.mark.requirement("MERGE-6")
def test_words_about_hunks_are_kept_while_the_change_is_undecided(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    path = workspace.write("long.ipynb", code("long", LONG))
    wanted = LONG.replace("line_1 = 1\n", "line_1 = 'first'\n").replace("line_9 = 9", "line_9 = 'second'")
    proposal = propose(agent, path, replace("long", wanted))
    first, second = (hunk["hunk_id"] for hunk in proposal["changes"][0]["hunks"])
    review(person, proposal, {"long": {"decision": "undecided", "hunks": {first: "accept"}}})
    listed = person.get("proposals", path=path).json()["items"]
    assert [each["changes_decided"] for each in listed] == [0]

    merged = merge(person, proposal)

    assert (merged["state"], states(merged)) == ("open", {"long": "pending"})
    assert workspace.sources("long.ipynb") == {"long": LONG.replace("line_1 = 1\n", "line_1 = 'first'\n")}
    review(person, proposal, {"long": {"decision": "accept", "hunks": {first: "accept", second: "accept"}}})
    assert merge(person, proposal)["state"] == "merged"
    assert workspace.sources("long.ipynb") == {"long": wanted}


@pytest.mark.requirement("MERGE-6")
def test_a_person_puts_another_text_in_place_of_the_proposed_one(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    proposal = propose(agent, path, replace("plot", "print('agent')"))
    review(person, proposal, {"plot": {"decision": "accept", "text": "print('we')"}})
    merge(person, proposal)
    assert workspace.sources("report.ipynb")["plot"] == "print('we')"


@pytest.mark.requirement("MERGE-4")
def test_a_deleted_document_is_told_and_not_made_again(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    proposal = propose(agent, path, replace("plot", "1"))
    (workspace.folder / "report.ipynb").unlink()
    review(person, proposal, verdict="accept")
    assert person.get(f"proposals/{proposal['proposal_id']}").json()["document_missing"] is True
    assert error(person.post(f"proposals/{proposal['proposal_id']}/merge")) == (404, "document_missing")
    assert workspace.tree() == {}


@pytest.mark.requirement("API-2")
def test_a_repeated_merge_request_with_the_same_key_writes_once(
    agent: Client, person: Client, workspace: Workspace, path: str
) -> None:
    proposal = propose(agent, path, replace("plot", "1"))
    review(person, proposal, verdict="accept")
    first = person.post(f"proposals/{proposal['proposal_id']}/merge", key=proposal["proposal_id"])
    second = person.post(f"proposals/{proposal['proposal_id']}/merge", key=proposal["proposal_id"])
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()


@pytest.mark.requirement("API-3")
def test_proposals_are_listed_by_state_and_path(agent: Client, person: Client, path: str) -> None:
    kept = propose(agent, path, replace("plot", "1"))
    withdrawn = propose(agent, path, replace("plot", "2"))
    agent.post(f"proposals/{withdrawn['proposal_id']}/withdraw")
    listed = person.request("GET", "/hermes/api/proposals", params={"path": path, "state": "open"}).json()
    assert [item["proposal_id"] for item in listed["items"]] == [kept["proposal_id"]]
    assert (listed["items"][0]["changes_total"], listed["items"][0]["evidence"]) == (1, "none")


@pytest.mark.requirement("AUTH-3")
def test_comparing_does_not_show_what_a_token_may_not_read(
    agent: Client, issue_agent: Callable[..., Client], path: str
) -> None:
    proposal = propose(agent, path, replace("plot", "1"))
    run = agent.wait_until_ended(agent.post("runs", input_path=path))
    reader = issue_agent(scopes=["notebooks:read"])
    for side in ({"run_id": run["run_id"]}, {"proposal_id": proposal["proposal_id"]}):
        refused = reader.post("diffs", base={"path": path}, remote=side)
        assert error(refused) == (403, "missing_scope")


@pytest.mark.requirement("DIFF-1")
def test_any_two_notebooks_are_compared(agent: Client, workspace: Workspace, path: str) -> None:
    proposal = propose(agent, path, replace("plot", "print('better')"))
    run = agent.wait_until_ended(agent.post("runs", input_path=path))
    inline = read(agent, path)["notebook"]
    inline["cells"] = inline["cells"][1:]

    def compare(base: dict[str, object], remote: dict[str, object]) -> list[tuple[str, str]]:
        answer = agent.post("diffs", base=base, remote=remote, outputs=False, metadata=False, details=False)
        assert answer.status_code == 200, answer.text
        return [(change["kind"], change["change_id"]) for change in answer.json()["changes"]]

    assert compare({"path": path}, {"proposal_id": proposal["proposal_id"]}) == [("modify", "plot")]
    assert compare({"path": path}, {"notebook": inline}) == [("delete", "title")]
    assert compare({"path": path}, {"run_id": run["run_id"]}) == []
    assert compare({"proposal_id": proposal["proposal_id"]}, {"path": path}) == [("modify", "plot")]
