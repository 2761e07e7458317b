"""`python -m tests.support.gateway_process TOKEN`: `landfall gateway` with its token in that file instead of in the pod's."""

from __future__ import annotations

import sys
from pathlib import Path

from landfall.gateway import main
from landfall.gateway.journal_client import IntakeJournalClient

if __name__ == "__main__":
    IntakeJournalClient.__init__.__defaults__ = (Path(sys.argv[1]),)  # type: ignore[attr-defined]
    sys.exit(main.main())
