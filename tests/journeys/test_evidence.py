"""Journey 2, the evidence: base and proposal are run with the same parameters and compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.clients import Client, Json, error
from tests.conftest import StartServer
from tests.journeys.proposing import propose, read, replace, review
from tests.sandboxes import needs_sandbox
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

PARAMETERS = code("params", "factor = 1", tags=["parameters"])
GLUE = code("glue", "import scrapbook as sb\nsb.glue('score', factor * 10)\nsb.glue('kept', 'same')")
BETTER = "import scrapbook as sb\nsb.glue('score', factor * 20)\nsb.glue('kept', 'same')\nsb.glue('new', 1)"


@pytest.fixture
def server(allowing_server: Server) -> Server:
    return allowing_server


@pytest.mark.requirement("EVID-1")
def test_base_and_proposal_run_with_the_same_parameters_and_their_scraps_are_compared(
    agent: Client, workspace: Workspace
) -> None:
    writes = code("writes", "open('written.txt', 'w').write(open('input.txt').read())")
    path = workspace.write("report.ipynb", PARAMETERS, writes, GLUE)
    (workspace.folder / "input.txt").write_text("beside the notebook")
    before = workspace.tree()
    proposal = propose(agent, path, replace("glue", BETTER))

    asked = agent.post("evidence", proposal_id=proposal["proposal_id"], parameters={"factor": 3})
    assert (asked.status_code, asked.json()["awaiting_approval"]) == (202, False)
    evidence = agent.wait_until_ended(asked)

    assert (evidence["state"], evidence["verdict"], evidence["stale"]) == ("completed", "green", False)
    scraps = {scrap["name"]: (scrap["change"], scrap["before"], scrap["after"]) for scrap in evidence["scraps"]}
    assert scraps == {
        "score": ("changed", 30, 60),
        "kept": ("same", "same", "same"),
        "new": ("added", None, 1),
    }
    assert evidence["base"]["result"]["status"] == evidence["proposal"]["result"]["status"] == "success"
    assert evidence["environment"]["packages"]["papermill"]
    assert workspace.tree() == before
    shown = agent.get(f"proposals/{proposal['proposal_id']}").json()
    assert [each["evidence_id"] for each in shown["evidence"]] == [evidence["evidence_id"]]
    output = agent.get(f"runs/{evidence['proposal']['run_id']}/notebook").json()
    assert output["notebook"]["cells"]


@pytest.mark.requirement("EVID-1")
def test_a_parameter_that_neither_notebook_declares_is_refused(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", PARAMETERS, GLUE)
    both = propose(agent, path, replace("params", "factor = added = 1"))

    refused = agent.post("evidence", proposal_id=both["proposal_id"], parameters={"factr": 2})
    assert error(refused) == (400, "unknown_parameter")
    assert refused.json()["details"]["field"] == "parameters.factr"

    for asked in ({"parameters": {"added": 2}}, {"parameters": {"factr": 2}, "allow_unknown": True}):
        started = agent.post("evidence", proposal_id=both["proposal_id"], **asked)
        assert started.status_code == 202
        assert agent.wait_until_ended(started)["verdict"] == "green"


@pytest.mark.requirement("EVID-3")
def test_a_proposal_that_does_not_run_has_red_evidence(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", PARAMETERS, code("last", "print(1)"))
    proposal = propose(agent, path, replace("last", "1 / 0"))
    evidence = agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"]))
    assert (evidence["state"], evidence["verdict"]) == ("completed", "red")
    assert evidence["proposal"]["result"]["failed_cell"]["cell_id"] == "last"
    assert evidence["base"]["result"]["status"] == "success"


@pytest.mark.requirement("EVID-1")
def test_evidence_of_a_new_notebook_has_no_base(agent: Client, workspace: Workspace) -> None:
    cells = [code("only", "print(1)")]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path = workspace.path("new.ipynb")
    proposal = agent.post("proposals", path=path, base_hash=None, title="New", notebook=notebook).json()
    evidence = agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"]))
    assert (evidence["verdict"], evidence["base"]) == ("green", None)


@pytest.mark.requirement("EVID-4")
def test_evidence_is_stale_when_the_document_moved(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("only", "print(1)"))
    proposal = propose(agent, path, replace("only", "print(2)"))
    evidence = agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"]))
    workspace.write("report.ipynb", code("only", "print(1)"), code("mine", "print(3)"))
    assert agent.get(f"evidence/{evidence['evidence_id']}").json()["stale"] is True


@pytest.mark.requirement("EVID-2")
class TestWhereThePolicyAsks:
    @pytest.fixture
    def server(self, asking_server: Server) -> Server:
        return asking_server

    def test_what_an_agent_wrote_waits_for_a_person(self, agent: Client, person: Client, workspace: Workspace) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        marks = f"open({str(workspace.folder / 'executed')!r}, 'w').close()"
        proposal = propose(agent, path, replace("only", marks))
        evidence = agent.post("evidence", proposal_id=proposal["proposal_id"]).json()
        assert (evidence["state"], evidence["awaiting_approval"]) == ("pending", True)
        listed = person.get("proposals", path=path).json()["items"]
        assert [proposal["evidence"] for proposal in listed] == ["awaiting_approval"]
        decision = f"evidence/{evidence['evidence_id']}/decision"
        assert error(agent.post(decision, decision="allow")) == (403, "missing_scope")
        assert not (workspace.folder / "executed").exists()

        assert person.post(decision, decision="allow").status_code == 200

        assert agent.wait_until_ended(evidence)["verdict"] == "green"
        assert (workspace.folder / "executed").exists()
        assert error(person.post(decision, decision="allow")) == (409, "illegal_transition")

    def test_a_person_is_asked_one_question_at_a_time(self, agent: Client, workspace: Workspace) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        asked = {"proposal_id": propose(agent, path, replace("only", "print(2)"))["proposal_id"]}
        assert agent.post("evidence", asked).status_code == 202
        assert error(agent.post("evidence", asked)) == (409, "evidence_waits")

    def test_nothing_of_a_withdrawn_proposal_is_executed(
        self, agent: Client, person: Client, workspace: Workspace
    ) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        proposal = propose(agent, path, replace("only", "print(2)"))
        evidence = agent.post("evidence", proposal_id=proposal["proposal_id"]).json()
        agent.post(f"proposals/{proposal['proposal_id']}/withdraw")
        late = person.post(f"evidence/{evidence['evidence_id']}/decision", decision="allow")
        assert error(late) == (409, "illegal_transition")

    def test_what_a_person_denied_is_not_executed(self, agent: Client, person: Client, workspace: Workspace) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        proposal = propose(agent, path, replace("only", "print(2)"))
        evidence = agent.post("evidence", proposal_id=proposal["proposal_id"]).json()
        denied = person.post(f"evidence/{evidence['evidence_id']}/decision", decision="deny").json()
        assert (denied["state"], denied["verdict"]) == ("failed", None)
        assert "did not let it run" in denied["message"]

    def test_a_persons_own_evidence_runs_at_once(self, agent: Client, person: Client, workspace: Workspace) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        proposal = propose(agent, path, replace("only", "print(2)"))
        asked = person.post("evidence", proposal_id=proposal["proposal_id"])
        assert person.wait_until_ended(asked)["verdict"] == "green"

    def test_a_closed_proposal_gets_no_evidence(self, agent: Client, person: Client, workspace: Workspace) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        proposal = propose(agent, path, replace("only", "print(2)"))
        review(person, proposal, verdict="reject")
        refused = agent.post("evidence", proposal_id=proposal["proposal_id"])
        assert error(refused) == (409, "illegal_transition")


@pytest.mark.requirement("BOX-4")
@needs_sandbox
class TestWhereThePolicySandboxes:
    @pytest.fixture
    def server(self, sandboxing_server: Server) -> Server:
        return sandboxing_server

    @pytest.fixture
    def proposal(self, agent: Client, workspace: Workspace) -> Json:
        """Writes a file beside the original notebook, by its absolute path."""
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        return propose(agent, path, replace("only", f"open({str(workspace.folder / 'executed')!r}, 'w').close()"))

    def test_what_an_agent_wrote_runs_at_once_and_reaches_nothing(
        self, agent: Client, proposal: Json, workspace: Workspace
    ) -> None:
        evidence = agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"]))
        assert (evidence["sandboxed"], evidence["verdict"]) == (True, "red")
        assert evidence["proposal"]["result"]["failed_cell"]["ename"] == "FileNotFoundError"
        assert not (workspace.folder / "executed").exists()

    def test_whoever_asks(self, person: Client, proposal: Json) -> None:
        evidence = person.wait_until_ended(person.post("evidence", proposal_id=proposal["proposal_id"]))
        assert (evidence["sandboxed"], evidence["verdict"]) == (True, "red")

    def test_only_a_person_may_have_it_run_outside(
        self, agent: Client, person: Client, proposal: Json, workspace: Workspace
    ) -> None:
        asked = {"proposal_id": proposal["proposal_id"], "sandbox": False}
        assert error(agent.post("evidence", asked)) == (403, "only_people_leave_sandbox")
        assert not (workspace.folder / "executed").exists()
        evidence = person.wait_until_ended(person.post("evidence", asked))
        assert (evidence["sandboxed"], evidence["verdict"]) == (False, "green")
        assert (workspace.folder / "executed").exists()

    def test_hidden_files_and_what_the_server_keeps_for_itself_are_not_in_its_copy_of_the_folder(
        self, agent: Client, server: Server, workspace: Workspace
    ) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        (workspace.folder / ".env").write_text("KEY=secret")
        (workspace.folder / "runtime").symlink_to(server.home / "runtime")
        (workspace.folder / "input.txt").write_text("beside the notebook")
        source = "import os; assert sorted(os.listdir()) == ['input.txt', 'report.ipynb'], os.listdir()"
        proposal = propose(agent, path, replace("only", source))
        evidence = agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"]))
        assert (evidence["sandboxed"], evidence["verdict"]) == (True, "green"), evidence["proposal"]

    def test_what_a_person_wrote_runs_as_that_person(self, person: Client, workspace: Workspace) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        proposal = propose(person, path, replace("only", "print(2)"))
        assert person.post("evidence", proposal_id=proposal["proposal_id"]).json()["sandboxed"] is False


@pytest.mark.requirement("BOX-4")
@needs_sandbox
def test_the_sandbox_can_be_asked_for_where_it_is_not_the_policy(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("only", "print(1)"))
    proposal = propose(agent, path, replace("only", "import getpass; assert getpass.getuser() == 'sandbox'"))
    evidence = agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"], sandbox=True))
    assert (evidence["sandboxed"], evidence["verdict"]) == (True, "green")


@pytest.mark.requirement("BOX-4")
class TestWhereThereIsNoSandbox:
    @pytest.fixture
    def start_without(
        self, new_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., Server]:
        """Start servers that find no bubblewrap."""
        monkeypatch.setenv("PATH", str(tmp_path))
        return new_server

    def asked(self, server: Server, clients: Callable[..., Client]) -> requests.Response:
        """What an agent is answered who asks for evidence."""
        person = clients(server.url, server.token, "token")
        agent = clients(server.url, person.post("agents", name="agent").json()["token"])
        path = Workspace(server.root, server.root / "work").write("report.ipynb", code("only", "print(1)"))
        return agent.post("evidence", proposal_id=propose(agent, path, replace("only", "print(2)"))["proposal_id"])

    def test_what_an_agent_wrote_waits_for_a_person(
        self, start_without: Callable[..., Server], clients: Callable[..., Client]
    ) -> None:
        evidence = self.asked(start_without(), clients).json()
        assert (evidence["awaiting_approval"], evidence["sandboxed"]) == (True, False)

    def test_it_is_refused_where_the_policy_is_the_sandbox(
        self, start_without: Callable[..., Server], clients: Callable[..., Client]
    ) -> None:
        refused = self.asked(start_without(agent_execution="sandbox"), clients)
        assert error(refused) == (503, "sandbox_unavailable")
        assert "install the package `bubblewrap`" in refused.json()["message"]


@pytest.mark.requirement("EVID-5")
class TestWhereThePolicyDenies:
    @pytest.fixture
    def server(self, start_server: StartServer) -> Server:
        return start_server(agent_execution="deny")

    def test_an_agent_gets_no_evidence_and_still_proposes(self, agent: Client, workspace: Workspace) -> None:
        path = workspace.write("report.ipynb", code("only", "print(1)"))
        proposal = propose(agent, path, replace("only", "print(2)"))
        refused = agent.post("evidence", proposal_id=proposal["proposal_id"])
        assert error(refused) == (403, "agent_execution_denied")
        assert read(agent, path)["hash"] == proposal["base_hash"]


@pytest.mark.requirement("EVID-1")
def test_a_new_notebook_in_a_new_folder_and_links_that_lead_nowhere_are_no_obstacle(
    agent: Client, workspace: Workspace
) -> None:
    notebook = {"cells": [code("only", "print(1)")], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (workspace.folder / "loop").symlink_to("loop")
    for name in ("new.ipynb", "not/yet/there.ipynb"):
        asked = agent.post("proposals", path=workspace.path(name), base_hash=None, title="New", notebook=notebook)
        evidence = agent.wait_until_ended(agent.post("evidence", proposal_id=asked.json()["proposal_id"]))
        assert (evidence["state"], evidence["verdict"]) == ("completed", "green"), evidence["message"]


@pytest.mark.requirement("EVID-6")
def test_tools_called_while_evidence_is_made_see_the_scratch_copy_alone(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("only", "print(1)"))
    (workspace.folder / "input.txt").write_text("beside the notebook")
    original = workspace.folder / "input.txt"
    asks = [
        "import hermes_runtime as hermes",
        "assert 'beside' in hermes.read_file('input.txt')['content']",
        f"assert 'leads out of' in hermes.read_file({str(original)!r})['error']",
    ]
    proposal = propose(agent, path, replace("only", "\n".join(asks)))
    evidence = agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"]))
    assert (evidence["verdict"], evidence["proposal"]["result"]["failed_cell"]) == ("green", None)
