"""The OpenAPI 3.1 document, made from the table."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from hermes_lab._version import __version__
from hermes_lab.handlers.authentication import HermesHandler
from hermes_lab.model.actors import SCOPES
from hermes_lab.model.errors import ErrorBody
from hermes_lab.model.events import Changed
from hermes_lab.model.payload import JsonObject
from hermes_lab.model.proposals import Conflict
from hermes_lab.operations import OPERATIONS, STREAMS, Operation, Stream

PREFIX = "/hermes/api"
_REF = "#/components/schemas/{model}"
_NOT_DONE = {
    "description": "Not done",
    "content": {"application/json": {"schema": {"$ref": _REF.format(model="ErrorBody")}}},
}
# No operation answers with these, and yet clients read them: every error, `details.conflicts` of a merge, the event.
_BESIDE_OPERATIONS = (ErrorBody, Conflict, Changed)


class _Names(GenerateJsonSchema):
    """`RunPage` rather than `Page_Run_`."""

    def normalize_name(self, name: str) -> str:
        """The name of a component: letters, digits and hyphens."""
        return super().normalize_name(re.sub(r"Page\[(\w+)\]", r"\1Page", name))


class OpenApiHandler(HermesHandler):
    """Serves the document to whoever may use the API."""

    SUPPORTED_METHODS = ("GET",)

    @allow_unauthenticated
    async def get(self) -> None:
        """The document."""
        await self.actor()
        self.answer(document())


@cache
def document() -> JsonObject:
    """The OpenAPI document of this version."""
    models: list[tuple[type[BaseModel], Any]] = [(model, "serialization") for model in _BESIDE_OPERATIONS]
    for operation in OPERATIONS:
        models += [(operation.request, "validation"), (operation.response, "serialization")]
    for stream in STREAMS:
        models += [(stream.request, "validation"), (stream.event, "serialization")]
    distinct = list(dict.fromkeys(models))
    references, definitions = models_json_schema(distinct, ref_template=_REF, schema_generator=_Names)
    schemas: JsonObject = dict(definitions["$defs"])
    paths: dict[str, JsonObject] = {}
    for operation in OPERATIONS:
        row = _row(operation, references, schemas)
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = row
    for stream in STREAMS:
        paths.setdefault(PREFIX + stream.path, {})["get"] = _stream(stream, references, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hermes_lab",
            "version": __version__,
            "description": "Agents and people, on notebooks.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _row(operation: Operation, references: Any, schemas: JsonObject) -> JsonObject:
    request = _schema(operation.request, references, schemas)
    response = references[operation.response, "serialization"]
    in_path = operation.path_fields
    in_query = [] if operation.method != "GET" else [name for name in request["properties"] if name not in in_path]
    row: JsonObject = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Scope `{operation.scope}`: {SCOPES[operation.scope].description}",
        "tags": [operation.path.split("/")[1]],
        "parameters": [_parameter(request, name, "path") for name in in_path]
        + [_parameter(request, name, "query") for name in in_query],
        "responses": {
            str(operation.status): {
                "description": "Done",
                "content": {"application/json": {"schema": response}},
            },
            "default": _NOT_DONE,
        },
    }
    if operation.method == "POST":
        row["requestBody"] = {"content": {"application/json": {"schema": _body(request, in_path)}}}
    return row


def _stream(stream: Stream, references: Any, schemas: JsonObject) -> JsonObject:
    request = _schema(stream.request, references, schemas)
    in_path = {name for name in request["properties"] if f"{{{name}}}" in stream.path}
    last = {"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "integer", "minimum": 0}}
    events = "Each event's `id` is its `sequence`, its `event` the field of that name, its `data` this as one line"
    return {
        "operationId": stream.name,
        "summary": stream.summary,
        "description": f"Scope `{stream.scope}`: {SCOPES[stream.scope].description}",
        "tags": [stream.path.split("/")[1]],
        "parameters": [
            *(_parameter(request, name, "path" if name in in_path else "query") for name in request["properties"]),
            last,
        ],
        "responses": {
            "200": {
                "description": events,
                "content": {"text/event-stream": {"schema": references[stream.event, "serialization"]}},
            },
            "204": {"description": "There are no events after that one, and there will be none"},
            "default": _NOT_DONE,
        },
    }


def _schema(model: type[BaseModel], references: Any, schemas: JsonObject) -> JsonObject:
    found: JsonObject = schemas[references[model, "validation"]["$ref"].rsplit("/", 1)[-1]]
    return found


def _parameter(request: JsonObject, name: str, place: str) -> JsonObject:
    required = place == "path" or name in request.get("required", [])
    return {"name": name, "in": place, "required": required, "schema": request["properties"][name]}


def _body(request: JsonObject, in_path: list[str]) -> JsonObject:
    """The request's schema without the fields that are in the path."""
    properties = {name: schema for name, schema in request["properties"].items() if name not in in_path}
    required = [name for name in request.get("required", []) if name not in in_path]
    return {**request, "properties": properties, "required": required}
