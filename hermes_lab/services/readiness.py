"""Whether requests are answered yet."""

from __future__ import annotations

import asyncio

from hermes_lab.model.errors import Unavailable


class Readiness:
    """Requests wait until the server has put in order what earlier ones left, or it is known that it cannot."""

    def __init__(self) -> None:
        self._known = asyncio.Event()
        self._failure: BaseException | None = None

    def reached(self) -> None:
        """Requests are answered from now on."""
        self._known.set()

    def failed(self, failure: BaseException) -> None:
        """Requests are refused from now on, for this reason."""
        self._failure = failure
        self._known.set()

    async def wait(self) -> None:
        """Until either is known."""
        await self._known.wait()

    def check(self) -> None:
        """Refuse what comes after a start that failed.

        Raises:
            Unavailable: it did; code `not_started`.
        """
        if self._failure is not None:
            reason = f"{type(self._failure).__name__}: {self._failure}"
            raise Unavailable(f"hermes_lab could not start; the server's log says more. {reason}", code="not_started")
