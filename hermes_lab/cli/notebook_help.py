"""`jupyter hermes run NOTEBOOK --help-notebook`."""

from __future__ import annotations

from hermes_lab.model.parameters import NotebookParameters, Parameter

_WIDTH = 34


def notebook_help(inspected: NotebookParameters) -> str:
    """The parameters of a notebook, laid out as papermill lays them out."""
    lines = [f"Parameters inferred for notebook '{inspected.path}':"]
    if inspected.cell_id is None:
        return "\n".join([*lines, "", "  No cell tagged 'parameters'"])
    if not inspected.parameters:
        why = "It may not have any." if inspected.known else f"papermill cannot inspect {inspected.language}."
        return "\n".join([*lines, "", f"  Can't infer anything about this notebook's parameters. {why}"])
    return "\n".join([*lines, *(_line(parameter) for parameter in inspected.parameters)])


def _line(parameter: Parameter) -> str:
    definition = f"  {parameter.name}: {parameter.type_name or 'Unknown type'} (default {parameter.default})"
    if len(definition) <= _WIDTH - 4 or not parameter.help:
        return f"{definition:<{_WIDTH}}{parameter.help}".rstrip()
    return f"{definition}\n{' ' * _WIDTH}{parameter.help}"
