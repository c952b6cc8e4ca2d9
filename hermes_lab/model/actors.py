"""Who acts, and the scopes that say what an actor may do (DESIGN section 5)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hermes_lab.model.errors import NotAllowed
from hermes_lab.model.payload import Payload

ActorKind = Literal["human", "agent", "kernel", "schedule"]


class Author(Payload):
    """The public face of an actor, as it is stored beside what the actor did."""

    kind: ActorKind
    name: str


class Scope(Payload):
    """One permission. ``includes`` are scopes that come with it; ``holders`` may be given it."""

    name: str
    description: str
    includes: tuple[str, ...] = ()
    holders: frozenset[ActorKind] = frozenset({"human", "agent"})


_PEOPLE: frozenset[ActorKind] = frozenset({"human"})

SCOPES: dict[str, Scope] = {
    scope.name: scope
    for scope in (
        Scope(name="notebooks:read", description="Read notebooks and compare them."),
        Scope(name="runs:read", description="See runs, their results and their output notebooks."),
        Scope(
            name="runs:execute",
            description="Run a notebook of the person with parameters, and cancel own runs.",
            includes=("runs:read", "notebooks:read"),
        ),
        Scope(name="proposals:read", description="See proposals, their evidence and their reviews."),
        Scope(
            name="proposals:write",
            description="Propose changes, ask for evidence, withdraw own proposals.",
            includes=("proposals:read", "notebooks:read"),
        ),
        Scope(
            name="proposals:review",
            description="Accept or reject changes, and let evidence run.",
            includes=("proposals:read",),
            holders=_PEOPLE,
        ),
        Scope(
            name="proposals:merge",
            description="Write accepted changes into the notebook.",
            includes=("proposals:read",),
            holders=_PEOPLE,
        ),
        Scope(
            name="tool_calls:create",
            description="Call a tool from a cell.",
            includes=("tool_calls:read",),
            holders=frozenset({"kernel"}),
        ),
        Scope(
            name="tool_calls:read",
            description="See tool calls; a kernel sees its own alone.",
            holders=frozenset({"human", "kernel"}),
        ),
        Scope(
            name="tool_calls:decide",
            description="Approve or deny a tool call that waits.",
            includes=("tool_calls:read",),
            holders=_PEOPLE,
        ),
        Scope(name="agents:admin", description="Issue and revoke the tokens of agents.", holders=_PEOPLE),
    )
}

DEFAULT_AGENT_SCOPES: tuple[str, ...] = ("notebooks:read", "runs:execute", "proposals:write")


def expand(names: frozenset[str]) -> frozenset[str]:
    """The scopes named and all that they include."""
    included = frozenset(inner for name in names for inner in SCOPES[name].includes)
    return names if included <= names else expand(names | included)


def scopes_held_by(kind: ActorKind) -> frozenset[str]:
    """Every scope that this kind of actor can hold."""
    return frozenset(name for name, scope in SCOPES.items() if kind in scope.holders)


class Actor(Payload):
    """Whoever makes the request. ``kernel_id`` is set for kernels alone."""

    kind: ActorKind
    name: str
    scopes: frozenset[str] = Field(default_factory=frozenset)
    kernel_id: str | None = None

    @classmethod
    def person(cls, name: str) -> Actor:
        """A person, as Jupyter or the Hub authenticated them: every scope that people hold."""
        return cls(kind="human", name=name, scopes=scopes_held_by("human"))

    @property
    def author(self) -> Author:
        """The part of the actor that is stored and shown."""
        return Author(kind=self.kind, name=self.name)


def require_scope(actor: Actor, scope: str) -> None:
    """Raise NotAllowed where the actor lacks the scope."""
    if scope in actor.scopes:
        return
    only_people = SCOPES[scope].holders == {"human"}
    raise NotAllowed(
        "Only a person may do this." if only_people else f"This needs the scope {scope}.",
        code="missing_scope",
        scope=scope,
    )
