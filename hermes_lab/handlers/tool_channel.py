"""The way out of a sandbox: a Unix socket on which kernels call tools, and nothing else is to be had."""

from __future__ import annotations

import json
import logging
import socket
import stat
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from hermes_lab.handlers.authentication import Shared
from hermes_lab.handlers.operation import OperationHandler
from hermes_lab.handlers.routes import kernel_routes
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import ErrorBody, NotAllowed

_LOG = logging.getLogger(__name__)


_SECONDS_TO_LISTEN = 60.0
"""From the making of a socket until nobody can be about to listen at it any more."""


class KernelOperationHandler(OperationHandler):
    """The same operations, for kernels alone: here nobody else is anybody, not even where Jupyter lets everyone in."""

    async def _authenticated(self) -> Actor:
        """The kernel whose token the request carries."""
        actor = self.hermes_actor()
        if actor is None or actor.kind != "kernel":
            raise NotAllowed("Only a kernel calls tools.", code="only_kernels_call")
        return actor


class NothingHandler(RequestHandler):
    """Whatever else a server has, this socket has not."""

    def check_xsrf_cookie(self) -> None:
        """There is nothing to protect."""

    def prepare(self) -> None:
        """The same answer to every method."""
        self.set_status(404)
        self.set_header("Content-Type", "application/json")
        reason = HTTPStatus.NOT_FOUND.phrase
        body = ErrorBody(message=f"There is no {self.request.path}.", reason=reason, code="no_such_route")
        self.finish(json.dumps(body.model_dump(mode="json")))


class ToolChannel:
    """Listens at ``path``, which lies in a folder of the server's alone, with the ``settings`` of its application."""

    def __init__(self, shared: Shared, settings: dict[str, Any], path: Path) -> None:
        # With a static path, Tornado would serve files.
        kept = {name: value for name, value in settings.items() if not name.startswith("static_")}
        application = Application(
            kernel_routes(shared, KernelOperationHandler),
            **{**kept, "base_url": "/", "default_handler_class": NothingHandler},
        )
        self._server = HTTPServer(application, max_body_size=shared.body_limit_bytes)
        self._socket = path

    def open(self) -> None:
        """Listen. Where that fails, sandboxed kernels have no tools, and the log says so."""
        _remove_dead(self._socket)
        try:
            from tornado.netutil import bind_unix_socket  # noqa: PLC0415 - Windows has none

            self._server.add_socket(bind_unix_socket(str(self._socket), mode=0o600))
        except (ImportError, OSError, ValueError) as error:
            _LOG.error("There is no tool channel for sandboxed kernels: %s", error)

    async def close(self) -> None:
        """Stop listening, and end the connections that are open."""
        self._server.stop()
        await self._server.close_all_connections()
        self._socket.unlink(missing_ok=True)


def _remove_dead(own: Path) -> None:
    """Remove what killed servers left behind: sockets like ours at which nobody listens, with their folders."""
    for found in own.parent.parent.glob(f"hermes-*/{own.name}"):
        try:
            folder, is_old = found.parent.lstat(), time.time() - found.lstat().st_mtime > _SECONDS_TO_LISTEN
            is_ours = stat.S_ISDIR(folder.st_mode) and folder.st_uid == own.parent.stat().st_uid
            if is_ours and is_old and not _is_listened_at(found):
                found.unlink()
                found.parent.rmdir()
        except OSError as error:  # somebody else's, or somebody else was quicker
            _LOG.debug("%s is left where it is: %s", found, error)


def _is_listened_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True
