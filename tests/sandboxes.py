"""Where kernels can be shut off; a test of the sandbox is skipped where they cannot."""

from __future__ import annotations

import pytest

from hermes_lab.engines.sandbox_probe import probe

needs_sandbox = pytest.mark.skipif(not probe().works, reason=str(probe().reason))
