"""What runs as evidence writes, deletes and chmods as it likes, and the original folder stays as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import Client, Json, error
from tests.conftest import StartServer
from tests.journeys.proposing import propose, replace
from tests.sandboxes import needs_sandbox
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("EVID-12")

VANDAL = """
import os, shutil
from pathlib import Path
assert Path('read.txt').read_text() == 'as it was'
assert Path('linked', 'shared.txt').read_text() == 'outside'
for file in ('read.txt', 'link.txt', 'hard.txt', 'linked/shared.txt', 'report.ipynb'):
    Path(file).write_text('vandalised')
    Path(file).chmod(0o777)
Path('deep/er/file.txt').unlink()
Path('linked/new.txt').touch()
shutil.rmtree('doomed')
Path('made').mkdir()
Path('made/file').touch(0)
os.chmod('made', 0)
os.symlink('/', 'root')
os.rename('deep', 'renamed')
os.chmod('.', 0o500)
"""


@pytest.fixture(params=["outside", pytest.param("sandbox", marks=needs_sandbox)])
def server(request: pytest.FixtureRequest) -> Server:
    name = "sandboxing_server" if request.param == "sandbox" else "allowing_server"
    found: Server = request.getfixturevalue(name)
    return found


def evidence_of(agent: Client, workspace: Workspace, source: str, **asked: object) -> Json:
    """Evidence of a cell that is proposed with this source."""
    path = workspace.write("report.ipynb", code("only", "print(1)"))
    proposal = propose(agent, path, replace("only", source))
    return agent.wait_until_ended(agent.post("evidence", proposal_id=proposal["proposal_id"], **asked))


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Path -> mode, time of the last change of whatever kind, and bytes."""
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_ctime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted((folder, *folder.rglob("*")))
    }


def test_the_original_is_never_written(agent: Client, server: Server, workspace: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    for path in (outside, workspace.folder / "deep" / "er", workspace.folder / "doomed"):
        path.mkdir(parents=True)
    (outside / "shared.txt").write_text("outside")
    (workspace.folder / "read.txt").write_text("as it was")
    (workspace.folder / "deep" / "er" / "file.txt").write_text("deep")
    (workspace.folder / "doomed" / "file.txt").write_text("doomed")
    (workspace.folder / "hard.txt").hardlink_to(workspace.folder / "read.txt")
    (workspace.folder / "link.txt").symlink_to("read.txt")
    (workspace.folder / "linked").symlink_to(outside)
    path = workspace.write("report.ipynb", code("only", "print(1)"))
    proposal = propose(agent, path, replace("only", VANDAL))
    before = state(workspace.folder), state(outside)

    asked = agent.post("evidence", proposal_id=proposal["proposal_id"], repeat_base=True)
    evidence = agent.wait_until_ended(asked)

    assert evidence["verdict"] == "green", evidence["proposal"]["result"]
    assert (state(workspace.folder), state(outside)) == before
    agent.wait_until(f"evidence/{evidence['evidence_id']}", lambda _: not scratch_folders(server))


def scratch_folders(server: Server) -> list[str]:
    """What is left of scratch copies."""
    return [left.name for folder in server.home.rglob("evidence") if folder.is_dir() for left in folder.iterdir()]


def test_a_list_of_patterns_says_what_is_copied(agent: Client, workspace: Workspace) -> None:
    for name in ("data/a.csv", "data/b.txt", "big.bin", "module.py"):
        (workspace.folder / name).parent.mkdir(exist_ok=True)
        (workspace.folder / name).write_text("x = 1")
    lists = "import os; print(sorted(os.path.join(at, name) for at, _, names in os.walk('.') for name in names))"
    evidence = evidence_of(agent, workspace, lists, include=["data/*.csv", "*.py", "*.json"])
    assert evidence["include"] == ["data/*.csv", "*.py", "*.json"]
    assert evidence["notes"] == ["Nothing is meant by: *.json."]
    notebook = agent.get(f"runs/{evidence['proposal']['run_id']}/notebook").json()["notebook"]
    assert notebook["cells"][0]["outputs"][0]["text"] == "['./data/a.csv', './module.py', './report.ipynb']\n"


@pytest.mark.parametrize("pattern", ["/etc/*", "../*", "data/../../x", "", "a\\b", "x\0"])
def test_a_pattern_that_leads_out_of_the_folder_is_refused(agent: Client, workspace: Workspace, pattern: str) -> None:
    proposal = propose(agent, workspace.write("report.ipynb", code("only")), replace("only", "1"))
    refused = agent.post("evidence", proposal_id=proposal["proposal_id"], include=["*.csv", pattern])
    assert (error(refused), refused.json()["details"]["field"]) == ((400, "invalid_request"), "include.1")


def test_what_the_copies_lack_is_said(agent: Client, workspace: Workspace) -> None:
    os.mkfifo(workspace.folder / "pipe")
    evidence = evidence_of(agent, workspace, "import os; assert os.listdir() == ['report.ipynb']")
    assert evidence["verdict"] == "green", evidence["proposal"]["result"]
    assert evidence["notes"] == ["Not in the scratch copies, for they are sockets, pipes or devices: pipe."]


def test_a_folder_that_is_too_large_is_said_with_a_way_out(
    new_server: StartServer, clients: Callable[..., Client]
) -> None:
    server = new_server(agent_execution="allow", evidence_copy_limit_bytes=100_000)
    person = clients(server.url, server.token, "token")
    workspace = Workspace(server.root, server.root / "work")
    (workspace.folder / "large.bin").write_bytes(os.urandom(200_000))
    evidence = evidence_of(person, workspace, "print(2)")
    assert (evidence["state"], evidence["base"], evidence["proposal"]) == ("failed", None, None)
    assert "`include`" in evidence["message"]
    assert evidence_of(person, workspace, "print(2)", include=["*.csv"])["verdict"] == "green"
