"""Reading notebooks: what is handed out is kept, so that a proposal against it can always be understood."""

from __future__ import annotations

from hermes_lab.engines.contents import Documents
from hermes_lab.model.actors import Actor
from hermes_lab.model.notebooks import GetNotebook, NotebookContent
from hermes_lab.store import Store


class Notebooks:
    """Notebook documents, read-only."""

    def __init__(self, store: Store, documents: Documents) -> None:
        self._store = store
        self._documents = documents

    async def get(self, _actor: Actor, request: GetNotebook) -> NotebookContent:
        """The notebook, its hash, and a snapshot of its bytes kept under that hash.

        Raises:
            NotFound, InvalidRequest: see Documents.read.
        """
        document = await self._documents.read(request.path)
        self._store.snapshots.put(document.text)
        return NotebookContent(path=document.path, hash=document.hash, notebook=document.notebook)
