"""Claims on idempotency keys: whoever repeats a request with its key gets what the first one made."""

from __future__ import annotations

from hermes_lab.model.actors import Actor
from hermes_lab.model.payload import Payload


class Claim(Payload):
    """A key as its caller used it for an operation; the same key of another caller is another one."""

    caller: str
    operation: str
    key: str

    @classmethod
    def of(cls, actor: Actor, operation: str, key: str | None) -> Claim | None:
        """The claim of a request; None where it has no key."""
        if key is None:
            return None
        # A person with a token has another anonymous name at each request; people share what they may see anyway.
        caller = "human" if actor.kind == "human" else f"{actor.kind}:{actor.kernel_id or actor.name}"
        return cls(caller=caller, operation=operation, key=key)
