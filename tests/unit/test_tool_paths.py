"""The path gate: what leads out of the root is refused, however it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_lab.engines.paths import Root
from hermes_lab.model.errors import InvalidRequest

pytestmark = pytest.mark.requirement("TOOL-1")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "root-secrets"  # begins with the name of the root
    folder.mkdir()
    (folder / "key.txt").write_text("secret")
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Root:
    folder = tmp_path / "root"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "data.txt").write_text("data")
    (folder / "link.txt").symlink_to(outside / "key.txt")
    (folder / "linked").symlink_to(outside)
    (folder / "inner.txt").symlink_to(folder / "data.txt")
    return Root(folder, closed=[folder / "runtime"])


@pytest.mark.parametrize(
    "path",
    [
        "../root-secrets/key.txt",
        "notebooks/../../root-secrets/key.txt",
        "link.txt",
        "linked/key.txt",
        "linked/not-there-yet.txt",
        "..",
        "/etc/passwd",
        "/proc/self/root/etc/passwd",
    ],
)
def test_a_path_that_leads_out_of_the_root_is_refused(root: Root, path: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        root.resolve(path, "input_path")
    assert refusal.value.code == "path_outside_root"
    assert refusal.value.details["field"] == "input_path"


def test_an_absolute_path_of_a_sibling_with_the_same_prefix_is_refused(root: Root, outside: Path) -> None:
    with pytest.raises(InvalidRequest, match="leads out of the root"):
        root.resolve(outside / "key.txt")


def test_a_nul_character_is_refused_before_the_operating_system_sees_it(root: Root) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        root.resolve("data.txt\0.ipynb")
    assert refusal.value.code == "invalid_path"


def test_a_closed_folder_inside_the_root_stays_shut(root: Root) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        root.resolve("notebooks/../runtime/jpserver-1.json")
    assert refusal.value.code == "path_closed"


@pytest.mark.parametrize("path", ["data.txt", "notebooks/../data.txt", "inner.txt", "./data.txt"])
def test_a_path_inside_the_root_resolves_to_the_real_file(root: Root, path: str) -> None:
    assert root.resolve(path) == root.folder / "data.txt"


def test_a_relative_path_can_start_at_another_folder(root: Root) -> None:
    assert root.resolve("../data.txt", within=root.folder / "notebooks") == root.folder / "data.txt"


def test_a_root_that_is_reached_through_a_symlink_is_the_folder_behind_it(root: Root, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(root.folder)
    assert Root(alias).resolve(alias / "data.txt") == root.folder / "data.txt"


def test_the_api_path_is_relative_to_the_root(root: Root) -> None:
    assert root.api_path(root.folder / "notebooks" / "a.ipynb") == "notebooks/a.ipynb"
    assert root.api_path(root.folder) == ""
