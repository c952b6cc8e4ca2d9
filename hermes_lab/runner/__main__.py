"""``python -m hermes_lab.runner``: the runner's process; a supervisor starts it and speaks to it on its pipes."""

import sys

# Beside JupyterLab, nbformat's JSON schema library would compile this grammar of web addresses for more than a
# second at every start; without it that library does not check the format "iri", which no notebook has.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

from hermes_lab.runner.child import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
