"""Saves that fail: what is in the file then decides, and it is all of the merge or nothing of it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients import Client, Json, error
from tests.conftest import StartServer
from tests.journeys.proposing import merge, propose, replace, review, states
from tests.servers import Server
from tests.workspaces import Workspace
from tests.written_notebooks import code

pytestmark = pytest.mark.requirement("MERGE-12")

# Storage of somebody else's. What the file `faults` says happens at the next saves, a word each.
FAULTY = """
import errno, os
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError

def next_fault():
    words = open("faults").read().split() if os.path.exists("faults") else []
    if words:
        with open("faults", "w") as file:
            file.write(" ".join(words[1:]))
    return words[0] if words else ""

class Storage(AsyncLargeFileManager):
    async def save(self, model, path=""):
        fault = next_fault()
        file = os.path.join(self.root_dir, path)
        if fault == "refuse":
            raise RuntimeError("the storage is gone")
        if fault == "read-only":
            raise HTTPError(403, "Permission denied")
        if fault == "full":
            raise HTTPError(500, "Unexpected error while saving") from OSError(errno.ENOSPC, "No space left on device")
        if fault == "tear":
            whole = open(file, "rb").read()
            open(file, "wb").write(whole[: len(whole) // 2])
            raise HTTPError(500, "Unexpected error while saving") from OSError(errno.ENOSPC, "No space left on device")
        saved = await super().save(model, path)
        if fault == "overwrite":
            open(file, "w").write(open("other.json").read())
        if fault == "fail-afterwards":
            raise RuntimeError("the storage is gone")
        return saved

def post_save(model, os_path, contents_manager):
    if os.path.exists("hook_fails"):
        raise ValueError("a hook of the administrator")
"""
CELLS = code("only", "print(1)"), code("other", "print(2)")
MERGED = {"only": "print('better')", "other": "print(2)"}
BEFORE = {"only": "print(1)", "other": "print(2)"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the server starts in, and imports from."""
    folder = tmp_path_factory.mktemp("storage")
    (folder / "faulty_storage.py").write_text(FAULTY)
    return folder


@pytest.fixture(scope="module")
def faulty_server(start_server: StartServer, folder: Path) -> Server:
    settings = {
        "ServerApp": {"contents_manager_class": "faulty_storage.Storage"},
        "FileContentsManager": {"post_save_hook": "faulty_storage.post_save"},
    }
    return start_server(folder, settings=settings)


@pytest.fixture
def server(faulty_server: Server, folder: Path) -> Iterator[Server]:
    yield faulty_server
    (folder / "faults").unlink(missing_ok=True)
    (folder / "hook_fails").unlink(missing_ok=True)


@pytest.fixture
def faults(folder: Path, server: Server) -> Callable[[str], object]:
    return (folder / "faults").write_text


@pytest.fixture
def accepted(agent: Client, person: Client, workspace: Workspace) -> Json:
    """A proposal of which one change is accepted."""
    proposal = propose(agent, workspace.write("report.ipynb", *CELLS), replace("only", "print('better')"))
    return review(person, proposal, {"only": "accept"})


def merge_of(proposal: Json) -> str:
    return f"proposals/{proposal['proposal_id']}/merge"


def recorded(person: Client, proposal: Json) -> list[list[str]]:
    """What the merges applied that the proposal tells of."""
    there = person.get(f"proposals/{proposal['proposal_id']}").json()
    return [each["applied"] for each in there["merges"]]


@pytest.mark.parametrize("what", ["a post-save hook", "the storage, when it had written"])
def test_a_merge_that_is_in_the_file_counts_whatever_went_wrong_after_it(
    person: Client, workspace: Workspace, folder: Path, faults: Callable[[str], object], accepted: Json, what: str
) -> None:
    if what == "a post-save hook":
        (folder / "hook_fails").touch()
    else:
        faults("fail-afterwards")
    merged = merge(person, accepted)
    assert (merged["state"], states(merged)) == ("merged", {"only": "applied"})
    assert merged["merge"]["hash"] == hashlib.sha256(workspace.bytes("report.ipynb")).hexdigest()
    assert workspace.sources("report.ipynb") == MERGED


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("refuse", (503, "not_saved")),
        ("full", (503, "disk_full")),
        ("read-only", (409, "document_read_only")),
    ],
)
def test_a_save_that_is_refused_leaves_the_file_and_the_decisions_and_can_be_repeated(
    person: Client, workspace: Workspace, faults: Callable[[str], object], accepted: Json, fault: str, answer: object
) -> None:
    before, key = workspace.bytes("report.ipynb"), accepted["proposal_id"]
    faults(fault)
    assert error(person.post(merge_of(accepted), key=key)) == answer
    assert workspace.bytes("report.ipynb") == before
    assert recorded(person, accepted) == []
    again = person.post(merge_of(accepted), key=key)
    assert (again.status_code, again.json()["state"]) == (200, "merged"), again.text
    assert workspace.sources("report.ipynb") == MERGED


def test_a_save_that_was_cut_off_is_completed_at_once(
    person: Client, workspace: Workspace, faults: Callable[[str], object], accepted: Json
) -> None:
    faults("tear")
    assert merge(person, accepted)["state"] == "merged"
    assert workspace.sources("report.ipynb") == MERGED


def test_where_it_cannot_be_completed_the_document_is_restored_byte_by_byte(
    person: Client, workspace: Workspace, faults: Callable[[str], object], accepted: Json
) -> None:
    before = workspace.bytes("report.ipynb")
    faults("tear tear")
    assert error(person.post(merge_of(accepted))) == (503, "disk_full")
    assert workspace.bytes("report.ipynb") == before
    assert recorded(person, accepted) == []


def test_where_it_can_be_neither_the_next_merge_completes_it(
    person: Client, workspace: Workspace, faults: Callable[[str], object], accepted: Json
) -> None:
    faults("tear tear tear")
    assert error(person.post(merge_of(accepted))) == (503, "document_torn")
    repaired = person.post(merge_of(accepted))
    assert error(repaired) == (409, "document_moved")
    assert repaired.json()["details"]["current_hash"] == hashlib.sha256(workspace.bytes("report.ipynb")).hexdigest()
    assert recorded(person, accepted) == [["only"]]
    assert workspace.sources("report.ipynb") == MERGED


def test_where_it_can_be_neither_the_next_start_completes_it(
    new_server: StartServer, clients: Callable[..., Client], tmp_path: Path
) -> None:
    (tmp_path / "faulty_storage.py").write_text(FAULTY)
    server = new_server(tmp_path, settings={"ServerApp": {"contents_manager_class": "faulty_storage.Storage"}})
    workspace, person = Workspace(tmp_path, tmp_path / "work"), clients(server.url, server.token, "token")
    proposal = propose(person, workspace.write("report.ipynb", *CELLS), replace("only", "print('better')"))
    review(person, proposal, {"only": "accept"})
    (tmp_path / "faults").write_text("tear tear tear")
    assert error(person.post(merge_of(proposal), key="once")) == (503, "document_torn")
    assert error(person.post(merge_of(proposal), key="once")) == (409, "idempotency_in_progress")

    server.crash()
    server.start()

    person = clients(server.url, server.token, "token")
    merged = person.post(merge_of(proposal), key="once")
    assert (merged.status_code, merged.json()["state"]) == (200, "merged"), merged.text
    assert recorded(person, proposal) == [["only"]]
    assert workspace.sources("report.ipynb") == MERGED


def test_a_merge_over_which_somebody_wrote_at_once_does_not_count(
    person: Client, workspace: Workspace, folder: Path, faults: Callable[[str], object], accepted: Json
) -> None:
    workspace.write("theirs.ipynb", *CELLS, code("theirs", "print(3)"))
    (folder / "other.json").write_bytes(workspace.bytes("theirs.ipynb"))
    faults("overwrite")
    refused = person.post(merge_of(accepted))
    assert error(refused) == (409, "document_overwritten")
    assert refused.json()["details"]["current_hash"] == hashlib.sha256(workspace.bytes("theirs.ipynb")).hexdigest()
    assert recorded(person, accepted) == []
    assert merge(person, accepted)["state"] == "merged"
    assert workspace.sources("report.ipynb") == MERGED | {"theirs": "print(3)"}


@pytest.mark.parametrize("checkpoints", ["a file in the place of their folder"])
def test_checkpoints_that_fail_do_not_undo_a_merge(
    person: Client, workspace: Workspace, accepted: Json, checkpoints: str
) -> None:
    (workspace.folder / ".ipynb_checkpoints").write_text(checkpoints)
    assert merge(person, accepted)["state"] == "merged"
    assert workspace.sources("report.ipynb") == MERGED


@pytest.fixture
def tiny_disk(folder: Path) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_on_a_full_disk_the_document_stays_as_it_was(
    agent: Client, person: Client, server: Server, tiny_disk: Path
) -> None:
    workspace = Workspace(server.root, tiny_disk / "work")
    path = workspace.write("report.ipynb", *CELLS)
    before = workspace.bytes("report.ipynb")
    proposal = propose(agent, path, replace("only", "#" * 300_000), replace("other", "#" * 300_000))
    review(person, proposal, verdict="accept")
    assert error(person.post(merge_of(proposal))) == (503, "disk_full")
    assert workspace.bytes("report.ipynb") == before
    review(person, proposal, {"other": "reject", "only": {"decision": "accept", "text": "print('better')"}})
    assert merge(person, proposal)["state"] == "merged"
    assert workspace.sources("report.ipynb") == MERGED


def test_a_read_only_disk_is_told(agent: Client, person: Client, server: Server, tiny_disk: Path) -> None:
    workspace = Workspace(server.root, tiny_disk / "work")
    proposal = propose(agent, workspace.write("report.ipynb", *CELLS), replace("only", "print('better')"))
    before = workspace.bytes("report.ipynb")
    review(person, proposal, verdict="accept")
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    assert error(person.post(merge_of(proposal))) == (409, "document_read_only")
    assert workspace.bytes("report.ipynb") == before


def test_a_new_notebook_in_a_folder_that_is_gone_is_not_made(
    agent: Client, person: Client, workspace: Workspace
) -> None:
    notebook = {"cells": list(CELLS), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    asked = {"path": workspace.path("gone/new.ipynb"), "base_hash": None, "title": "New", "notebook": notebook}
    proposal = agent.post("proposals", asked).json()
    review(person, proposal, verdict="accept")
    assert error(person.post(merge_of(proposal))) == (409, "folder_missing")
    assert workspace.tree() == {}
