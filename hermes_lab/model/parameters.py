"""Parameters of a notebook, as its cell tagged `parameters` declares them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hermes_lab.model.payload import Payload


class Parameter(Payload):
    """One parameter of a notebook, as far as its source tells."""

    name: str
    type_name: str | None = Field(
        default=None, description="The annotation, else the type of the default; null where neither tells"
    )
    default: str | None = Field(default=None, description="Its source, as it is in the cell")
    default_value: Any = Field(default=None, description="Its value where the source is a literal, else null")
    help: str = Field(default="", description="The comment behind it")


class NotebookParameters(Payload):
    """What a notebook can be given. ``known`` is false where the language of the notebook cannot be inspected."""

    path: str
    language: str | None = None
    cell_id: str | None = Field(default=None, description="The cell tagged `parameters`; null: there is none")
    known: bool = Field(description="Whether `parameters` are all that the notebook declares")
    parameters: list[Parameter] = Field(default_factory=list)


class InspectParameters(Payload):
    """Of which notebook, and for which kernel."""

    path: str = Field(min_length=1)
    kernel_name: str | None = Field(default=None, description="Default: the notebook's own kernel")
