"""The person in the browser: sees, decides, merges, approves."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.clients import Client
from tests.journeys.proposing import propose, replace
from tests.kernels import IMPORT, WAITING, Kernel
from tests.workspaces import Workspace
from tests.written_notebooks import code, markdown

CELLS = (
    markdown("title", "# Report"),
    code("load", "rows = [1, 2, 3]"),
    code("score", "import scrapbook as sb\nsb.glue('score', sum(rows))"),
)
WAIT_FOR_GO = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)"


def section(lab: Page, name: str) -> Locator:
    """A section of the sidebar."""
    return lab.get_by_role("region", name="Hermes", exact=True).get_by_role("region", name=name)


def open_proposal(lab: Page, title: str) -> Locator:
    """Click the proposal in the sidebar; its review page."""
    section(lab, "Proposals").get_by_role("button", name=title).click()
    page = lab.get_by_role("main").locator(".jp-Hermes-review:visible")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    return page


def decide(page: Locator, word: str, cell: str) -> None:
    """Press Accept or Reject on the change that shows this text."""
    button = page.get_by_role("article").filter(has_text=cell).get_by_role("button", name=re.compile(f"^{word}: "))
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


@pytest.mark.requirement("UI-1")
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_a_person_reviews_a_proposal_that_appears_and_merges_it(
    lab: Page, agent: Client, workspace: Workspace, theme: str
) -> None:
    path = workspace.write("report.ipynb", *CELLS)
    proposal = propose(
        agent,
        path,
        replace("title", "# The report of the week"),
        replace("load", "rows = [4, 5]  # invented"),
        title=f"Clearer, in {theme}",
        rationale="The title says **when**.",
    )
    page = open_proposal(lab, f"Clearer, in {theme}")
    expect(page.get_by_text("The title says when.")).to_be_visible()

    decide(page, "Accept", "The report of the week")
    decide(page, "Reject", "invented")
    page.get_by_role("button", name=re.compile("^Merge 1 ")).click()

    expect(page.get_by_text("merged 1 change into report.ipynb; 1 rejected.")).to_be_visible()
    assert agent.get(f"proposals/{proposal['proposal_id']}").json()["state"] == "merged"
    assert workspace.sources("report.ipynb") == {
        "title": "# The report of the week",
        "load": "rows = [1, 2, 3]",
        "score": CELLS[2]["source"],
    }


@pytest.mark.requirement("UI-1", "EVID-2")
def test_a_person_lets_evidence_run_and_reads_what_changed(lab: Page, agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", *CELLS)
    proposal = propose(agent, path, replace("load", "rows = [1, 2, 30]"), title="More rows")
    agent.post("evidence", proposal_id=proposal["proposal_id"])
    page = open_proposal(lab, "More rows")
    page.get_by_role("button", name="Allow this run").click()
    evidence = page.get_by_role("region", name="Evidence")
    expect(evidence.get_by_text("Runs OK")).to_be_visible()
    expect(evidence.get_by_role("row").filter(has_text="score")).to_contain_text(re.compile("6.*33"))


@pytest.mark.requirement("UI-2")
def test_a_person_answers_a_cells_commands_on_cards(lab: Page, kernel: Kernel, workspace: Workspace) -> None:
    card = lab.get_by_role("article").filter(has_text="echo allowed > by_the_person.txt")
    cell = kernel.begin(IMPORT + "print(hermes.terminal('echo allowed > by_the_person.txt')['exit_code'])")
    kernel.until(cell, WAITING)
    expect(card).to_be_visible()
    assert not (workspace.folder / "by_the_person.txt").exists()
    card.get_by_role("button", name="Allow once").click()
    assert kernel.end(cell).stdout == "0\n"
    assert (workspace.folder / "by_the_person.txt").read_text() == "allowed\n"
    expect(card).to_have_count(0)

    other = lab.get_by_role("article").filter(has_text="echo denied > by_the_person.txt")
    cell = kernel.begin(IMPORT + "hermes.terminal('echo denied > by_the_person.txt')")
    other.get_by_role("button", name="Deny").click()
    denied = kernel.end(cell).error
    assert denied is not None
    assert denied[0] == "ToolDenied"
    assert (workspace.folder / "by_the_person.txt").read_text() == "allowed\n"


@pytest.mark.requirement("UI-3")
def test_a_person_sees_a_run_go_on_and_end(lab: Page, agent: Client, workspace: Workspace) -> None:
    path = workspace.write("watched.ipynb", code("first", "1"), code("waits", WAIT_FOR_GO))
    run = agent.post("runs", input_path=path)
    row = section(lab, "Runs").get_by_role("listitem").filter(has_text="watched.ipynb")
    expect(row).to_contain_text("1 of 2 cells")
    (workspace.folder / "go").touch()
    expect(row).to_contain_text("Completed")
    assert agent.wait_until_ended(run)["state"] == "completed"


@pytest.mark.requirement("UI-3", "RUN-6")
def test_a_person_stops_a_run(lab: Page, agent: Client, workspace: Workspace) -> None:
    run = agent.post("runs", input_path=workspace.write("stopped.ipynb", code("waits", WAIT_FOR_GO)))
    lab.get_by_role("button", name="Stop the run of stopped.ipynb").click()
    assert agent.wait_until_ended(run)["state"] == "cancelled"
    row = section(lab, "Runs").get_by_role("listitem").filter(has_text="stopped.ipynb")
    expect(row).to_contain_text("Cancelled")
