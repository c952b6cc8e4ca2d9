"""papermill: parameters, the marks that it leaves in a notebook, and its names for what became of a cell.

The one place that imports papermill (its storage aside), and only where it is called for: the import takes a second or
two, because it loads every papermill engine that is installed.
"""

from hermes_lab.engines.papermill.inspection import check_known, inspect_parameters
from hermes_lab.engines.papermill.marks import (
    STATUS,
    add_error_markers,
    hide_inputs,
    is_error_marker,
    load,
    version,
    without_error_markers,
)
from hermes_lab.engines.papermill.parameters import INJECTED, check_parameters, parameterize
from hermes_lab.engines.papermill.yaml_parameters import parameters_in, parameters_of_file

__all__ = [
    "INJECTED",
    "STATUS",
    "add_error_markers",
    "check_known",
    "check_parameters",
    "hide_inputs",
    "inspect_parameters",
    "is_error_marker",
    "load",
    "parameterize",
    "parameters_in",
    "parameters_of_file",
    "version",
    "without_error_markers",
]
