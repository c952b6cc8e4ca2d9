"""Journey 1: a notebook is run with parameters, and its output is on disk whatever happened."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients import Client, error
from tests.run_requests import is_alive
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code, markdown

NUMBER = code("number", "n = 1", tags=["parameters"])
WAIT_FOR_GO = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)"


def output_of(server: Server, run: dict[str, Any]) -> dict[str, Any]:
    """The run's output notebook, from the disk."""
    found: dict[str, Any] = json.loads((server.root / run["output_path"]).read_text())
    return found


def states_of(notebook: dict[str, Any]) -> dict[str, str]:
    """Cell id -> what the output notebook says became of the cell."""
    return {
        cell["id"]: cell["metadata"]["hermes"]["status"] for cell in notebook["cells"] if "hermes" in cell["metadata"]
    }


@pytest.mark.requirement("RUN-1", "RUN-2", "RUN-7")
def test_an_agent_runs_a_notebook_with_parameters(agent: Client, server: Server, workspace: Workspace) -> None:
    glue = code("glue", "import scrapbook as sb\nsb.glue('double', n * 2)")
    path = workspace.write("report.ipynb", markdown("title", "# Report"), NUMBER, glue)
    before = workspace.bytes("report.ipynb")

    created = agent.post("runs", input_path=path, parameters={"n": 21})
    assert created.status_code == 202
    assert created.headers["Location"] == f"/hermes/api/runs/{created.json()['run_id']}"
    run = agent.wait_until_ended(created)

    assert (run["state"], run["cause"], run["parameters"]) == ("completed", None, {"n": 21})
    assert run["progress"] == {"cells_total": 2, "cells_done": 2}
    result = run["result"]
    assert result["duration_seconds"] > 0
    del result["duration_seconds"]
    assert result == {"status": "success", "cells_executed": 2, "failed_cell": None, "scraps": {"double": 42}}
    assert run["output_path"] == f"runs/report/{run['run_id']}.ipynb"
    injected = next(cell for cell in output_of(server, run)["cells"] if cell["id"] == "injected-parameters")
    assert "n = 21" in "".join(injected["source"])
    assert workspace.bytes("report.ipynb") == before


@pytest.mark.requirement("RUN-2", "RUN-3", "RUN-7")
def test_a_failed_cell_is_named_by_its_place_in_the_input(agent: Client, server: Server, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", NUMBER, code("divides", "1 / (n - 2)"), code("after", "print('never')"))
    run = agent.wait_until_ended(agent.post("runs", input_path=path, parameters={"n": 2}))

    assert (run["state"], run["cause"]) == ("failed", "cell_error")
    assert (run["result"]["status"], run["result"]["cells_executed"]) == ("error", 2)
    failed = run["result"]["failed_cell"]
    assert (failed["index"], failed["cell_id"], failed["source"]) == (1, "divides", "1 / (n - 2)")
    assert (failed["ename"], failed["evalue"]) == ("ZeroDivisionError", "division by zero")
    states = states_of(output_of(server, run))
    assert (states["divides"], states["after"]) == ("failed", "not_run")


@pytest.mark.requirement("RUN-4", "RUN-7")
def test_a_dead_kernel_ends_the_run_and_nothing_after_it_is_called_completed(
    agent: Client, server: Server, workspace: Workspace
) -> None:
    dies = code("dies", "import os\nprint('last words', flush=True)\nos._exit(1)")
    path = workspace.write("report.ipynb", NUMBER, dies, code("after", "print('never')"))
    run = agent.wait_until_ended(agent.post("runs", input_path=path))

    assert (run["state"], run["cause"]) == ("failed", "kernel_died")
    assert run["result"]["failed_cell"]["ename"] == "KernelDied"
    assert run["result"]["failed_cell"]["index"] == 1
    output = output_of(server, run)
    assert (states_of(output)["dies"], states_of(output)["after"]) == ("died", "not_run")
    cells = {cell["id"]: cell["metadata"] for cell in output["cells"] if "papermill" in cell["metadata"]}
    status = {cell_id: metadata["papermill"]["status"] for cell_id, metadata in cells.items()}
    assert (status["number"], status["dies"], status["after"]) == ("completed", "failed", "pending")


@pytest.mark.requirement("RUN-5")
def test_a_run_that_takes_too_long_is_ended(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("waits", WAIT_FOR_GO))
    run = agent.wait_until_ended(agent.post("runs", input_path=path, timeout_seconds=8))  # its start counts

    assert (run["state"], run["cause"]) == ("failed", "timed_out")
    assert run["result"]["failed_cell"]["ename"] == "CellTimeout"
    assert run["result"]["failed_cell"]["cell_id"] == "waits"


@pytest.mark.requirement("RUN-6")
def test_cancelling_a_run_ends_everything_that_its_kernel_started(agent: Client, workspace: Workspace) -> None:
    starts = "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
    tells = "open('children', 'w').write(f'{os.getpid()} {child.pid}')\n"
    path = workspace.write("report.ipynb", code("starts", f"import os\n{starts}{tells}"), code("waits", WAIT_FOR_GO))
    run = agent.post("runs", input_path=path).json()
    agent.wait_until(f"runs/{run['run_id']}", lambda now: now["progress"]["cells_done"] == 1)
    processes = [int(number) for number in workspace.bytes("children").split()]
    assert all(map(is_alive, processes))

    agent.post(f"runs/{run['run_id']}/cancel")
    ended = agent.wait_until_ended(run)

    assert (ended["state"], ended["result"]["status"]) == ("cancelled", "error")
    assert not any(map(is_alive, processes))


@pytest.mark.requirement("RUN-8")
def test_an_output_that_exists_is_replaced_only_when_asked(person: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", NUMBER)
    mine = workspace.write("mine.ipynb", markdown("note", "precious"))
    before = workspace.bytes("mine.ipynb")

    refused = person.post("runs", input_path=path, output_path=mine)
    assert error(refused) == (409, "output_exists")
    assert workspace.bytes("mine.ipynb") == before

    run = person.wait_until_ended(person.post("runs", input_path=path, output_path=mine, overwrite=True))
    assert (run["state"], run["output_path"]) == ("completed", mine)
    assert "number" in workspace.sources("mine.ipynb")


@pytest.mark.requirement("RUN-8")
def test_an_agent_never_replaces_what_a_person_wrote(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", NUMBER)
    mine = workspace.write("mine.ipynb", markdown("note", "precious"))
    refused = agent.post("runs", input_path=path, output_path=mine, overwrite=True)
    assert error(refused) == (409, "output_exists")
    assert workspace.sources("mine.ipynb") == {"note": "precious"}


@pytest.mark.requirement("RUN-8", "RUN-24")
def test_a_document_that_a_person_saves_at_the_output_path_meanwhile_stays_and_the_output_is_beside_it(
    agent: Client, workspace: Workspace
) -> None:
    path = workspace.write("report.ipynb", NUMBER, code("waits", WAIT_FOR_GO), code("last", "print('done')"))
    run = agent.post("runs", input_path=path, output_path=workspace.path("out.ipynb")).json()
    agent.wait_until(f"runs/{run['run_id']}", lambda now: now["progress"]["cells_done"] == 1)
    workspace.write("out.ipynb", markdown("note", "precious"))
    precious = workspace.bytes("out.ipynb")
    (workspace.folder / "go").touch()

    ended = agent.wait_until_ended(run)

    beside = f"out (run {run['run_id'][:8]}).ipynb"
    assert (ended["state"], ended["cause"], ended["output_path"]) == ("completed", None, workspace.path(beside))
    assert beside in ended["message"]
    assert workspace.bytes("out.ipynb") == precious
    assert ended["output_hash"] == hashlib.sha256(workspace.bytes(beside)).hexdigest()
    written = agent.get(f"runs/{run['run_id']}/notebook").json()
    assert (written["path"], written["notebook"]["metadata"]) == (
        ended["output_path"],
        workspace.read(beside)["metadata"],
    )
    assert [cell["metadata"]["hermes"]["status"] for cell in written["notebook"]["cells"]] == ["completed"] * 3
    record = agent.get(f"runs/{run['run_id']}/record").json()
    assert (record["output_path"], record["output_hash"]) == (ended["output_path"], ended["output_hash"])
    assert {file.name for file in workspace.folder.glob("out*")} == {"out.ipynb", beside}


@pytest.mark.requirement("RUN-24")
def test_the_output_of_a_run_is_read_beside_while_the_run_goes_on(
    agent: Client, clients: Callable[..., Client], server: Server, workspace: Workspace
) -> None:
    prints = "import time\nwhile not os.path.exists('go'):\n    print('.', flush=True)\n    time.sleep(0.05)"
    path = workspace.write("report.ipynb", code("prints", f"import os\n{prints}"))
    run = agent.post("runs", input_path=path, output_path=workspace.path("out.ipynb")).json()
    agent.wait_until(f"runs/{run['run_id']}", lambda now: now["cells"] and now["cells"][0]["state"] == "running")
    workspace.write("out.ipynb", markdown("note", "precious"))
    moved = agent.wait_until(f"runs/{run['run_id']}", lambda now: now["output_path"] != run["output_path"])
    so_far = agent.get(f"runs/{run['run_id']}/notebook").json()
    assert (so_far["path"], so_far["notebook"]["cells"][0]["id"]) == (moved["output_path"], "prints")
    again = agent.post("runs", input_path=path, output_path=workspace.path("out.ipynb"))
    assert error(again) == (409, "output_exists")
    (workspace.folder / "go").touch()
    assert agent.wait_until_ended(run)["output_path"] == moved["output_path"]


@pytest.mark.requirement("RUN-8")
@pytest.mark.parametrize("spelling", ["report.ipynb", "./report.ipynb", "x/../report.ipynb", "link.ipynb"])
def test_a_run_does_not_write_over_its_input_however_it_is_spelled(
    person: Client, workspace: Workspace, spelling: str
) -> None:
    path = workspace.write("report.ipynb", NUMBER)
    (workspace.folder / "link.ipynb").symlink_to("report.ipynb")
    output = f"{workspace.folder.name}/{spelling}"
    refused = person.post("runs", input_path=path, output_path=output, overwrite=True)
    assert error(refused) == (409, "output_is_input")


@pytest.mark.requirement("RUN-9")
def test_whoever_waits_sees_the_progress(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", NUMBER, code("waits", WAIT_FOR_GO), code("last", "print('done')"))
    run = agent.post("runs", input_path=path).json()

    underway = agent.wait_until(f"runs/{run['run_id']}", lambda now: now["progress"]["cells_done"] == 1)
    assert underway["state"] == "running"
    assert {cell["cell_id"]: cell["state"] for cell in underway["cells"]} | {"waits": ""} == {
        "number": "completed",
        "waits": "",
        "last": "not_run",
    }
    (workspace.folder / "go").touch()
    assert agent.wait_until_ended(run)["progress"]["cells_done"] == 3
    so_far = agent.get(f"runs/{run['run_id']}/notebook").json()
    assert so_far["notebook"]["cells"][-1]["outputs"][0]["text"] == "done\n"


@pytest.mark.requirement("RUN-11")
def test_an_agent_cannot_cancel_the_run_of_another(
    agent: Client, issue_agent: Callable[..., Client], workspace: Workspace
) -> None:
    path = workspace.write("report.ipynb", code("waits", WAIT_FOR_GO))
    run = agent.post("runs", input_path=path).json()
    refused = issue_agent().post(f"runs/{run['run_id']}/cancel")
    assert error(refused) == (403, "not_the_author")
    (workspace.folder / "go").touch()
    assert agent.wait_until_ended(run)["state"] == "completed"


@pytest.mark.requirement("API-2")
@pytest.mark.parametrize("place", ["header", "field"])
def test_a_repeated_request_with_the_same_key_makes_one_run(agent: Client, workspace: Workspace, place: str) -> None:
    path = workspace.write("report.ipynb", NUMBER)

    def ask(**fields: Any) -> Any:
        if place == "header":
            return agent.post("runs", input_path=path, key="once", **fields)
        return agent.post("runs", input_path=path, idempotency_key="once", **fields)

    first, second = ask(), ask()
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["run_id"] == second.json()["run_id"]
    other = ask(parameters={"n": 2})
    assert error(other) == (409, "idempotency_key_reused")
    agent.wait_until_ended(first)
    assert len(agent.get("runs", path=path).json()["items"]) == 1


@pytest.mark.requirement("API-2")
def test_a_key_belongs_to_the_agent_who_used_it(
    agent: Client, issue_agent: Callable[..., Client], workspace: Workspace
) -> None:
    path = workspace.write("report.ipynb", NUMBER)
    mine = agent.post("runs", input_path=path, key="shared").json()
    theirs = issue_agent().post("runs", input_path=path, key="shared").json()
    assert mine["run_id"] != theirs["run_id"]
    agent.wait_until_ended(mine)
    agent.wait_until_ended(theirs)


@pytest.mark.requirement("API-3")
def test_runs_are_listed_newest_first_page_by_page(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", NUMBER)
    created = [agent.post("runs", input_path=path).json()["run_id"] for _ in range(5)]
    listed, cursor = [], None
    while True:
        page = agent.get("runs", path=path, limit=2, **({"cursor": cursor} if cursor else {})).json()
        listed += [run["run_id"] for run in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == created[::-1]
    for run_id in created:
        agent.wait_until_ended({"run_id": run_id})


@pytest.mark.requirement("PARAM-1")
def test_an_agent_learns_what_a_notebook_can_be_given(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("number", "n: int = 1  # how often", tags=["parameters"]))
    told = agent.get("parameters", path=path).json()
    assert (told["path"], told["language"], told["cell_id"], told["known"]) == (path, "python", "number", True)
    (number,) = told["parameters"]
    assert (number["name"], number["type_name"], number["default_value"]) == ("n", "int", 1)
    assert number["help"] == "how often"


@pytest.mark.requirement("PARAM-2")
def test_a_parameter_that_the_notebook_does_not_declare_is_given_when_insisted_on(
    agent: Client, workspace: Workspace
) -> None:
    path = workspace.write("report.ipynb", NUMBER, code("prints", "print(m)"))
    assert error(agent.post("runs", input_path=path, parameters={"m": 7})) == (400, "unknown_parameter")
    run = agent.wait_until_ended(agent.post("runs", input_path=path, parameters={"m": 7}, allow_unknown=True))
    assert (run["state"], run["allow_unknown"]) == ("completed", True)


@pytest.mark.requirement("RUN-9")
def test_what_a_cell_has_printed_is_read_while_it_goes_on(agent: Client, workspace: Workspace) -> None:
    path = workspace.write("report.ipynb", code("waits", f"print('so far', flush=True)\n{WAIT_FOR_GO}"))
    run = agent.post("runs", input_path=path).json()
    agent.wait_until(f"runs/{run['run_id']}", lambda now: bool(now["cells"]) and now["cells"][0]["state"] == "running")
    place = f"runs/{run['run_id']}/cells/waits"
    deadline = time.monotonic() + 30
    while not (outputs := agent.get(place).json()["cell"]["outputs"]) and time.monotonic() < deadline:
        agent.get(f"runs/{run['run_id']}", wait=0.2)
    assert "".join(outputs[0]["text"]) == "so far\n"
    assert agent.get(f"runs/{run['run_id']}").json()["state"] == "running"
    (workspace.folder / "go").touch()
    agent.wait_until_ended(run)
    told = agent.get(place).json()
    assert (told["index"], told["timing"]["state"]) == (0, "completed")
    assert error(agent.get(f"runs/{run['run_id']}/cells/nowhere")) == (404, "no_such_cell")
