"""The journal of writes to documents: the intended bytes are kept before the file is touched (DESIGN section 6)."""

from __future__ import annotations

from typing import Literal

from hermes_lab.model.actors import Author
from hermes_lab.model.claims import Claim
from hermes_lab.model.payload import Payload, Sha256, UtcTime

WriteState = Literal["journalled", "written", "abandoned"]


class Write(Payload):
    """A merge on its way into its document. ``before_hash`` and ``intended_hash`` are snapshots of what was there and
    of the merged notebook, ``token`` is good for writing it (store/write_tokens.py), ``claim`` the idempotency key that
    is answered with the merge, by whichever server completes it."""

    write_id: str
    state: WriteState = "journalled"
    proposal_id: str
    path: str
    author: Author
    before_hash: Sha256 | None
    intended_hash: Sha256
    applied: list[str]
    token: int = 0
    claim: Claim | None = None
    created_at: UtcTime
    message: str | None = None
