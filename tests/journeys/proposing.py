"""What agents and people do with proposals, in the words of the journey."""

from __future__ import annotations

from typing import Any

from tests.clients import Client, Json


def replace(cell_id: str, source: str, **more: Any) -> Json:
    """The operation that gives a cell another source."""
    return {"op": "replace_source", "cell_id": cell_id, "source": source, **more}


def read(client: Client, path: str) -> Json:
    """`get_notebook`."""
    answer = client.get("notebooks", path=path)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def propose(agent: Client, path: str, *operations: Json, **fields: Any) -> Json:
    """Read the notebook, then propose operations on it."""
    asked = {"base_hash": read(agent, path)["hash"], "title": "Better", "operations": operations, **fields}
    answer = agent.post("proposals", path=path, **asked)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


def review(person: Client, proposal: Json, decisions: Json | None = None, **fields: Any) -> Json:
    """A person's decisions."""
    answer = person.post(f"proposals/{proposal['proposal_id']}/reviews", decisions=decisions or {}, **fields)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def merge(person: Client, proposal: Json, **fields: Any) -> Json:
    """A merge that goes through."""
    answer = person.post(f"proposals/{proposal['proposal_id']}/merge", **fields)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def states(proposal: Json) -> dict[str, str]:
    """change_id -> state."""
    return {change["change_id"]: change["state"] for change in proposal["changes"]}
