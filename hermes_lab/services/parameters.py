"""What notebooks can be given, and whether what a caller gives will do."""

from __future__ import annotations

import asyncio
from functools import partial

from hermes_lab.engines.papermill import check_known, check_parameters, inspect_parameters
from hermes_lab.model.actors import Actor
from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.kernels import KernelDescription
from hermes_lab.model.parameters import InspectParameters, NotebookParameters
from hermes_lab.model.payload import JsonObject, Notebook
from hermes_lab.services.installed_kernels import InstalledKernels
from hermes_lab.services.run_places import RunPlaces


class Parameters:
    """Inspects the parameters of notebooks."""

    def __init__(self, places: RunPlaces, kernels: InstalledKernels) -> None:
        self._places = places
        self._kernels = kernels

    async def inspect(self, actor: Actor, request: InspectParameters) -> NotebookParameters:
        """What a notebook can be given.

        Raises:
            InvalidRequest, NotFound: no notebook, or an unknown kernel.
        """
        document = await self._places.read(actor, request.path, "path")
        kernel = await self._kernels.kernel_of(document.notebook, request.kernel_name)
        inspect = partial(inspect_parameters, path=document.path)
        return await asyncio.to_thread(inspect, document.notebook, kernel.name, kernel.language)


def check_given(
    parameters: JsonObject, notebooks: list[Notebook], kernel: KernelDescription, *, allow_unknown: bool
) -> None:
    """Refuse a parameter that the kernel cannot be given, or that, unless allowed, none of the notebooks declares.

    Raises:
        InvalidRequest: ``details.field`` is ``parameters.<name>``.
    """
    check_parameters(parameters, kernel.name, kernel.language)
    if allow_unknown:
        return
    # Each by itself, for one may be the base's alone and another the proposal's.
    apart = [parameters] if len(notebooks) == 1 else [{name: value} for name, value in parameters.items()]
    for given in apart:
        refusals = []
        for notebook in notebooks:
            try:
                check_known(notebook, given, kernel.name, kernel.language)
            except InvalidRequest as error:
                refusals.append(error)
        if len(refusals) == len(notebooks):
            raise refusals[0]
