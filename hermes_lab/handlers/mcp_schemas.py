"""JSON schemas for models to read: made from the payloads, without what only takes up their context."""

from __future__ import annotations

from functools import cache
from typing import Any

from hermes_lab.model.payload import JsonObject, Payload

_NOISE = frozenset({"title", "discriminator"})
_LITERAL = frozenset({"default", "const", "enum"})
"""Keywords whose value is no schema."""
_INTERNAL = frozenset({"idempotency_key", "until", "secret_parameters"})
"""Fields of requests that are no business of a model: the transport's, and secrets, which it should not hold."""


@cache
def input_schema(request: type[Payload]) -> JsonObject:
    """What a tool takes, in one piece: not every client resolves references, and models read it as it is."""
    schema = request.model_json_schema(mode="validation")
    shown: JsonObject = _shown(schema, schema.pop("$defs", {}))
    for name in _INTERNAL & shown["properties"].keys():
        del shown["properties"][name]
    shown.pop("description", None)  # the tool has a description of its own
    return shown


@cache
def output_schema(answer: type[Payload]) -> JsonObject:
    """What a tool answers, for programs that check it; fields that have a default may be missing."""
    shown: JsonObject = _shown(answer.model_json_schema(mode="validation"), None)
    return shown


def _shown(node: Any, definitions: JsonObject | None) -> Any:
    """``node`` without noise; where there are ``definitions``, with every reference replaced by what it means."""
    if isinstance(node, list):
        return [_shown(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if definitions is not None:
        node = _without_null(node)
        if "$ref" in node:
            target = definitions[node["$ref"].rsplit("/", 1)[-1]]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    shown: JsonObject = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):  # its keys are names, and a field may be called `title`
            shown[key] = {name: _shown(field, definitions) for name, field in value.items()}
        elif key not in _NOISE:
            shown[key] = value if key in _LITERAL else _shown(value, definitions)
    return shown


def _without_null(field: JsonObject) -> JsonObject:
    """A field that may be left out need not be offered as null too."""
    if "anyOf" not in field or field.get("default", field) is not None:
        return field
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
    kinds = [kind for kind in field["anyOf"] if kind != {"type": "null"}]
    return {**kinds[0], **rest} if len(kinds) == 1 else {**rest, "anyOf": kinds}
