"""Sessions with MySQL and MariaDB: pinned settings, rows as text, and a stream of rendered blocks.

The driver is a byte pipe: no value is ever converted. Every session pins what changes the meaning of a query.

`sql_mode` is not pinned. A server parses a table's stored expressions (generated columns, checks) in the mode of the session
that opens the table first, and keeps the parsed table for all sessions: with `NO_BACKSLASH_ESCAPES` (MySQL) or
`NO_UNSIGNED_SUBTRACTION` (both) on or off where the server's own sessions have it the other way, applications would read and
store other values. So a session keeps the mode that the server gives it, and generated SQL means the same in every mode.
Only modes are turned off that change what a read yields and that no server parses stored expressions with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from landfall.engine.clients import authentication, tls
from landfall.engine.clients.errors import from_mysql
from landfall.engine.errors import CredentialRefusedError, EngineError, SpecError, UnreachableError, ValueRefusedError
from landfall.engine.model.options import Endpoint
from landfall.engine.sources.mysql.server_certificate import fingerprints

try:
    import MySQLdb
    import MySQLdb.cursors

    MISSING = ""
except ImportError as error:  # the driver is an extra, for it is compiled on installation
    MISSING = str(error)

_PINNED = (
    "SET SESSION time_zone='+00:00', sql_select_limit=18446744073709551615,"
    " net_write_timeout=3600, net_read_timeout=3600, wait_timeout=86400, group_concat_max_len=1073741824,"
    " transaction_isolation='REPEATABLE-READ'"
)
# ANSI_QUOTES, which the names behind it stand for as well, changes how MariaDB prints expressions. ORACLE and the last two change values.
_TURNED_OFF = frozenset(
    {
        *("ANSI_QUOTES", "ANSI", "ORACLE", "DB2", "MAXDB", "MSSQL", "POSTGRESQL"),
        *("EMPTY_STRING_IS_NULL", "PAD_CHAR_TO_FULL_LENGTH"),
    }
)
_ROWS_AT_ONCE = 500
_NO_TLS = 2026
_CERTIFICATE_ATTEMPTS = 5
"""So many logins are tried at an address whose servers show certificates that are not known."""
_NOT_ALLOWED = 5010
_BLOCK = 256 * 1024

Row = tuple[str | None, ...]


def kept_mode(server_mode: str) -> str:
    """SQL for the `sql_mode` of our sessions, from the one that the server gave: its modes without those that are turned off."""
    modes = ",".join(mode for mode in server_mode.split(",") if mode.upper() not in _TURNED_OFF)
    return f"'{modes}'" if modes else "0"  # an empty literal may stand for NULL here


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a result as the protocol describes it: type, length in octets, decimals and flags by number."""

    type: int
    length: int
    decimals: int
    flags: int


class MySqlSession:
    """One connection to a source."""

    def __init__(self, endpoint: Endpoint, side: str = "source") -> None:
        if MISSING:
            message = f"{side}: the driver for MySQL and MariaDB is not installed ({MISSING})"
            raise SpecError(message, advice="Install it: pip install 'landfall[mysql]'.")
        self._side = side
        self._endpoint = endpoint
        self._connection = self._connected()
        self.version = self._connection.get_server_info()
        self.is_mariadb = "mariadb" in self.version.lower()
        pinned = _PINNED if self.is_mariadb is False else _PINNED.replace("transaction_isolation", "tx_isolation")
        self.rows(f"SET SESSION sql_mode={kept_mode(self.rows('SELECT @@SESSION.sql_mode')[0][0] or '')}")
        self.rows(pinned)
        self.rows(f"SET SESSION {'max_statement_time=0' if self.is_mariadb else 'max_execution_time=0'}")
        if not self.is_mariadb:
            self.rows("SET SESSION information_schema_stats_expiry=0")
        self.id = int(self.rows("SELECT CONNECTION_ID()")[0][0] or 0)

    def _connected(self) -> Any:  # noqa: ANN401  the driver has no type for its connection
        endpoint = self._endpoint
        arguments: dict[str, Any] = {
            "user": endpoint.username,
            "passwd": endpoint.password,
            "charset": "utf8mb4",
            "use_unicode": False,
            "conv": {},
            "connect_timeout": int(dict(endpoint.parameters).get("connect_timeout", "10")),
            "local_infile": False,  # a server may ask for a file of this machine in place of rows
            "multi_statements": False,
        }
        if endpoint.database:
            arguments["db"] = endpoint.database
        if endpoint.host.startswith("/"):
            return self._tried({**arguments, "unix_socket": endpoint.host})
        arguments |= {"host": _by_tcp(endpoint.host), "port": endpoint.port}
        policy = tls.policy(endpoint)
        if policy.verify is tls.Verify.HOST:
            return self._tried({**arguments, **tls.mysql(policy)})
        if policy.encrypt is tls.Encrypt.NEVER:
            return self._tried(self._without_tls(arguments))
        return self._pinned(arguments, policy)

    def _without_tls(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {**arguments, "ssl_mode": "DISABLED", **authentication.mysql(self._endpoint, frozenset())}

    def _pinned(self, arguments: dict[str, Any], policy: tls.TlsPolicy, attempts: int = _CERTIFICATE_ATTEMPTS) -> Any:  # noqa: ANN401  as above
        """A connection to a server whose certificate was read before; without TLS if none is offered and none is required."""
        endpoint, more = self._endpoint, attempts < _CERTIFICATE_ATTEMPTS
        pins = fingerprints(endpoint, self._side, arguments["connect_timeout"], more=more)
        if not pins and policy.encrypt is tls.Encrypt.ALWAYS:
            message = f"{self._side}: {endpoint.host}:{endpoint.port} offers no TLS"
            raise UnreachableError(message, advice="Turn TLS on there, or set `tls.mode: Prefer`.")
        if not pins:
            return self._tried(self._without_tls(arguments))
        encrypted = {**arguments, **tls.mysql(policy), "ssl_mode": "REQUIRED", **authentication.mysql(endpoint, pins)}
        connection = self._tried(encrypted, _NO_TLS if attempts > 1 else 0)
        return connection if connection is not None else self._pinned(arguments, policy, attempts - 1)

    def _tried(self, arguments: dict[str, Any], passed_over: int = 0) -> Any:  # noqa: ANN401  as above
        """A connection; None where it fails with the one error that is passed over."""
        try:
            return MySQLdb.connect(**arguments)
        except MySQLdb.Error as error:
            if passed_over and error.args[:1] == (passed_over,):
                return None
            if error.args[:1] == (_NOT_ALLOWED,):
                raise self._revealing() from error
            raise self._translated(error) from error

    def _revealing(self) -> EngineError:
        message = f"{self._side}: the server at {self._endpoint.host} asks for a login that would reveal the password, and the connection is not encrypted"
        advice = (
            "Turn TLS on there and set `tls.mode: Require`. To send the password nevertheless, give the Secret a `url` with the"
            " parameter allowPublicKeyRetrieval=true."
        )
        return CredentialRefusedError(message, advice=advice)

    def _translated(self, error: Exception) -> EngineError:
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[1]) if len(error.args) > 1 else str(error)
        return from_mysql(number, text, self._side)

    def rows(self, sql: str) -> list[Row]:
        """Run a statement; its rows as text."""
        try:
            cursor = self._connection.cursor()
            cursor.execute(sql)
            fetched = cursor.fetchall()
            cursor.close()
        except MySQLdb.Error as error:
            raise self._translated(error) from error
        return [tuple(None if v is None else _text(v) for v in row) for row in fetched]

    def described(self, sql: str) -> ResultColumn:
        """The first column of a query's result."""
        try:
            self._connection.query(sql)
            result = self._connection.store_result()
            (_, kind, _, length, _, decimals, _), flags = result.describe()[0], result.field_flags()[0]
        except MySQLdb.Error as error:
            raise self._translated(error) from error
        return ResultColumn(kind, length, decimals, flags)

    def raw_rows(self, sql: str) -> Iterator[tuple[bytes | None, ...]]:
        """Stream the rows of a statement as bytes, one by one."""
        try:
            cursor = self._connection.cursor(MySQLdb.cursors.SSCursor)
            cursor.execute(sql)
            yield from cursor
            cursor.close()
        except MySQLdb.Error as error:
            raise self._translated(error) from error

    def blocks(self, sql: str) -> Iterator[tuple[int, bytes]]:
        """Stream a query of one rendered column as (rows, bytes) blocks. Raises ValueRefusedError on a NULL row."""
        try:
            self._connection.query(sql)
            result = self._connection.use_result()
            parts: list[bytes] = []
            size = 0
            while batch := result.fetch_row(_ROWS_AT_ONCE):
                parts += [row[0] for row in batch]
                size = size + sum(map(len, parts[-len(batch) :]))
                if size >= _BLOCK:
                    yield len(parts), b"".join(parts)
                    parts, size = [], 0
            if parts:
                yield len(parts), b"".join(parts)
        except MySQLdb.Error as error:
            raise self._translated(error) from error
        except TypeError as error:
            message = f"{self._side}: a row was too large to be rendered within the server's max_allowed_packet"
            raise ValueRefusedError(message, advice="Raise max_allowed_packet there, then run again.") from error

    @contextlib.contextmanager
    def trial(self, seconds: int) -> Iterator[None]:
        """A transaction for statements that a person wrote: it only reads, each statement has a time limit, and all is rolled back."""
        limit = "max_statement_time={}" if self.is_mariadb else "max_execution_time={}000"
        self.rows(f"SET SESSION {limit.format(seconds)}")
        self.rows("START TRANSACTION READ ONLY")
        try:
            yield
        finally:
            with contextlib.suppress(EngineError):  # a session that is gone has rolled back
                self.rows("ROLLBACK")
                self.rows(f"SET SESSION {limit.split('=', maxsplit=1)[0]}=0")

    def abort(self) -> None:
        """End the connection at once, from any thread."""
        with contextlib.suppress(Exception):
            other = MySqlSession(self._endpoint, self._side)
            other.rows(f"KILL {self.id}")
            other.close()

    def close(self) -> None:
        """Close; the server rolls back what is open."""
        with contextlib.suppress(MySQLdb.Error):
            self._connection.close()


def _by_tcp(host: str) -> str:
    """The host as the client library takes it: `localhost` in small letters means a socket there, whatever the port."""
    return host.upper() if host.lower() == "localhost" else host


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
