"""What the docs name exists, and what exists is in the docs."""

from __future__ import annotations

import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_lab.app import HermesLab
from hermes_lab.cli.parser import parser
from hermes_lab.handlers.openapi import PREFIX
from hermes_lab.model.actors import SCOPES
from hermes_lab.operations import OPERATIONS, STREAMS
from tests.servers import CHECKOUT

pytestmark = pytest.mark.requirement("HOUSE-4")

DOCS = CHECKOUT / "docs"
PAGES = sorted([CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
OTHER_ROUTES = {"/hermes/mcp", f"{PREFIX}/openapi.json", PREFIX}
documents = pytest.mark.parametrize("document", PAGES, ids=lambda document: str(document.relative_to(CHECKOUT)))


def commands(of: ArgumentParser, prefix: str = "jupyter hermes") -> Iterator[str]:
    """Every command that does something, with the words before it."""
    groups = [action for action in of._actions if isinstance(action, _SubParsersAction)]
    if not groups:
        yield prefix
    for group in groups:
        for name, inner in group.choices.items():
            yield from commands(inner, f"{prefix} {name}")


def pattern_of(path: str) -> re.Pattern[str]:
    """Matches the path with its placeholders as the docs write them: {run_id}, <run_id> or an id."""
    return re.compile(re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(PREFIX + path)))


ROUTES = [pattern_of(operation.path) for operation in (*OPERATIONS, *STREAMS)]


def without_code_of_others(text: str) -> str:
    """Addresses of other sites are not ours to check."""
    return re.sub(r"https?://(?!127\.0\.0\.1)\S+", "", text)


@documents
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (document.parent / target).exists()] == []


@documents
def test_every_anchor_is_a_heading(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in text.splitlines()}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) - headings == set()


@documents
def test_every_route_that_is_named_exists(document: Path) -> None:
    text = without_code_of_others(document.read_text(encoding="utf-8"))
    named = {route.rstrip("/.") for route in re.findall(r"/hermes/[\w/{}<>.-]+", text)}
    unknown = {route for route in named - OTHER_ROUTES if not any(known.fullmatch(route) for known in ROUTES)}
    assert unknown == set()


@documents
def test_every_setting_that_is_named_exists(document: Path) -> None:
    named = set(re.findall(r"HermesLab\.([a-z_]+)", document.read_text(encoding="utf-8")))
    assert named - set(HermesLab.class_trait_names(config=True)) == set()


@documents
def test_every_command_that_is_named_exists(document: Path) -> None:
    known = set(commands(parser()))
    named = re.findall(r"jupyter hermes((?: [a-z]+)+)", document.read_text(encoding="utf-8"))
    whole = {f"jupyter hermes{words}" for words in named}
    assert {name for name in whole if not any(f"{name} ".startswith(f"{command} ") for command in known)} == set()


@documents
def test_every_script_and_file_that_is_named_exists(document: Path) -> None:
    named = re.findall(
        r"`((?:scripts|tests|hermes_lab|examples|labextension|\.ci)/[\w./]+)`", document.read_text("utf-8")
    )
    assert [name for name in named if not (CHECKOUT / name).exists()] == []


def test_every_command_is_documented() -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    assert [command for command in commands(parser()) if f"`{command}`" not in text] == []


def test_every_option_of_a_run_is_documented() -> None:
    text = (DOCS / "running.md").read_text(encoding="utf-8")
    (groups,) = (action for action in parser()._actions if isinstance(action, _SubParsersAction))
    options = [name for action in groups.choices["run"]._actions for name in action.option_strings]
    assert [name for name in options if f"`{name}`" not in text and name not in {"-h", "--help"}] == []


def test_every_setting_is_documented() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    own = [name for name, trait in HermesLab.class_traits(config=True).items() if trait.this_class is HermesLab]
    assert [name for name in own if f"`HermesLab.{name}`" not in text] == []


def test_every_operation_and_scope_is_documented() -> None:
    api, security = (DOCS / "api.md").read_text("utf-8"), (DOCS / "security.md").read_text("utf-8")
    assert [operation.name for operation in (*OPERATIONS, *STREAMS) if f"### {operation.name}\n" not in api] == []
    assert [scope for scope in SCOPES if f"`{scope}`" not in security] == []


def test_every_layer_is_in_the_architecture() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    layers = [path for path in (CHECKOUT / "hermes_lab").iterdir() if is_a_layer(path)]
    assert [path.name for path in layers if f"`{path.name}`" not in text] == []


def test_every_page_is_reached_from_the_index() -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    others = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if page.name != "index.md"]
    assert [page for page in others if f"]({page})" not in text] == []


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def is_a_layer(path: Path) -> bool:
    """A module or a package of hermes_lab that architecture.md must explain."""
    is_package = (path / "__init__.py").exists()
    return is_package or (path.suffix == ".py" and not path.name.startswith("_"))
