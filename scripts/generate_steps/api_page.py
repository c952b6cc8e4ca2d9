"""docs/api.md, from the table of operations and the models of its payloads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from generate_steps.error_codes import error_codes
from hermes_lab.handlers.openapi import PREFIX, document
from hermes_lab.model.actors import SCOPES
from hermes_lab.operations import OPERATIONS, STREAMS, Operation, Stream

Schema = dict[str, Any]

_HEAD = """# API

<!-- Written by scripts/generate from hermes_lab/operations.py. -->

Everything is JSON over HTTP under `{prefix}`. Send a token as `Authorization: Bearer …`; a page of the same server
may use Jupyter's cookie, with its XSRF token on everything but GET. `{prefix}/openapi.json` is this page for programs.

- `wait` holds a GET back until the thing changes or the seconds are over, `since` names the `version` already seen.
- Lists answer `items` and `next_cursor`; send it as `cursor` for the page after.
- `Idempotency-Key`, as a header or as `idempotency_key` in the body, makes a POST safe to repeat: the same key and
  request are answered with what the first one made.
- A path of a notebook counts from the server's root folder. Times are UTC, ISO 8601; durations are in seconds.
- An error is `{{"message", "reason", "code", "details"}}`; `details.field` names the field at fault where there is one.

| operation | request | scope | |
|---|---|---|---|
"""
_STREAM = (
    "An event has its `sequence` as `id`, the field `event` as `event`, and all of it as one line of JSON as `data`; "
    "a comment comes at least every 15 seconds. 204 says that no event is left."
)
_ALL: tuple[Operation | Stream, ...] = (*OPERATIONS, *STREAMS)
_ERRORS = "\n## Error codes\n\n| status | code | message |\n|---|---|---|\n"


def text(package: Path) -> str:
    """A row, then a section, for each operation; the payloads; the codes of errors."""
    described = document()
    schemas: dict[str, Schema] = described["components"]["schemas"]
    rows = "".join(_row(operation, "GET" if isinstance(operation, Stream) else operation.method) for operation in _ALL)
    sections = "".join(_section(operation, _answer(described, operation)) for operation in OPERATIONS)
    sections += "".join(_stream(stream) for stream in STREAMS)
    payloads = "".join(_payload(name, schema) for name, schema in schemas.items() if _is_answered(name))
    codes = "".join(f"| {each.status} | `{each.code}` | {each.message} |\n" for each in error_codes(package))
    return f"{_HEAD.format(prefix=PREFIX)}{rows}\n## Operations\n{sections}\n## Payloads\n{payloads}{_ERRORS}{codes}"


def _row(operation: Operation | Stream, method: str) -> str:
    call = f"`{method} {operation.path}`"
    return f"| [`{operation.name}`](#{operation.name}) | {call} | `{operation.scope}` | {operation.summary} |\n"


def _answer(described: Schema, operation: Operation) -> str:
    """The payload that the operation answers with, linked."""
    row = described["paths"][PREFIX + operation.path][operation.method.lower()]
    return _type(row["responses"][str(operation.status)]["content"]["application/json"]["schema"])


def _section(operation: Operation, answer: str) -> str:
    schema = operation.request.model_json_schema(ref_template="{model}", mode="validation")
    holders = ", ".join(sorted(SCOPES[operation.scope].holders))
    lines = [
        f"\n### {operation.name}\n",
        f"`{operation.method} {PREFIX}{operation.path}` → {operation.status} {answer}",
        f"\n{operation.summary}. Scope `{operation.scope}` ({holders}).\n",
    ]
    if schema.get("properties"):
        lines += ["| field | in | type | default | |", "|---|---|---|---|---|"]
        lines += [_request_field(operation, schema, name) for name in schema["properties"]]
    return "\n".join(lines) + "\n"


def _stream(stream: Stream) -> str:
    schema = stream.request.model_json_schema(ref_template="{model}", mode="validation")
    holders = ", ".join(sorted(SCOPES[stream.scope].holders))
    lines = [
        f"\n### {stream.name}\n",
        f"`GET {PREFIX}{stream.path}` → 200 `text/event-stream` of {_named(stream.event.__name__)}",
        f"\n{stream.summary}. Scope `{stream.scope}` ({holders}). {_STREAM}\n",
        "| field | in | type | default | |",
        "|---|---|---|---|---|",
    ]
    lines += [_request_field(stream, schema, name) for name in schema["properties"]]
    return "\n".join(lines) + "\n"


def _request_field(operation: Operation | Stream, schema: Schema, name: str) -> str:
    in_path = f"{{{name}}}" in operation.path
    is_get = isinstance(operation, Stream) or operation.method == "GET"
    place = "path" if in_path else "query" if is_get else "body"
    field = schema["properties"][name]
    default = "required" if name in schema.get("required", []) else _default(field)
    return f"| `{name}` | {place} | {_type(field)} | {default} | {_description(field)} |"


def _payload(name: str, schema: Schema) -> str:
    if "properties" not in schema:
        return ""
    words = " ".join(schema.get("description", "").split())
    lines = [f"\n### {name}\n", *([f"{words}\n"] if words else []), "| field | type | |", "|---|---|---|"]
    lines += [f"| `{field}` | {_type(each)} | {_description(each)} |" for field, each in schema["properties"].items()]
    return "\n".join(lines) + "\n"


def _is_answered(name: str) -> bool:
    return name not in {operation.request.__name__ for operation in _ALL}


def _description(field: Schema) -> str:
    inner = [each.get("description", "") for each in field.get("anyOf", [])]
    return str(field.get("description") or next(filter(None, inner), "")).replace("\n", " ").replace("|", "\\|")


def _type(field: Schema) -> str:
    if "$ref" in field:
        return _named(field["$ref"].rsplit("/", 1)[-1])
    for word in ("anyOf", "oneOf"):
        if word in field:
            return " or ".join(dict.fromkeys(_type(each) for each in field[word]))
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("type", "any"))


def _named(model: str) -> str:
    anchor = model.lower()
    return f"[{model}](#{anchor})"


def _default(field: Schema) -> str:
    if "default" not in field:
        return {"object": "empty", "array": "empty"}.get(field.get("type", ""), "")
    return f"`{json.dumps(field['default'])}`"
