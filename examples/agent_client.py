"""A small agent: it runs a notebook, proposes a change with evidence, and waits for a person's review.

It knows the REST API of hermes_lab and nothing else of it; the only library it needs is `requests`.

    HERMES_URL=http://127.0.0.1:8888/ HERMES_AGENT_TOKEN=… python examples/agent_client.py

The token comes from `jupyter hermes agent add NAME`. With `--proposal` it proposes another change than the
one in `agent/proposal.json`: `{title, rationale, operations}`, where a long text may be a list of lines.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

Json = dict[str, Any]
WAIT_SECONDS = 30
BUNDLED_PROPOSAL = Path(__file__).with_name("agent") / "proposal.json"


class Refused(Exception):
    """The server answered with an error; its body is `{message, reason, code, details}`."""

    def __init__(self, response: requests.Response) -> None:
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        body: Json = response.json() if is_json else {}
        message = body.get("message") or response.reason
        super().__init__(f"{response.status_code} {body.get('code', '')}: {message} {body.get('details') or ''}")


class HermesLab:
    """The API of one server, as one agent sees it."""

    def __init__(self, url: str, token: str) -> None:
        self._api = url.rstrip("/") + "/hermes/api"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, route: str, /, **query: str | int) -> Json:
        """Read something; with `wait`, the answer comes at the next change or after that many seconds."""
        return self._answer(self._session.get(self._api + route, params=query, timeout=WAIT_SECONDS + 30))

    def post(self, route: str, body: Json) -> Json:
        """Create something, once: the key lets the server recognise the same request if it is sent again."""
        headers = {"Idempotency-Key": uuid4().hex}
        return self._answer(self._session.post(self._api + route, json=body, headers=headers, timeout=60))

    @staticmethod
    def _answer(response: requests.Response) -> Json:
        if not response.ok:
            raise Refused(response)
        answer: Json = response.json()
        return answer


def main() -> int:
    """Run, propose, show evidence, wait. 0: the change was merged; 1: it was not; 2: it ended before that."""
    arguments = parse_arguments()
    server = HermesLab(arguments.url, arguments.token)
    try:
        base = read_and_run(server, arguments.path, arguments.parameters)
        proposal = propose(server, base, json.loads(arguments.proposal.read_text(encoding="utf-8")))
        show_evidence(server, proposal["proposal_id"], arguments.parameters)
        return 0 if wait_for_review(server, proposal) == "merged" else 1
    except Refused as refused:
        print(f"the server refused: {refused}", file=sys.stderr)
    except requests.RequestException as failure:
        print(f"{arguments.url} does not answer: {failure}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; what was proposed stays", file=sys.stderr)
    return 2


def parse_arguments() -> argparse.Namespace:
    """The command line, with the address and the token from the environment where they are not given."""
    parser = argparse.ArgumentParser(description="Run a notebook, propose a change, wait for the review.")
    environment = os.environ
    parser.add_argument("--url", default=environment.get("HERMES_URL", "http://127.0.0.1:8888/"))
    parser.add_argument("--token", default=environment.get("HERMES_AGENT_TOKEN"), help="or HERMES_AGENT_TOKEN")
    parser.add_argument("--path", default="fleet_health_check.ipynb", help="from the server's root")
    parser.add_argument("--parameters", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--proposal", type=Path, default=BUNDLED_PROPOSAL)
    arguments = parser.parse_args()
    if not arguments.token:
        parser.error("give --token or set HERMES_AGENT_TOKEN; `jupyter hermes agent add NAME` issues a token")
    return arguments


def read_and_run(server: HermesLab, path: str, parameters: Json) -> Json:
    """Read the notebook, run it and say what came of it; returns the notebook with its hash."""
    base = server.get("/notebooks", path=path)
    say(f"read {path}: {len(base['notebook']['cells'])} cells, hash {base['hash'][:12]}")
    run = server.post("/runs", {"input_path": path, "parameters": parameters})
    said = ""
    while run["state"] in {"pending", "running"}:
        said = say_once(f"run {run['state']}: {cells(run['progress'])}", said)
        run = server.get(f"/runs/{run['run_id']}", wait=WAIT_SECONDS, since=run["version"])
    say(f"run {run['state']}: {in_words(run)}; notebook with outputs: {run['output_path']}")
    return base


def in_words(run: Json) -> str:
    """What a run came to: its numbers, or the cell that failed."""
    result = run["result"]
    if result is None or result["duration_seconds"] is None:  # it broke off, or was stopped while it waited
        return str(run["message"])
    if failed := result["failed_cell"]:
        return f"cell {failed['index'] + 1} ({failed['cell_id']}): {failed['ename']}: {failed['evalue']}"
    numbers = {name: value for name, value in result["scraps"].items() if isinstance(value, int | float)}
    found = ", ".join(f"{name} {value}" for name, value in numbers.items())
    return f"{result['cells_executed']} cells in {result['duration_seconds']:.1f} s; {found}"


def propose(server: HermesLab, base: Json, wanted: Json) -> Json:
    """Propose the wanted operations against the notebook that was read."""
    request = joined({**wanted, "path": base["path"], "base_hash": base["hash"]})
    proposal = server.post("/proposals", request)
    say(f"proposed: {proposal['title']} ({len(proposal['changes'])} changes)")
    for change in proposal["changes"]:
        say(f"  {change['kind']:8} {change['cell_id']}")
    return proposal


def joined(wanted: Any) -> Any:
    """The same JSON with texts that are lists of lines as one text, the way a notebook file keeps sources."""
    if isinstance(wanted, list):
        return [joined(part) for part in wanted]
    if not isinstance(wanted, dict):
        return wanted
    return {name: "".join(part) if name in {"rationale", "source"} else joined(part) for name, part in wanted.items()}


def show_evidence(server: HermesLab, proposal_id: str, parameters: Json) -> None:
    """Have base and proposal run with the same parameters, and say what differs."""
    evidence = server.post("/evidence", {"proposal_id": proposal_id, "parameters": parameters})
    said = ""
    while evidence["state"] in {"pending", "running"}:
        said = say_once(progress_of(evidence), said)
        route = f"/evidence/{evidence['evidence_id']}"
        evidence = server.get(route, wait=WAIT_SECONDS, since=evidence["version"])
    say(f"evidence {evidence['state']}: {evidence['verdict'] or evidence['message']}")
    for scrap in evidence["scraps"]:
        if scrap["change"] == "changed" and isinstance(scrap["after"], int | float):
            say(f"  {scrap['name']}: {scrap['before']} -> {scrap['after']}")


def progress_of(evidence: Json) -> str:
    """How far the two executions are, or what they wait for."""
    if evidence["awaiting_approval"]:
        return "evidence waits for a person's go"
    both = [f"{name} {cells(evidence[name]['progress'])}" for name in ("base", "proposal") if evidence[name]]
    return f"evidence {evidence['state']}: {', '.join(both) or 'not started'}"


def cells(progress: Json) -> str:
    """How many code cells have ended."""
    return f"{progress['cells_done']} of {progress['cells_total']} cells"


def wait_for_review(server: HermesLab, proposal: Json) -> str:
    """Say what the reviewers decide until the proposal ends; returns the state it ended in."""
    say("waiting for the review")
    reviews_seen = 0
    while proposal["state"] == "open":
        route = f"/proposals/{proposal['proposal_id']}"
        proposal = server.get(route, wait=WAIT_SECONDS, since=proposal["version"])
        for review in proposal["reviews"][reviews_seen:]:
            decided = ", ".join(f"{name} {made['decision']}" for name, made in review["decisions"].items())
            comments = " ".join(comment["text"] for comment in review["comments"])
            say(f"review by {review['author']['name']}: {' '.join(filter(None, (decided, comments)))}")
        reviews_seen = len(proposal["reviews"])
    say(f"the proposal is {proposal['state']}")
    return str(proposal["state"])


def say(message: str) -> None:
    """One line of progress, with the time at which it was made."""
    print(f"{time.strftime('%H:%M:%S')} agent: {message}", flush=True)


def say_once(message: str, said: str) -> str:
    """Say the message unless it is what was said before; returns it."""
    if message != said:
        say(message)
    return message


if __name__ == "__main__":
    sys.exit(main())
