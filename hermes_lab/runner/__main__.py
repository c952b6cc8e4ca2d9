"""``python -m hermes_lab.runner``: the runner's process; a supervisor starts it and speaks to it on its pipes."""

import sys

from .child import main

sys.exit(main(sys.argv[1:]))
