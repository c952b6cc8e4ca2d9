"""Agents, where they are kept: asked of the server that runs on the folder, else in its store."""

from __future__ import annotations

import getpass
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import requests

from hermes_lab.cli.exits import CommandFailed
from hermes_lab.model.actors import Author
from hermes_lab.model.agents import Agent, CreateAgent, IssuedAgent, ListAgents, RevokeAgent
from hermes_lab.model.payload import JsonObject, Page

if TYPE_CHECKING:
    from hermes_lab.services.agents import Agents

_SECONDS = 30


class AgentsAt(Protocol):
    """What the command line does with agents; ``place`` says where, in words."""

    place: str

    def add(self, request: CreateAgent) -> IssuedAgent:
        """Issue a token."""

    def page(self, cursor: str | None) -> Page[Agent]:
        """The agents, newest first."""

    def revoke(self, agent_id: str) -> Agent:
        """End a token."""


@contextmanager
def agents_at(options: Namespace) -> Iterator[AgentsAt]:
    """The agents of the root folder, or of the store that ``--db-url`` names.

    Raises:
        CommandFailed: neither server nor store answers.
    """
    server = None if options.db_url else _running_server(options.root_dir)
    if server is not None:
        with requests.Session() as session:
            yield _Served(session, server)
        return
    from hermes_lab.cli.opened import opened_store
    from hermes_lab.services.agents import Agents  # slow to import, and not needed beside a server

    with opened_store(options, create=True) as (store, url):
        yield _Stored(Agents(store), url)


class _Stored:
    """Kept by us, while no server runs."""

    def __init__(self, agents: Agents, url: str) -> None:
        self.place = f"the store {url}"
        self._agents = agents
        self._author = Author(kind="human", name=getpass.getuser())

    def add(self, request: CreateAgent) -> IssuedAgent:
        return self._agents.issue(self._author, request)

    def page(self, cursor: str | None) -> Page[Agent]:
        return self._agents.page(ListAgents(cursor=cursor, limit=200))

    def revoke(self, agent_id: str) -> Agent:
        return self._agents.end(self._author, RevokeAgent(agent_id=agent_id))


class _Served:
    """Asked of the running server, as the person who holds its token."""

    def __init__(self, session: requests.Session, server: JsonObject) -> None:
        self.place = f"the server at {server['url']}"
        self._session = session
        self._session.trust_env = False  # no proxy between this machine and itself
        self._session.headers["Authorization"] = f"token {server['token']}"
        self._url = f"{server['url'].rstrip('/')}/hermes/api/agents"

    def add(self, request: CreateAgent) -> IssuedAgent:
        return IssuedAgent.model_validate(self._ask("POST", json=request.model_dump(mode="json")))

    def page(self, cursor: str | None) -> Page[Agent]:
        query = {"limit": 200, **({"cursor": cursor} if cursor else {})}
        return Page[Agent].model_validate(self._ask("GET", params=query))

    def revoke(self, agent_id: str) -> Agent:
        return Agent.model_validate(self._ask("DELETE", f"/{agent_id}"))

    def _ask(self, method: str, path: str = "", **arguments: Any) -> JsonObject:
        try:
            answer = self._session.request(method, self._url + path, timeout=_SECONDS, **arguments)
            body: JsonObject = answer.json()
        except requests.RequestException as error:
            raise CommandFailed(f"{self.place} does not answer: {error}") from error
        if not answer.ok:
            said = body.get("message") or answer.reason
            raise CommandFailed(f"{self.place} answers: {said}")
        return body


def _running_server(root_folder: str) -> JsonObject | None:
    """The server of ours that runs on this folder."""
    from jupyter_server.serverapp import list_running_servers  # slow to import, and not needed with --db-url

    root = os.path.realpath(root_folder)
    for server in list_running_servers():
        if os.path.realpath(server["root_dir"]) == root and _is_ours(server):
            found: JsonObject = server
            return found
    return None


def _is_ours(server: JsonObject) -> bool:
    """Whether hermes_lab is enabled there: others answer our routes with Jupyter's own 404."""
    if not server["url"].startswith("http://") and not server["url"].startswith("https://"):
        raise CommandFailed(f"The server at {server['url']} listens on a socket; name its store with --db-url.")
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{server['url'].rstrip('/')}/hermes/api/agents", timeout=_SECONDS)
    except requests.ConnectionError as error:
        raise CommandFailed(f"The server at {server['url']} does not answer: {error}") from error
    return answer.status_code != 404
