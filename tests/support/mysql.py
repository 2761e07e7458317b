"""A real MySQL server for the tests. Debian has it in unstable alone: unpacked there into the cache, and run from the cache.

MariaDB is no substitute: stored expressions, the catalog, conversions and functions differ. The server runs with its own libraries
by its own loader, so that nothing is installed and nothing need be root's but the unpacking.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.servers import MariaDb

_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MIRROR = re.compile(r"^(?:URIs:\s*|deb (?:\[[^]]*\] )?)(\w+:\S+)", re.MULTILINE)
_KEPT = ("usr/sbin/mysqld", "usr/share/mysql", "usr/lib/mysql", "usr/lib/*-linux-gnu*")


def _mirror() -> str:
    """The mirror of Debian that this machine installs from."""
    for file in _SOURCES:
        found = _MIRROR.search(file.read_text()) if file.exists() else None
        if found:
            return found.group(1)
    message = f"none of {', '.join(map(str, _SOURCES))} names a mirror of Debian"
    raise RuntimeError(message)


def unpacked() -> Path:
    """The newest MySQL in the cache, `mysql-<version of the package>`; where there is none, Debian unstable's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "landfall"
    known = sorted(cache.glob("mysql-*"), key=lambda p: p.stat().st_mtime)
    return known[-1] if known else _fetched(cache)


def _fetched(cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".mysql-") as work:
        tree, kept = Path(work) / "tree", Path(work) / "kept"
        mode = "root" if os.getuid() == 0 else "unshare"
        options = ['--aptopt=APT::Sandbox::User "root"', '--aptopt=Acquire::Check-Valid-Until "false"']
        subprocess.run(
            [
                *("mmdebstrap", "--quiet", "--variant=extract", f"--mode={mode}", *options),
                *("--include=mysql-server-core", "sid", str(tree), f"deb [signed-by={_KEYRING}] {_mirror()} sid main"),
            ],
            check=True,
        )
        for pattern in _KEPT:
            for found in tree.glob(pattern):
                place = kept / found.relative_to(tree)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(found, place)
        told = subprocess.run([*_program(kept), "--no-defaults", "--version"], check=True, capture_output=True, text=True).stdout
        home = cache / f"mysql-{told.partition(' Ver ')[2].split()[0]}"
        if not home.exists():
            kept.rename(home)
        return home


def _program(home: Path) -> tuple[str, ...]:
    """The server, with the libraries that came with it."""
    (libraries,) = (home / "usr/lib").glob("*-linux-gnu*")
    loader = next(libraries.glob("ld-linux*"))
    return (str(loader), "--library-path", f"{libraries}:{libraries}/mysql/private", str(home / "usr/sbin/mysqld"))


class MySql(MariaDb):
    """One MySQL server, with its defaults."""

    def start(self) -> MySql:
        """Make the data directory and start it; root has no password."""
        self.folder.chmod(0o755)
        done = subprocess.run([*self._base(), "--initialize-insecure"], check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        self.up()
        return self

    def _base(self) -> list[str]:
        home = unpacked()
        return [
            *(*_program(home), "--no-defaults", f"--basedir={home}/usr", f"--lc-messages-dir={home}/usr/share/mysql"),
            *(("--user=root",) if os.getuid() == 0 else ()),
            *(f"--datadir={self.folder}/data", "--secure-file-priv=NULL"),
        ]

    def _command(self) -> list[str]:
        return [
            *self._base(),
            *(f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1", "--mysqlx=OFF"),
            *(f"--pid-file={self.folder}/pid", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"),
            *("--cte-max-recursion-depth=1000000", *self.settings),
        ]

    def numbers(self, last: int) -> str:
        """As the column `seq`, 1 to `last`, for a FROM."""
        recursive = f"WITH RECURSIVE r(seq) AS (SELECT 1 UNION ALL SELECT seq+1 FROM r WHERE seq<{last}) SELECT seq FROM r"
        return f"({recursive}) numbers"
