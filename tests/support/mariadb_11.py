"""MariaDB 11.8, the newest long-term release, for the tests. Debian 12 has an older one; this is unstable's."""

from __future__ import annotations

import os
import subprocess

from tests.support.servers import MariaDb
from tests.support.unstable import Unstable

_SERVER = Unstable(
    "mariadb",
    package="mariadb-server-core",
    program="usr/sbin/mariadbd",
    kept=("usr/share/mariadb",),
    options=("--no-defaults",),
)
_SYSTEM_TABLES = ("system_tables", "performance_tables", "system_tables_data", "sys_schema")
_PREAMBLE = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\nSET @skip_auth_anonymous=1;\n"


class MariaDb11(MariaDb):
    """One server of MariaDB 11.8."""

    def start(self) -> MariaDb11:
        """Make the data directory and start it; root has no password."""
        self.folder.chmod(0o755)
        (self.folder / "data").mkdir()
        scripts = [(_SERVER.home() / "usr/share/mariadb" / f"mariadb_{name}.sql").read_text() for name in _SYSTEM_TABLES]
        made = subprocess.run(
            [*self._base(), "--bootstrap", f"--tmpdir={self.folder}"],
            input=_PREAMBLE + "\n".join(scripts),
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise RuntimeError(made.stderr)
        self.up()
        return self

    def _base(self) -> list[str]:
        home = _SERVER.home()
        return [
            *(*_SERVER.command(), "--no-defaults", f"--basedir={home}/usr", f"--lc-messages-dir={home}/usr/share/mariadb"),
            *(("--user=root",) if os.getuid() == 0 else ()),
            f"--datadir={self.folder}/data",
        ]
