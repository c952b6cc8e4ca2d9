"""The one handler behind every row of the table."""

from __future__ import annotations

from jupyter_server.auth.decorator import allow_unauthenticated

from hermes_lab.handlers.authentication import HermesHandler, Shared
from hermes_lab.model.errors import TooLarge
from hermes_lab.model.payload import JsonObject
from hermes_lab.operations import Operation, perform

_HEADER_KEY = "Idempotency-Key"


class OperationHandler(HermesHandler):
    """Authenticate, put the request's fields together, perform, answer. One path, an operation a method."""

    def initialize(self, shared: Shared, operations: dict[str, Operation] | None = None) -> None:
        """The operations of this path, by method."""
        super().initialize(shared)
        self.operations = operations or {}
        self.SUPPORTED_METHODS = tuple(self.operations)  # the others are answered with 405

    # Jupyter's own check knows people only; ours is in `actor`, for every request.
    @allow_unauthenticated
    async def get(self, **path_fields: str) -> None:
        """GET: the fields are in the path and the query."""
        await self._perform({name: self.get_query_argument(name) for name in self.request.query_arguments}, path_fields)

    @allow_unauthenticated
    async def post(self, **path_fields: str) -> None:
        """POST: the fields are in the path and the JSON body."""
        limit = self.shared.body_limit_bytes
        if len(self.request.body) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.", field="body", limit_bytes=limit)
        await self._perform(None, path_fields)

    @allow_unauthenticated
    async def delete(self, **path_fields: str) -> None:
        """DELETE: the fields are in the path."""
        await self._perform({}, path_fields)

    async def _perform(self, fields: JsonObject | None, path_fields: dict[str, str]) -> None:
        actor = await self.actor()
        operation = self.operations[str(self.request.method)]
        body = self.json_body() if fields is None else fields
        key = self.request.headers.get(_HEADER_KEY)
        header = {"idempotency_key": key} if key and "idempotency_key" in operation.request.model_fields else {}
        answer = await perform(self.services, actor, operation, {**header, **body, **path_fields})
        if operation.location is not None:
            self.set_header("Location", f"{self.request.path}/{answer[operation.location]}")
        self.answer(answer, operation.status)
