"""`python -m landfall`, and the `landfall` command: the roles in a cluster, and the CLI."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial


def main() -> None:
    """Run the role that the first argument names."""
    gc.disable()  # what imports make stays: to look through it again and again takes a sixth of the time of a start
    role = _loaded(sys.argv[1] if len(sys.argv) > 1 else "")
    gc.freeze()
    gc.enable()
    sys.exit(role())


def _loaded(role: str) -> Callable[[], int | None]:
    """What runs a role. Each imports only what it needs: worker and CLI run without Kubernetes packages."""
    if role == "worker":
        from landfall.worker.fetch import main as fetch  # noqa: PLC0415
        from landfall.worker.main import main as worker  # noqa: PLC0415

        return fetch if sys.argv[2:3] == ["fetch"] else worker
    if role == "operator":
        from landfall.handlers.main import main as operator  # noqa: PLC0415
        from landfall.intake.server import Intake  # noqa: PLC0415

        return partial(operator, lambda parts: Intake(parts).application())
    if role == "leave":
        from landfall.handlers.uninstall import main as leave  # noqa: PLC0415

        return leave
    if role == "gateway":
        from landfall.gateway.main import main as gateway  # noqa: PLC0415

        return gateway
    if role == "journal":
        from landfall.journal.settings import JournalSettings  # noqa: PLC0415
        from landfall.journal.show import main as journal  # noqa: PLC0415
        from landfall.lib.environment import read_or_exit  # noqa: PLC0415

        return lambda: journal(sys.argv[2:], read_or_exit(JournalSettings))
    from landfall.cli.main import main as cli  # noqa: PLC0415

    return cli


if __name__ == "__main__":
    main()
