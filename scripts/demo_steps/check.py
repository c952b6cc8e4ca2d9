"""What `scripts/demo --check` does in the person's place, and what must then be true."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from demo_steps.console import note, step
from demo_steps.server import JupyterLab, Refused
from demo_steps.workspace import NOTEBOOK, git

Json = dict[str, Any]
FORBIDDEN = 403
RUN_SCRAPS = {"health_score": 91.6, "alert_count": 0}
PROPOSED_SCRAPS = {"health_score": 73.0, "alert_count": 3}


class Check:
    """Accepts the agent's proposal and compares the file with what was accepted."""

    def __init__(self, workspace: Path, proposal: Path) -> None:
        self.made = 0
        self.failures = 0
        self._workspace = workspace
        self._file = workspace / NOTEBOOK
        self._before = self._file.read_bytes()
        self._operations: list[Json] = json.loads(proposal.read_text(encoding="utf-8"))["operations"]
        self._merged_hash = ""

    def expect(self, is_true: bool, statement: str) -> None:
        """Count and print whether the statement is true."""
        self.made += 1
        self.failures += not is_true
        note(f"{'ok    ' if is_true else 'FAILED'} {statement}")

    def the_lab_page(self, server: JupyterLab) -> None:
        """A browser would load the front end."""
        self.expect('"hermes-lab"' in server.lab_page(), "the JupyterLab page loads the hermes-lab extension")

    def the_proposal(self, server: JupyterLab, agent_token: str) -> str:
        """What the agent did, before anybody reviews it; returns the proposal's id."""
        step("looking at what the agent did")
        [run] = server.request("GET", "runs?origin=request")["items"]
        self.expect(run["state"] == "completed", "the agent's run completed")
        self.expect(_among(RUN_SCRAPS, run["result"]["scraps"]), f"its scraps hold {RUN_SCRAPS}")
        [summary] = server.request("GET", "proposals")["items"]
        proposal_id: str = summary["proposal_id"]
        proposal = server.request("GET", f"proposals/{proposal_id}")
        self.expect(self._file.read_bytes() == self._before, "the proposal left the notebook file as it was")
        self.expect(proposal["base_hash"] == _sha256(self._before), "its base hash is the sha256 of the file")
        [evidence] = proposal["evidence"]
        self.expect(evidence["verdict"] == "green", "the evidence is green")
        after = {scrap["name"]: scrap["after"] for scrap in evidence["scraps"]}
        self.expect(_among(PROPOSED_SCRAPS, after), f"with the change, the scraps hold {PROPOSED_SCRAPS}")
        for action, body in (("reviews", {"verdict": "accept"}), ("merge", {})):
            refused = _is_forbidden(server, f"proposals/{proposal_id}/{action}", body, agent_token)
            self.expect(refused, f"the agent itself gets 403 for POST {action}")
        return proposal_id

    def review_and_merge(self, server: JupyterLab, proposal_id: str) -> None:
        """Accept every change by name and merge."""
        step("accepting every change in the person's name, and merging")
        changes = server.request("GET", f"proposals/{proposal_id}")["changes"]
        decisions = {change["change_id"]: "accept" for change in changes}
        review = {"decisions": decisions, "comment": "Accepted by scripts/demo --check."}
        server.request("POST", f"proposals/{proposal_id}/reviews", review)
        self.expect(self._file.read_bytes() == self._before, "a review alone does not touch the file")
        server.request("POST", f"proposals/{proposal_id}/merge", {})
        proposal = server.request("GET", f"proposals/{proposal_id}")
        self.expect(proposal["state"] == "merged", "the proposal is merged")
        self._merged_hash = proposal["merge"]["hash"]

    def the_merged_file(self) -> None:
        """The file holds what was accepted and nothing else."""
        step("comparing the merged file with what was accepted")
        merged = self._file.read_bytes()
        self.expect(_sha256(merged) == self._merged_hash, "the file's sha256 is the one that the merge reports")
        wanted, found = accepted(json.loads(self._before), self._operations), json.loads(merged)
        self.expect(_sources(found) == _sources(wanted), "every cell has exactly the accepted source")
        self.expect(_comparable(found) == _comparable(wanted), "nothing else in the notebook changed")
        status = git(self._workspace, "status", "--porcelain").splitlines()
        self.expect(status == [f" M {NOTEBOOK}"], "git sees the notebook as the one changed file")


def accepted(base: Json, operations: list[Json]) -> Json:
    """What the notebook must be after the operations, worked out without hermes_lab."""
    notebook = copy.deepcopy(base)
    cells: list[Json] = notebook["cells"]
    for operation in operations:
        order = [cell["id"] for cell in cells]
        if operation["op"] == "replace_source":
            cells[order.index(operation["cell_id"])]["source"] = operation["source"]
        elif operation["op"] == "insert":
            code_only: Json = {"outputs": [], "execution_count": None}
            is_code = operation["cell"]["cell_type"] == "code"
            new: Json = operation["cell"] | (code_only if is_code else {})
            cells.insert(order.index(operation["after_cell_id"]) + 1, new)
        else:
            raise ValueError(f"the check knows no {operation['op']}")
    return notebook


def _sources(notebook: Json) -> list[tuple[str, str]]:
    return [(cell["id"], "".join(cell["source"])) for cell in notebook["cells"]]


def _comparable(notebook: Json) -> Json:
    """The notebook with every source as one text, however the file splits it."""
    cells = [cell | {"source": "".join(cell["source"])} for cell in notebook["cells"]]
    return notebook | {"cells": cells}


def _among(wanted: Json, found: Json) -> bool:
    return wanted.items() <= {name: found.get(name) for name in wanted}.items()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_forbidden(server: JupyterLab, route: str, body: Json, token: str) -> bool:
    try:
        server.request("POST", route, body, token)
    except Refused as refused:
        return refused.status == FORBIDDEN
    return False
