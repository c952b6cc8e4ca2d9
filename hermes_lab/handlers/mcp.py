"""MCP over streamable HTTP at /hermes/mcp: one POST, one JSON answer; no session and no stream of our own.

https://modelcontextprotocol.io/specification (Transports). Whoever asks is recognised as everywhere under /hermes;
who is not is answered as everywhere too, with an ErrorBody. Everything after that is JSON-RPC.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY, UnsupportedProtocolVersionErrorData
from mcp_types.jsonrpc import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from hermes_lab.handlers.authentication import HermesHandler, Shared
from hermes_lab.handlers.json_body import parsed
from hermes_lab.handlers.mcp_dispatch import HANDSHAKE_VERSIONS, SERVED_VERSIONS, Dispatcher, RpcError
from hermes_lab.handlers.mcp_tools import TOOLS, Caller
from hermes_lab.model.errors import NotAllowed, TooLarge
from hermes_lab.model.payload import JsonObject

_VERSION = "MCP-Protocol-Version"
_ROUTING_HEADERS = (_VERSION, "Mcp-Method", "Mcp-Name")
_DISPATCHER = Dispatcher(TOOLS)
_BAD_REQUEST = frozenset({PARSE_ERROR, INVALID_REQUEST, HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION})


class McpHandler(HermesHandler):
    """The endpoint. There is nothing to GET and no session to DELETE: 405, as the transport has it."""

    SUPPORTED_METHODS = ("POST",)

    def initialize(self, shared: Shared, dispatcher: Dispatcher = _DISPATCHER) -> None:
        """The dispatcher that all requests share."""
        super().initialize(shared)
        self._dispatcher = dispatcher

    def skip_check_origin(self) -> bool:
        """Never: MCP wants the Origin checked whatever token comes with it."""
        return False

    async def prepare(self, **_options: Any) -> None:
        """Refuse pages of other origins with 403, which MCP prescribes where Jupyter says 404.

        Raises:
            NotAllowed: the Origin is neither this server nor one that Jupyter was told to allow.
        """
        if not self.check_origin():
            raise NotAllowed("Requests from this origin are not allowed.", code="foreign_origin")
        await super().prepare()

    # Jupyter's own check knows people only; ours is in `actor`.
    @allow_unauthenticated
    async def post(self) -> None:
        """One JSON-RPC message: a request is answered, a notification acknowledged."""
        caller = Caller(self.services, await self.actor())
        limit = self.shared.body_limit_bytes
        if len(self.request.body) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.", field="body", limit_bytes=limit)
        message: JSONRPCRequest | JSONRPCNotification | None = None
        try:
            message = self._message()
            version = self._version(message)
            if isinstance(message, JSONRPCNotification):
                self.set_status(202)
                self.finish()
                return
            if version in MODERN_PROTOCOL_VERSIONS:
                self._check_envelope(message)
            result = await self._dispatcher.result(caller, version, message.method, message.params or {})
        except RpcError as error:
            self._answer_error(message.id if isinstance(message, JSONRPCRequest) else None, error)
            return
        response = JSONRPCResponse(jsonrpc="2.0", id=message.id, result=result)
        self.answer(response.model_dump(mode="json"))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """What comes before JSON-RPC; 405 names the one method there is."""
        if status_code == 405:
            self.set_header("Allow", "POST")
        super().write_error(status_code, **kwargs)

    def _message(self) -> JSONRPCRequest | JSONRPCNotification:
        try:
            body = parsed(self.request.body)
        except (ValueError, RecursionError) as error:
            raise RpcError(PARSE_ERROR, f"The body is not JSON: {error}") from error
        if isinstance(body, list):
            raise RpcError(INVALID_REQUEST, "Batches are not served: send one message a request.")
        if not isinstance(body, dict) or "method" not in body:
            raise RpcError(INVALID_REQUEST, "The body is no JSON-RPC request and no notification.")
        # Whether there is an `id` tells them apart, and not which of the two happens to validate.
        kind = JSONRPCRequest if "id" in body else JSONRPCNotification
        try:
            return kind.model_validate(body)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
            raise RpcError(INVALID_REQUEST, f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error

    def _version(self, message: JSONRPCRequest | JSONRPCNotification) -> str:
        """The protocol revision of the message.

        Raises:
            RpcError: we do not serve it.
        """
        header = self.request.headers.get(_VERSION)
        if message.method == "initialize":  # it is what settles the revision
            return HANDSHAKE_VERSIONS[-1]
        if header is None:
            return HANDSHAKE_VERSIONS[0]
        if header not in SERVED_VERSIONS:
            known = UnsupportedProtocolVersionErrorData(supported=list(SERVED_VERSIONS), requested=header)
            raise RpcError(UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", known.model_dump(mode="json"))
        return header

    def _check_envelope(self, message: JSONRPCRequest) -> None:
        """Since 2026-07-28 the request carries its revision and the client's capabilities, and headers repeat it."""
        params = message.params or {}
        meta = params.get("_meta")
        keys = (PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY)
        if not isinstance(meta, dict) or any(key not in meta for key in keys):
            raise RpcError(INVALID_PARAMS, f"params._meta must hold {' and '.join(keys)}.")
        repeated = [meta[PROTOCOL_VERSION_META_KEY], message.method]
        if message.method == "tools/call":
            repeated.append(params.get("name"))
        for name, value in zip(_ROUTING_HEADERS, repeated, strict=False):
            if self.request.headers.get_list(name) != [value]:
                raise RpcError(HEADER_MISMATCH, f"The header {name} does not match the body.")

    def _answer_error(self, request_id: RequestId | None, error: RpcError) -> None:
        data = ErrorData(code=error.code, message=error.message, data=error.data)
        reply = JSONRPCError(jsonrpc="2.0", id=request_id, error=data)
        body: JsonObject = {**reply.model_dump(mode="json", exclude_none=True), "id": request_id}
        self.answer(body, self._status(error.code))

    def _status(self, code: int) -> int:
        """Up to 2025-11-25 an answered request is a 200, whatever the answer; since then HTTP says it too."""
        if code in _BAD_REQUEST:
            return 400
        if self.request.headers.get(_VERSION) not in MODERN_PROTOCOL_VERSIONS:
            return 200
        return {INVALID_PARAMS: 400, METHOD_NOT_FOUND: 404, INTERNAL_ERROR: 200}.get(code, 200)
