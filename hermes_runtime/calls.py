"""One tool call from beginning to end, as the cell sees it."""

import os
import sys
import time
from datetime import datetime
from typing import Any, Dict

from hermes_runtime.cells import current_cell_id
from hermes_runtime.errors import NoServer, ToolDenied, ToolExpired
from hermes_runtime.server import Answer, Server

WAIT = 30
"""Seconds that the server may hold an answer back."""
ENDED = ("succeeded", "failed", "denied", "expired")
SHOWN_ARGUMENT = 200
"""Characters of an argument in the line that says what waits."""


def call(tool: str, arguments: Dict[str, Any]) -> Dict[str, Any]:
    """What the tool answers; a failure of its own is ``{"error": ...}``.

    Raises:
        ToolDenied: a policy or a person refused.
        ToolExpired: nobody answered in time.
        NoServer: the call reached no server.
    """
    server = Server.of_this_kernel()
    request = {
        "tool": tool,
        "arguments": arguments,
        "cell_id": current_cell_id(),
        "wait": WAIT,
        # A request whose answer was lost is sent again: with the same key it is the same call.
        "idempotency_key": os.urandom(16).hex(),
    }
    answer = _create(server, request)
    if answer.status in (400, 413):
        return {"error": answer.body.get("message", "invalid request")}
    state = _tool_call(answer)
    shown = False
    while state["state"] not in ENDED:
        if state["state"] == "awaiting_approval" and not shown:
            _show_waiting(state)
            shown = True
        path = "tool_calls/{tool_call_id}?wait={wait}&since={version}".format(wait=WAIT, **state)
        state = _tool_call(server.ask("GET", path, None, WAIT))
    return _outcome(state)


def _create(server: Server, request: Dict[str, Any]) -> Answer:
    """The server's answer; where a lost connection made us ask twice, the answer to the first request."""
    patience = time.monotonic() + 2 * WAIT
    answer = server.ask("POST", "tool_calls", request, WAIT)
    while answer.body.get("code") == "idempotency_in_progress" and time.monotonic() < patience:
        time.sleep(0.2)
        answer = server.ask("POST", "tool_calls", request, WAIT)
    return answer


def _tool_call(answer: Answer) -> Dict[str, Any]:
    if answer.status in (200, 201, 202):
        return answer.body
    message = answer.body.get("message", "no reason given")
    if answer.status in (401, 403):
        message += " The token of this kernel is not accepted: restart the kernel to get a new one."
    raise NoServer(f"The Jupyter server refused the call (HTTP {answer.status}): {message}")


def _outcome(state: Dict[str, Any]) -> Dict[str, Any]:
    message = state["message"] or "no reason given"
    if state["state"] == "denied":
        raise ToolDenied(message)
    if state["state"] == "expired":
        raise ToolExpired(message)
    result: Dict[str, Any] = state["result"] if state["result"] is not None else {"error": message}
    return result


def _show_waiting(state: Dict[str, Any]) -> None:
    first, *others = [(name, value) for name, value in state["arguments"].items() if value is not None]
    shown = ", ".join([_short(first[1]), *(f"{name}={_short(value)}" for name, value in others)])
    line = f"waiting for approval of: {state['tool']}({shown})"
    if state["expires_at"]:
        patience = _moment(state["expires_at"]) - _moment(state["created_at"])
        line += f" (for {patience.total_seconds():.0f} s at most, in JupyterLab)"
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the cell is where the person looks


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_ARGUMENT else text[:SHOWN_ARGUMENT] + "..."


def _moment(text: str) -> datetime:
    # Python before 3.11 does not read the "Z".
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
