"""Everything that can go wrong between a caller and hermes_lab.

    HermesError
    ├── InvalidRequest      400  what the caller sent cannot be used; `details.field` names it
    │   └── TooLarge        413  it is larger than this server accepts
    ├── NotAllowed          403  the caller may not do this
    ├── NotFound            404
    ├── Conflict            409  the request is fine, the present state does not admit it
    │   ├── StaleBase            the base hash is unknown; `details.current_hash`
    │   ├── DocumentMoved        the document is another than was expected; `details.current_hash`
    │   ├── MergeConflict        accepted changes overlap newer edits; `details.conflicts`
    │   └── IllegalTransition    the thing has ended or moved on; `details.state`
    ├── Unavailable         503  something that hermes_lab needs does not answer
    │   └── HalfWritten          a save was cut off and could not be repaired yet; the journal still has it
    └── TimedOut            504

A failed cell, a denied tool or a red verdict are answers, not errors (DESIGN section 4).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import Field

from hermes_lab.model.payload import JsonObject, Payload


class ErrorBody(Payload):
    """What every error looks like, over HTTP and in MCP results."""

    message: str = Field(description="A sentence for a person")
    reason: str = Field(description="The HTTP status in words")
    code: str = Field(description="A stable word for a program")
    details: JsonObject = Field(default_factory=dict, description="`field` names the culprit where there is one")


class HermesError(Exception):
    """The root: carries a message, a code and details, and knows its HTTP status."""

    status: ClassVar[int] = 500
    code: str = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details: JsonObject = details

    def body(self) -> ErrorBody:
        """The error as the payload that callers get."""
        reason = HTTPStatus(self.status).phrase
        return ErrorBody(message=self.message, reason=reason, code=self.code, details=self.details)


class InvalidRequest(HermesError):
    """What the caller sent cannot be used."""

    status = 400
    code = "invalid_request"


class TooLarge(InvalidRequest):
    """What the caller sent is larger than this server accepts."""

    status = 413
    code = "too_large"


class NotAllowed(HermesError):
    """The caller may not do this."""

    status = 403
    code = "not_allowed"


class NotFound(HermesError):
    """There is no such thing."""

    status = 404
    code = "not_found"


class Conflict(HermesError):
    """The present state does not admit the request."""

    status = 409
    code = "conflict"


class StaleBase(Conflict):
    """The base hash is none that this server has ever seen for the notebook."""

    code = "stale_base"


class DocumentMoved(Conflict):
    """The document is not the one that the caller, or a merge on its way, has seen; nothing was written."""

    code = "document_moved"


class MergeConflict(Conflict):
    """Accepted changes overlap what the document has become."""

    code = "merge_conflict"


class IllegalTransition(Conflict):
    """The thing has ended or moved on."""

    code = "illegal_transition"


class Unavailable(HermesError):
    """Something that hermes_lab needs does not answer."""

    status = 503
    code = "unavailable"


class HalfWritten(Unavailable):
    """A save left half a document, which could be neither completed nor restored yet; the next merge or start will."""

    code = "document_torn"


class TimedOut(HermesError):
    """It took longer than it may."""

    status = 504
    code = "timed_out"
