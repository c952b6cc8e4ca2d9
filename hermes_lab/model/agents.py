"""Agents and their tokens."""

from __future__ import annotations

from pydantic import Field, field_validator

from hermes_lab.model.actors import DEFAULT_AGENT_SCOPES, SCOPES, Author, scopes_held_by
from hermes_lab.model.payload import PageRequest, Payload, UtcTime, now


class CreateAgent(Payload):
    """Issue a token to an agent."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    scopes: list[str] = Field(default_factory=lambda: list(DEFAULT_AGENT_SCOPES), min_length=1)
    expires_at: UtcTime | None = Field(default=None, description="Null: it does not expire")

    @field_validator("scopes")
    @classmethod
    def _known_and_grantable(cls, scopes: list[str]) -> list[str]:
        grantable = scopes_held_by("agent")
        for scope in scopes:
            if scope not in SCOPES:
                raise ValueError(f"there is no scope {scope!r}; there are {', '.join(sorted(grantable))}")
            if scope not in grantable:
                raise ValueError(f"the scope {scope!r} is not for agents")
        return sorted(set(scopes))

    @field_validator("expires_at")
    @classmethod
    def _in_the_future(cls, moment: UtcTime | None) -> UtcTime | None:
        if moment is not None and moment <= now():
            raise ValueError("expires_at lies in the past")
        return moment


class Agent(Payload):
    """An agent and what its token may do; the token itself is not kept, only its hash."""

    agent_id: str
    name: str
    scopes: list[str]
    created_by: Author
    created_at: UtcTime
    expires_at: UtcTime | None = None
    revoked_at: UtcTime | None = None
    last_used_at: UtcTime | None = None


class StoredAgent(Agent):
    """An agent as the store keeps it: with the sha256 of its token."""

    token_hash: str


class IssuedAgent(Agent):
    """A new agent with its token, which is shown this once."""

    token: str


class ListAgents(PageRequest):
    """Agents, newest first."""


class RevokeAgent(Payload):
    """Which agent's token ends now."""

    agent_id: str
