"""The demo from the first step to the last."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from demo_steps.agent import issue_token, lines_of, started_agent
from demo_steps.check import Check
from demo_steps.console import Failed, note, step
from demo_steps.environment import ensure_environment
from demo_steps.server import JupyterLab, Refused
from demo_steps.workspace import make_workspace

CHECKOUT = Path(__file__).parents[2]
DEMO = CHECKOUT / ".demo"
CLIENT = CHECKOUT / "examples" / "agent_client.py"
PROPOSAL = CHECKOUT / "examples" / "agent" / "proposal.json"
SECONDS_FOR_THE_AGENT = 300
REVIEW_WANTED = "waiting for the review"


def main(description: str | None) -> int:
    """Run the demo, or its check; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=True
    )
    parser.add_argument("--check", action="store_true", help="without a browser: accept, merge, verify, exit 0 or 1")
    check = parser.parse_args().check
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, stop)
    try:
        return run_check() if check else run_demo()
    except (Failed, Refused) as failure:
        print(f"\nscripts/demo: {failure}", flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nscripts/demo: stopped", flush=True)
        return 130


def stop(_number: int, _frame: FrameType | None) -> NoReturn:
    """End the demo in order, whatever ends it."""
    raise KeyboardInterrupt


def run_demo() -> int:
    """Start, let the agent propose, and stay until the person ends it."""
    python = prepare()
    # A folder of its own for each start: no tab of an earlier demo comes back.
    folder = DEMO / time.strftime("started-%Y-%m-%d-%H%M%S")
    workspace = folder / "workspace"
    make_workspace(CHECKOUT, workspace)
    with started_lab(python, workspace, folder) as server:
        address = f"{server.url}lab?token={server.token}"
        note(f"watch the agent at work, if you like: {address}")
        with started_agent(python, CLIENT, server, issue_token(server)) as agent:
            for line in lines_of(agent):
                if REVIEW_WANTED in line:
                    invite(address, workspace)
        step("the agent has ended; JupyterLab goes on until Ctrl-C")
        while server.running:
            time.sleep(1)
    raise Failed(f"JupyterLab ended by itself; its log is {server.log}")


def run_check() -> int:
    """The same journey with a person who accepts over REST; 0 when everything is as it should be."""
    python = prepare()
    folder = Path(tempfile.mkdtemp(prefix="check-", dir=DEMO))
    workspace = folder / "workspace"
    make_workspace(CHECKOUT, workspace)
    check = Check(workspace, PROPOSAL)
    with started_lab(python, workspace, folder) as server:
        check.the_lab_page(server)
        token = issue_token(server)
        with started_agent(python, CLIENT, server, token) as agent:
            limit = threading.Timer(SECONDS_FOR_THE_AGENT, agent.kill)
            limit.daemon = True  # a check that fails early does not wait for it
            limit.start()
            for line in lines_of(agent):
                if REVIEW_WANTED in line:
                    check.review_and_merge(server, check.the_proposal(server, token))
            limit.cancel()
            check.expect(agent.wait() == 0, "the agent saw that its proposal was merged")
        check.the_merged_file()
        check.expect(server.stop() == 0, "the server ended in order and left no process behind")
    if check.failures:
        raise Failed(f"{check.failures} of {check.made} checks failed; the logs and the workspace are in {folder}")
    shutil.rmtree(folder)
    step(f"all {check.made} checks passed")
    return 0


def prepare() -> Path:
    """Install what is not installed yet; returns the Python of the demo's environment."""
    if shutil.which("git") is None:
        raise Failed("git is not on PATH. On Debian and Ubuntu: apt install git")
    DEMO.mkdir(exist_ok=True)
    return ensure_environment(CHECKOUT, DEMO)


@contextmanager
def started_lab(python: Path, workspace: Path, folder: Path) -> Iterator[JupyterLab]:
    """JupyterLab, for as long as the block lasts."""
    step(f"starting JupyterLab on loopback, in a sample workspace: {workspace.relative_to(CHECKOUT)}")
    agent_execution = "sandbox" if has_sandbox(python) else "allow"
    if agent_execution == "sandbox":
        note("what the agent proposes is executed in a sandbox: no network, no home, its own folder")
    else:
        note('HermesLab.agent_execution = "allow": what the agent proposes is executed without asking you first,')
        note("with your rights. That is for this demo; the default here, where there is no bubblewrap, is to ask.")
    began = time.monotonic()
    with JupyterLab(python, workspace, folder, agent_execution) as server:
        note(f"it answers after {time.monotonic() - began:.1f} s")
        yield server


def has_sandbox(python: Path) -> bool:
    """Whether kernels can be shut off on this machine."""
    asks = "import sys; from hermes_lab.engines.sandbox_probe import probe; sys.exit(not probe().works)"
    return subprocess.run([python, "-c", asks], check=False).returncode == 0


def invite(address: str, workspace: Path) -> None:
    """Tell the person what to open."""
    print(
        f"\n    Open  {address}\n"
        "\n    The wing in the left bar opens the Hermes sidebar with the agent's run and its proposal. Open the"
        "\n    proposal, look at the evidence, accept or reject each change, and merge. See what the file holds:"
        f"\n    git -C {workspace} diff"
        "\n    Ctrl-C here ends the demo.\n",
        flush=True,
    )
