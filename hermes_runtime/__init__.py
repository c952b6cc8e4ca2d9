"""The agent's tools inside a kernel: ``import hermes_runtime as hermes``.

Every call goes to the Jupyter server that started this kernel. There a policy, or a person, decides whether
the tool runs; a waiting approval is shown under the cell. What the tool answers is returned as a dict, a
failure of the tool itself as ``{"error": ...}``; exceptions say that a call never reached its tool.

Standard library only, Python 3.8 or newer: nothing has to be installed in the kernel's environment.
"""

from hermes_runtime.errors import NoServer, ToolDenied, ToolExpired
from hermes_runtime.scripting import json_parse, retry, shell_quote
from hermes_runtime.tools import read_file, terminal, tools, web_search

__all__ = [
    "NoServer",
    "ToolDenied",
    "ToolExpired",
    "json_parse",
    "read_file",
    "retry",
    "shell_quote",
    "terminal",
    "tools",
    "web_search",
]
