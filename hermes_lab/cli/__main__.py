"""`python -m hermes_lab.cli` is `jupyter hermes`."""

import sys

from hermes_lab.cli.main import main

sys.exit(main())
