"""The ends at which a merge is written: the file now, an open tab and a shared room later (DESIGN section 6).

The merge itself exists once. An end reads what a person sees there, and takes a merged notebook in the place of exactly
that: it compares and writes, as one step where its medium has such a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hermes_lab.engines.contents import Document
from hermes_lab.model.payload import Notebook

MayWrite = Callable[[], None]
"""To be called in the last moment before the document is touched.

Raises:
    DocumentMoved: somebody else writes the document now (the writer's token is not the newest, or it expired).
"""


class DocumentWriter(Protocol):
    """One end."""

    async def read(self, path: str) -> Document | None:
        """The document as it is now, with what is not saved where this end knows it; None: there is none.

        Raises:
            InvalidRequest: what is there is no valid notebook.
        """

    async def write(self, path: str, notebook: Notebook, before: Document | None, may_write: MayWrite) -> str:
        """Put the notebook in the place of ``before``; answers the text that is there then.

        Where writing fails, what is there decides: is it the notebook, the write counts; is it ``before``, the error is
        told; is it half of something, it is completed, or else restored.

        Raises:
            DocumentMoved: what is there is not ``before``; nothing was written.
            Conflict: what is there afterwards is neither; code ``document_overwritten``.
            HalfWritten: it could be neither completed nor restored.
            HermesError: it could not be written; ``before`` is there.
        """

    async def finish(self, path: str, notebook: Notebook, before: Document | None, may_write: MayWrite) -> str | None:
        """Finish a write that was cut off; None: somebody else wrote the document since, and it was left alone.

        It is finished where the document is as before, is the notebook already, or no longer parses.

        Raises:
            HermesError: as `write`.
        """
