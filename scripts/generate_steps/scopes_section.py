"""The table of scopes in docs/security.md, between two marks."""

from __future__ import annotations

from hermes_lab.model.actors import DEFAULT_AGENT_SCOPES, SCOPES, Scope

_BEGIN = "<!-- scopes: written by scripts/generate from hermes_lab/model/actors.py -->\n"
_END = "<!-- end of scopes -->\n"
_HEAD = "\n| scope | what it allows | includes | who may hold it |\n|---|---|---|---|\n"


def within(page: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{_HEAD}{''.join(_row(scope) for scope in SCOPES.values())}\n{_END}{after}"


def _row(scope: Scope) -> str:
    includes = ", ".join(f"`{name}`" for name in scope.includes) or "none"
    holders = ", ".join(_holder(scope, kind) for kind in sorted(scope.holders))
    return f"| `{scope.name}` | {scope.description} | {includes} | {holders} |\n"


def _holder(scope: Scope, kind: str) -> str:
    return "agent (by default)" if kind == "agent" and scope.name in DEFAULT_AGENT_SCOPES else kind
