"""A real MySQL server for the tests. Debian has it in unstable alone.

MariaDB is no substitute: stored expressions, the catalog, conversions and functions differ.
"""

from __future__ import annotations

import os
import subprocess

from tests.support.servers import MariaDb
from tests.support.unstable import Unstable

_SERVER = Unstable(
    "mysql",
    package="mysql-server-core",
    program="usr/sbin/mysqld",
    kept=("usr/share/mysql", "usr/lib/mysql"),
    libraries=("mysql/private",),
    options=("--no-defaults",),
)


class MySql(MariaDb):
    """One MySQL server, with its defaults."""

    def start(self) -> MySql:
        """Make the data directory and start it; root has no password."""
        self.folder.chmod(0o755)
        result = subprocess.run([*self._base(), "--initialize-insecure"], check=False, capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(result.stderr)
        self.up()
        return self

    def _base(self) -> list[str]:
        home = _SERVER.home()
        return [
            *(*_SERVER.command(), "--no-defaults", f"--basedir={home}/usr", f"--lc-messages-dir={home}/usr/share/mysql"),
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
