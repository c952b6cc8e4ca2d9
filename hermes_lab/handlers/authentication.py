"""From a request to an Actor: an agent's token, a kernel's token, or a person whom Jupyter authenticated."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from hermes_lab.handlers.json_body import parsed
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import ErrorBody, HermesError, InvalidRequest, NotAllowed, NotFound
from hermes_lab.model.payload import JsonObject
from hermes_lab.services.agents import TOKEN_PREFIX as AGENT_PREFIX
from hermes_lab.services.kernels import TOKEN_PREFIX as KERNEL_PREFIX
from hermes_lab.services.kernels import Kernels
from hermes_lab.services.readiness import Readiness
from hermes_lab.services.services import Services

_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)", re.IGNORECASE)

CODES_OF_FOREIGN_ERRORS = {
    400: "invalid_request",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}
"""What an error of Jupyter or Tornado is called, by its status."""
INTERNAL_ERROR = "internal_error"
XSRF = "xsrf"


@dataclass(frozen=True)
class Shared:
    """What all handlers have. ``ready`` says when the server has put in order what earlier ones left."""

    services: Services
    kernels: Kernels
    ready: Readiness
    body_limit_bytes: int


class HermesHandler(APIHandler):
    """The base of every handler of ours: it answers errors as ErrorBody, and knows who asks."""

    def initialize(self, shared: Shared) -> None:
        """What the application hands to each handler."""
        self.shared = shared
        self.services = shared.services

    def hermes_token(self) -> str | None:
        """The agent's or kernel's token of the request; None where there is none of ours."""
        match = _AUTHORIZATION.fullmatch(self.request.headers.get("Authorization", "").strip())
        token = match[1] if match else ""
        return token if token.startswith((AGENT_PREFIX, KERNEL_PREFIX)) else None

    def hermes_actor(self) -> Actor | None:
        """Whose valid token of ours the request carries."""
        token = self.hermes_token()
        if token is None:
            return None
        if token.startswith(AGENT_PREFIX):
            return self.services.agents.actor_for(token)
        return self.shared.kernels.actor_for(token)

    async def actor(self) -> Actor:
        """Who asks. A token of ours is never taken for a person, whatever else the request carries.

        Raises:
            NotAllowed: nobody that we know, or Jupyter's authorizer refuses.
            Unavailable: the server could not start; code `not_started`.
        """
        await self.shared.ready.wait()
        actor = await self._authenticated()
        self.shared.ready.check()
        return actor

    async def _authenticated(self) -> Actor:
        if self.hermes_token() is not None:
            actor = self.hermes_actor()
            if actor is None:
                raise _invalid_token()
            return actor
        user = self.current_user
        if user is None:
            raise NotAllowed("This needs a token, or a person who is logged in.", code="not_authenticated")
        # The decorator `authorized` remembers the first call's action for good: ask the authorizer itself.
        action = "read" if self.request.method == "GET" else "write"
        if not await ensure_async(self.authorizer.is_authorized(self, user, action, "hermes")):
            raise NotAllowed("Jupyter's authorizer does not allow this.", code="not_authorized")
        return Actor.person(getattr(user, "display_name", None) or user.username)

    def check_xsrf_cookie(self) -> None:
        """A valid token of ours in a header is no cookie that a foreign page could make use of.

        Raises:
            NotAllowed: a token of ours that is not valid; whoever sent it looks for no XSRF cookie.
        """
        if self.hermes_token() is None:
            super().check_xsrf_cookie()
        elif self.hermes_actor() is None:
            raise _invalid_token()

    def json_body(self) -> JsonObject:
        """The body as a JSON object; an empty body is an empty object.

        Raises:
            InvalidRequest: it is something else.
        """
        if not self.request.body:
            return {}
        try:
            body = parsed(self.request.body)
        except ValueError as error:
            raise InvalidRequest(f"The body is not JSON: {error}", code="invalid_json", field="body") from error
        if not isinstance(body, dict):
            raise InvalidRequest("The body is not a JSON object.", code="invalid_json", field="body")
        return body

    def answer(self, payload: JsonObject, status: int = 200) -> None:
        """Finish with JSON that every parser reads."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(payload, allow_nan=False))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error as ErrorBody; what we did not foresee is logged and tells the caller nothing."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, HermesError):
            body = error.body()
            status_code = error.status
        else:
            body = _foreign(status_code, error, f"{self.request.method} {self.request.path} was refused.")
        self.answer(body.model_dump(mode="json"), status_code)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """An error that we answer is no incident."""
        if not isinstance(value, HermesError):
            super().log_exception(typ, value, tb)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Tornado takes an exception that it does not know for a 500; ours carry their status."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        super().send_error(error.status if isinstance(error, HermesError) else status_code, **kwargs)


class UnknownRouteHandler(HermesHandler):
    """Whatever else lies under our prefix."""

    async def prepare(self, **_options: Any) -> None:
        """Authenticate as everywhere, then say that there is nothing.

        Raises:
            NotFound: always, to whoever may ask at all.
        """
        await super().prepare()
        await self.actor()
        raise NotFound(f"There is no {self.request.path}.", code="no_such_route")


def _invalid_token() -> NotAllowed:
    return NotAllowed("The token is unknown, revoked or expired.", code="invalid_token")


def _foreign(status: int, error: BaseException | None, otherwise: str) -> ErrorBody:
    message = error.log_message if isinstance(error, HTTPError) and error.log_message else otherwise
    if status >= 500:
        return ErrorBody(
            message="Something went wrong in the server; its log says what.",
            reason="Internal Server Error",
            code=INTERNAL_ERROR,
        )
    known = status if status in CODES_OF_FOREIGN_ERRORS else 400
    code = CODES_OF_FOREIGN_ERRORS[known]
    if isinstance(error, HTTPError) and "XSRF" in message.upper():
        code = XSRF
    return ErrorBody(message=message, reason=HTTPStatus(known).phrase, code=code)
