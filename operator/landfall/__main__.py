"""`python -m landfall`, and the `landfall` command: the roles in a cluster, and the CLI."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the role that the first argument names. Each role imports only what it needs: worker and CLI run without Kubernetes packages."""
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    if role == "worker" and sys.argv[2:3] == ["fetch"]:
        from landfall.worker.fetch import main as fetch  # noqa: PLC0415

        sys.exit(fetch())
    if role == "worker":
        from landfall.worker.main import main as worker  # noqa: PLC0415

        sys.exit(worker())
    if role == "operator":
        from landfall.handlers.main import main as operator  # noqa: PLC0415
        from landfall.intake.server import Intake  # noqa: PLC0415

        sys.exit(operator(lambda *parts: Intake(*parts).application()))
    if role == "leave":
        from landfall.handlers.uninstall import main as leave  # noqa: PLC0415

        sys.exit(leave())
    if role == "gateway":
        from landfall.gateway.main import main as gateway  # noqa: PLC0415

        sys.exit(gateway())
    if role == "journal":
        from landfall.journal.settings import JournalSettings  # noqa: PLC0415
        from landfall.journal.show import main as journal  # noqa: PLC0415
        from landfall.lib.environment import read_or_exit  # noqa: PLC0415

        sys.exit(journal(sys.argv[2:], read_or_exit(JournalSettings)))
    from landfall.cli.main import main as cli  # noqa: PLC0415

    cli()


if __name__ == "__main__":
    main()
