"""`python -m hermes_lab.cli` is `jupyter hermes`."""

import sys

from .main import main

sys.exit(main())
