"""JupyterLab with our front end, and a Chromium in front of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import ConsoleMessage, Error, Page, expect

from tests.clients import SECONDS
from tests.conftest import StartServer
from tests.servers import BUILT_LABEXTENSION, Server

Theme = Literal["JupyterLab Light", "JupyterLab Dark"]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium, quiet, and able to run as root in a container."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on PATH")
    quiet = ("gpu", "quic", "background-networking", "component-update", "sync")
    arguments = ["--no-first-run", *(f"--disable-{name}" for name in quiet)]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    return {"executable_path": CHROMIUM, "args": arguments}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """A window of a usual size."""
    return {"viewport": {"width": 1400, "height": 1000}}


@pytest.fixture(scope="module")
def lab_server(start_server: StartServer) -> Server:
    """JupyterLab with the front end as it was built last."""
    assert (BUILT_LABEXTENSION / "package.json").exists(), "build the front end first: jlpm build in labextension/"
    return start_server(lab=True, agent_execution="ask")


@pytest.fixture
def server(lab_server: Server) -> Server:
    return lab_server


@pytest.fixture
def theme() -> Theme:
    """The theme of this test; a test that wants both parametrizes it."""
    return "JupyterLab Light"


@pytest.fixture
def lab(page: Page, server: Server, theme: Theme) -> Iterator[Page]:
    """JupyterLab in a window, the Hermes sidebar shown. Nothing of ours may write an error to the console."""
    settings = server.home / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    settings.write_text(json.dumps({"theme": theme}))
    errors: list[str] = []
    page.on("console", lambda message: errors.extend(error_of_ours(message)))
    page.on("pageerror", lambda error: errors.append(words(error)))
    page.set_default_timeout(SECONDS * 1000)
    expect.set_options(timeout=SECONDS * 1000)
    page.goto(f"{server.url}/lab?reset&token={server.token}")
    page.get_by_title("Hermes: proposals, runs and approvals").click()
    expect(page.get_by_role("region", name="Hermes", exact=True)).to_be_visible()
    dark = page.locator("body[data-jp-theme-light=false]")
    expect(dark).to_have_count(1 if theme == "JupyterLab Dark" else 0)
    yield page
    assert errors == []


def error_of_ours(message: ConsoleMessage) -> list[str]:
    """An error from our script or about our routes; those of JupyterLab are not ours to judge."""
    where = message.location.get("url", "")
    ours = "hermes" in where or "hermes" in message.text.lower()
    return [f"{where}: {message.text}"] if message.type == "error" and ours else []


def words(error: Error) -> str:
    """An exception that nobody caught, with its place."""
    return f"{error.message}\n{error.stack}"
