"""Whoever asks the API: a person, an agent, or nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import requests

Json = dict[str, Any]
ENDED = {"completed", "failed", "cancelled"}
SECONDS = 90
"""Nothing that a test waits for takes longer."""


class Client:
    """Asks a server, with a token or without. Answers are `requests.Response`, errors included: nothing is raised."""

    def __init__(self, url: str, token: str | None = None, scheme: str = "Bearer") -> None:
        self.url = url
        self.token = token
        self.session = requests.Session()
        self.session.trust_env = False
        if token is not None:
            self.session.headers["Authorization"] = f"{scheme} {token}"

    def close(self) -> None:
        """Close its connections."""
        self.session.close()

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Any method, on any path of the server."""
        return self.session.request(method, self.url + path, timeout=SECONDS, **arguments)

    def get(self, path: str, /, **query: Any) -> requests.Response:
        """GET an operation: ``path`` is what follows /hermes/api/."""
        return self.request("GET", f"/hermes/api/{path}", params=query)

    def post(
        self, path: str, body: Json | None = None, /, *, key: str | None = None, **fields: Any
    ) -> requests.Response:
        """POST ``body`` or ``fields`` to an operation; ``key`` becomes the Idempotency-Key header."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.request("POST", f"/hermes/api/{path}", json={**(body or {}), **fields}, headers=headers)

    def delete(self, path: str) -> requests.Response:
        """DELETE an operation's thing."""
        return self.request("DELETE", f"/hermes/api/{path}")

    def wait_until(self, path: str, condition: Callable[[Json], bool], seconds: float = SECONDS) -> Json:
        """Long-poll ``path`` (a run, a proposal, evidence, a tool call) until the condition holds for it."""
        deadline = time.monotonic() + seconds
        since = -1
        while True:
            remaining = deadline - time.monotonic()
            answer = self.get(path, wait=max(0.0, min(remaining, 20.0)), **({} if since < 0 else {"since": since}))
            assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
            found: Json = answer.json()
            if condition(found):
                return found
            assert remaining > 0, f"{path} did not come to what was waited for; it is {found}"
            since = found["version"]

    def wait_until_there(self, path: str, condition: Callable[[Json], bool], **query: Any) -> Json:
        """Ask for a list until it has an item for which the condition holds; that item."""
        deadline = time.monotonic() + SECONDS
        while True:
            found: list[Json] = [item for item in self.get(path, **query).json()["items"] if condition(item)]
            if found:
                return found[0]
            assert time.monotonic() < deadline, f"nothing that was waited for came to {path}"
            time.sleep(0.05)

    def wait_until_ended(self, run: Json | requests.Response) -> Json:
        """The run, or the evidence, when it has ended."""
        thing = run if isinstance(run, dict) else run.json()
        if "run_id" in thing:
            return self.wait_until(f"runs/{thing['run_id']}", lambda now: now["state"] in ENDED)
        return self.wait_until(f"evidence/{thing['evidence_id']}", lambda now: now["state"] in ENDED)


def error(answer: requests.Response) -> tuple[int, str]:
    """The status and the code of an error, which has exactly the shape of the design."""
    body = answer.json()
    assert set(body) == {"message", "reason", "code", "details"}, body
    assert body["message"], body
    return answer.status_code, body["code"]
