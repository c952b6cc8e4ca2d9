"""`jupyter hermes agent add | list | revoke`."""

from __future__ import annotations

import json
import re
import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from hermes_lab.cli.agents_at import AgentsAt, agents_at
from hermes_lab.cli.exits import OK, CommandFailed
from hermes_lab.model.agents import Agent, CreateAgent
from hermes_lab.model.payload import now

_SPAN = re.compile(r"(\d+)([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add(options: Namespace) -> int:
    """Issue a token: it alone is on stdout, what else there is to say on stderr."""
    request = _request(options)
    with agents_at(options) as agents:
        issued = agents.add(request)
        place = agents.place
    if options.json:
        print(issued.model_dump_json(indent=2))
        return OK
    print(f"{issued.name} may {', '.join(issued.scopes)}; {_until(issued)}. Kept by {place}.", file=sys.stderr)
    print("Its token, which is not shown again:", file=sys.stderr)
    print(issued.token)
    return OK


def show(options: Namespace) -> int:
    """List the agents, newest first."""
    with agents_at(options) as agents:
        found = list(_all(agents))
    if options.json:
        print(json.dumps([agent.model_dump(mode="json") for agent in found], indent=2))
        return OK
    for agent in found:
        print(f"{agent.agent_id}  {agent.name:24}  {_until(agent):34}  {','.join(agent.scopes)}")
    return OK


def revoke(options: Namespace) -> int:
    """End the token of the agent with this id, or of the one with this name whose token still works."""
    with agents_at(options) as agents:
        ended = agents.revoke(_named(options.agent, agents).agent_id)
    if options.json:
        print(ended.model_dump_json(indent=2))
    else:
        print(f"{ended.name} ({ended.agent_id}): {_until(ended)}")
    return OK


def expiry(text: str) -> datetime:
    """The moment that ``--expires`` means: a span from now, or a date; without a zone, this machine's.

    Raises:
        CommandFailed: it is neither.
    """
    span = _SPAN.fullmatch(text)
    try:
        if span is not None:
            return now() + timedelta(**{_UNITS[span[2]]: int(span[1])})
        moment = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
    except (ValueError, OverflowError) as error:
        raise CommandFailed(
            f"--expires {text}: give a span such as 30d or 12h, or a date such as 2030-01-31"
        ) from error
    return moment.astimezone() if moment.tzinfo is None else moment


def _request(options: Namespace) -> CreateAgent:
    fields: dict[str, Any] = {"name": options.name}
    if options.scopes is not None:
        fields["scopes"] = [scope.strip() for scope in options.scopes.split(",") if scope.strip()]
    if options.expires is not None:
        fields["expires_at"] = expiry(options.expires)
    try:
        return CreateAgent.model_validate(fields)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise CommandFailed(f"{fault['loc'][0]}: {fault['msg'].removeprefix('Value error, ')}") from error


def _all(agents: AgentsAt) -> Iterator[Agent]:
    page = agents.page(None)
    yield from page.items
    while page.next_cursor is not None:
        page = agents.page(page.next_cursor)
        yield from page.items


def _named(name: str, agents: AgentsAt) -> Agent:
    for agent in _all(agents):
        if agent.agent_id == name or (agent.name == name and agent.revoked_at is None):
            return agent
    raise CommandFailed(f"There is no agent {name!r} with a token that could be revoked, in {agents.place}.")


def _until(agent: Agent) -> str:
    if agent.revoked_at is not None:
        return f"revoked {agent.revoked_at:%Y-%m-%d %H:%M} UTC"
    if agent.expires_at is None:
        return "does not expire"
    return f"{'expired' if agent.expires_at <= now() else 'expires'} {agent.expires_at:%Y-%m-%d %H:%M %Z}"
