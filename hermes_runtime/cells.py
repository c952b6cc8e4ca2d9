"""Which cell is running, as far as the kernel knows."""

import sys
from typing import Optional


def current_cell_id() -> Optional[str]:
    """The id of the cell that runs now, or None.

    JupyterLab puts it into the metadata of its execute requests; other clients do not, and a plain
    interpreter has no request at all.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    get_parent = getattr(getattr(shell, "kernel", None), "get_parent", None)
    if get_parent is None:
        return None
    cell_id = (get_parent("shell") or {}).get("metadata", {}).get("cellId")
    return cell_id if isinstance(cell_id, str) else None
