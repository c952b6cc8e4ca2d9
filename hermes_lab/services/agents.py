"""Agents and their tokens: issued once, kept as hashes, ended by revoking or by time."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from hermes_lab.model.actors import Actor, Author, expand
from hermes_lab.model.agents import Agent, CreateAgent, IssuedAgent, ListAgents, RevokeAgent, StoredAgent
from hermes_lab.model.errors import Conflict, NotFound
from hermes_lab.model.payload import Page, new_id, now
from hermes_lab.store import Store

TOKEN_PREFIX = "hermes_agent_"  # noqa: S105 - what tokens begin with
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


class Agents:
    """Issue, list and revoke agents, and recognise their tokens."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, actor: Actor, request: CreateAgent) -> IssuedAgent:
        """A new agent with its token, which is in no other answer.

        Raises:
            Conflict: an agent of this name has a token that still works.
        """
        return self.issue(actor.author, request)

    def issue(self, author: Author, request: CreateAgent) -> IssuedAgent:
        """The same for the command line, where the author is the person at the terminal."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        agent = Agent(
            agent_id=new_id(),
            name=request.name,
            scopes=request.scopes,
            created_by=author,
            created_at=now(),
            expires_at=request.expires_at,
        )
        with self._store.transaction():
            if any(_works(known) for known in self._store.agents.all(name=request.name)):
                raise Conflict(f"There is an agent {request.name!r} already.", code="agent_exists", field="name")
            self._store.agents.insert(StoredAgent(**agent.model_dump(), token_hash=_sha256(token)))
            self._store.audit.append(author, "create_agent", agent.agent_id, {"scopes": agent.scopes})
        return IssuedAgent(**agent.model_dump(), token=token)

    async def list(self, _actor: Actor, request: ListAgents) -> Page[Agent]:
        """The agents, newest first, without their tokens."""
        return self.page(request)

    def page(self, request: ListAgents) -> Page[Agent]:
        """The same for the command line."""
        stored = self._store.agents.page(request.limit, request.cursor)
        return Page[Agent](items=[_public(agent) for agent in stored.items], next_cursor=stored.next_cursor)

    async def revoke(self, actor: Actor, request: RevokeAgent) -> Agent:
        """End the agent's token now; revoking twice is no error.

        Raises:
            NotFound: there is no such agent.
        """
        return self.end(actor.author, request)

    def end(self, author: Author, request: RevokeAgent) -> Agent:
        """The same for the command line."""
        with self._store.transaction():
            agent = self._store.agents.get(request.agent_id)
            if agent is None:
                raise NotFound("There is no such agent.", code="no_such_agent", field="agent_id")
            if agent.revoked_at is None:
                agent = agent.model_copy(update={"revoked_at": now()})
                self._store.agents.replace(agent)
                self._store.audit.append(author, "revoke_agent", agent.agent_id)
        return _public(agent)

    def actor_for(self, token: str) -> Actor | None:
        """Who presents this token; None where it is unknown, expired or revoked."""
        with self._store.transaction():  # so that noting the use cannot undo a revocation by the command line
            agent = self._store.agents.find(token_hash=_sha256(token))
            if agent is None or not _works(agent):
                return None
            if agent.last_used_at is None or now() - agent.last_used_at > _USE_IS_NOTED_EVERY:
                self._store.agents.replace(agent.model_copy(update={"last_used_at": now()}))
        return Actor(kind="agent", name=agent.name, scopes=expand(frozenset(agent.scopes)))


def _works(agent: Agent) -> bool:
    return agent.revoked_at is None and (agent.expires_at is None or agent.expires_at > now())


def _public(agent: StoredAgent) -> Agent:
    return Agent(**agent.model_dump(exclude={"token_hash"}))


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
