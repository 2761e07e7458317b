"""How many examples a property or a state machine is tried with: few for each commit, thousands in `make campaign`."""

from __future__ import annotations

import os

PER_COMMIT = 40
EXAMPLES = int(os.environ.get("LANDFALL_EXAMPLES", str(PER_COMMIT)))
# The examples of a commit are the same each time, so that nobody's change fails on what another's has brought; more than those are new ones.
SAME = EXAMPLES <= PER_COMMIT
