"""Reading a notebook through hermes_lab."""

from __future__ import annotations

from pydantic import Field

from hermes_lab.model.payload import Notebook, Payload, Sha256


class GetNotebook(Payload):
    """Which notebook to read."""

    path: str = Field(min_length=1, description="Path from the server's root, with forward slashes")


class NotebookContent(Payload):
    """A notebook and the hash that a proposal against it names as its base."""

    path: str
    hash: Sha256 = Field(description="sha256 of the file's bytes, as the contents API gives it")
    notebook: Notebook
