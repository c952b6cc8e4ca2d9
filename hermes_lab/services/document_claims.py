"""One merge of a document at a time, among all servers on a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hermes_lab.model.errors import Conflict, DocumentMoved
from hermes_lab.store import PathLock, Store

_PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class DocumentClaim:
    """The right to write a document, as long as nobody has a newer token for it and this one has not expired."""

    path: str
    token: int


class DocumentClaims:
    """Claims on documents: a lock that goes with its process, and a token that is good for ``seconds``.

    The lock tells at once that a server died. A server that hangs keeps its lock, but its token expires, and then the
    next one may write: the one that hung finds out before it touches the document (`check`).
    """

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._seconds = seconds

    @asynccontextmanager
    async def hold(self, path: str, wait_seconds: float | None = None) -> AsyncIterator[DocumentClaim]:
        """Wait until nobody else writes the document, then have the right to. By default the wait is long enough for
        the claim of one that hangs to expire.

        Raises:
            Conflict: another merge of it takes too long; code ``merge_going_on``.
        """
        lock = await self._locked(path, 2 * self._seconds if wait_seconds is None else wait_seconds)
        try:
            token = self._store.write_tokens.take(path, self._seconds)
            try:
                yield DocumentClaim(path, token)
            finally:
                self._store.write_tokens.give_back(path, token)
        finally:
            if lock is not None:
                lock.release()

    def end(self, path: str, token: int) -> None:
        """The server that had this token is dead; nobody need wait until it expires."""
        self._store.write_tokens.give_back(path, token)

    def is_good(self, claim: DocumentClaim) -> bool:
        """Whether the document may be written with it now."""
        return self._store.write_tokens.is_good(claim.path, claim.token)

    def renew(self, claim: DocumentClaim) -> None:
        """Have the claim be good for its whole time again.

        Raises:
            DocumentMoved: another one has taken its place.
        """
        if not self._store.write_tokens.renew(claim.path, claim.token, self._seconds):
            raise _overtaken(claim)

    def check(self, claim: DocumentClaim) -> None:
        """The last question before the document is touched.

        Raises:
            DocumentMoved: another one has taken the claim's place, or it has expired.
        """
        if not self.is_good(claim):
            raise _overtaken(claim)

    async def _locked(self, path: str, wait_seconds: float) -> PathLock | None:
        """The document's lock; None where one may go on without it."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            lock = self._store.path_locks.hold(path)
            waited = clock() - began
            if lock is not None or self._is_free(path, waited):
                return lock
            if waited > wait_seconds:
                raise Conflict("Another merge of the document goes on and on; try later.", code="merge_going_on")
            await asyncio.sleep(_PAUSE_SECONDS)

    def _is_free(self, path: str, waited: float) -> bool:
        """Whether the document may be written without its lock: there are no locks, or its holder hangs.

        Who has just got the lock takes a token in the next moment; who has had it for so long and holds none that is
        good finds out before it writes. Where two take a token in the same moment, the newer one is good.
        """
        if self._store.path_locks.work and waited < self._seconds:
            return False
        return not self._store.write_tokens.is_held(path)


def _overtaken(claim: DocumentClaim) -> DocumentMoved:
    return DocumentMoved("Another merge of the document has overtaken this one; nothing was written.", path=claim.path)
