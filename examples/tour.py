"""`make try`: the shop from SQLite into an embedded PostgreSQL that this starts and stops: plan, move, verdict, and back."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from examples.shop import write_sqlite
from tests.support.servers import PostgreSql, embedded_bin

_HERE = Path(__file__).parent


def main() -> int:
    """The story; the exit status of the first step that fails."""
    began = time.monotonic()
    story = _HERE / "shop-from-sqlite"
    with tempfile.TemporaryDirectory(prefix="landfall-try-") as name:
        folder = Path(name)
        _say("writing the shop into a SQLite file (about 10 s)")
        write_sqlite(folder / "shop.db")
        for manifest in story.glob("*.yaml"):
            (folder / manifest.name).write_text(manifest.read_text(encoding="utf-8"), encoding="utf-8")
        _say("starting an embedded PostgreSQL 18 (about 5 s)")
        server = PostgreSql(embedded_bin()).start()
        try:
            url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
            for step in (("plan",), ("run", "--yes"), ("status",), ("rollback",)):
                _say(f"landfall {' '.join(step)} examples/shop-from-sqlite")
                status = _landfall(*step, str(folder), url=url)
                if status not in {0, 3} or (status == 3 and step != ("plan",)):
                    return status
        finally:
            server.stop()
    _say(f"done in {time.monotonic() - began:.0f} s: planned, moved, compared, cut over, and back again; nothing is left behind")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"\n=== {text}\n")
    sys.stdout.flush()


def _landfall(*arguments: str, url: str) -> int:
    environment = {**os.environ, "LANDFALL_SECRET_WAREHOUSE_URL": url}
    return subprocess.run([sys.executable, "-m", "landfall", *arguments], check=False, env=environment).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
