"""The control connection to a PostgreSQL database through psycopg, with errors of the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from landfall.engine.clients import authentication
from landfall.engine.clients.errors import from_postgresql
from landfall.engine.clients.server_messages import PostgresMessage
from landfall.engine.errors import EngineError, UnreachableError
from landfall.engine.model.identifiers import searched_safely
from landfall.engine.model.options import Endpoint

PINNED = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "row_security": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "standard_conforming_strings": "on",
    "tcp_keepalives_idle": "30",
    "jit": "off",
}
Cells = tuple[Any, ...]


def _message(error: psycopg.Error) -> PostgresMessage:
    diagnostics, code = error.diag, error.sqlstate or ""
    text = (diagnostics.message_primary or str(error).splitlines()[0]) if str(error) else "the connection ended"
    if not code and isinstance(error, psycopg.OperationalError):
        code = "08006"
    return PostgresMessage(
        code,
        text,
        diagnostics.context or "",
        diagnostics.table_name or "",
        diagnostics.column_name or "",
        diagnostics.constraint_name or "",
        positioned=bool(diagnostics.statement_position),
    )


class PgSession:
    """A connection for all statements except the transfer of rows. In autocommit mode; `transaction()` opens a transaction."""

    def __init__(self, endpoint: Endpoint, side: str) -> None:
        self._side = side
        self._endpoint = endpoint
        self._no_rows = False
        self.raw = _connected(endpoint, side)
        search_path = self.value("SHOW search_path") if side == "source" else ""
        self.run(f"SET search_path={searched_safely(search_path, endpoint.schemas if side == 'source' else ())}")
        if side == "source":
            self.run("SET default_transaction_read_only=on")
        for name, value in PINNED.items():
            self.run(sql.SQL("SELECT set_config({}, {}, false)").format(name, value).as_string(self.raw))
        self.pid = self.raw.info.backend_pid

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Translate errors of psycopg inside the block into errors of the engine."""
        try:
            yield
        except psycopg.Error as error:
            raise from_postgresql(_message(error), self._side, no_rows=self._no_rows) from error

    @contextlib.contextmanager
    def without_rows(self) -> Iterator[None]:
        """The statements inside read no row of a person, so the server's messages are passed on whole."""
        self._no_rows = True
        try:
            yield
        finally:
            self._no_rows = False

    @property
    def backend(self) -> str:
        """The process identifier of the server's side."""
        return str(self.pid)

    def cancel(self) -> None:
        """End the statement that runs, from any thread."""
        self.raw.cancel()

    def run(self, statement: str, *values: object) -> None:
        """Run a statement."""
        with self._faults():
            self.raw.execute(statement.encode(), values or None)

    def rows(self, statement: str, *values: object) -> list[Cells]:
        """Run a query and return all rows."""
        with self._faults():
            return self.raw.execute(statement.encode(), values or None).fetchall()

    def value(self, statement: str, *values: object) -> Any:  # noqa: ANN401  any SQL type
        """Run a query and return the first value of the first row; None if there is no row."""
        rows = self.rows(statement, *values)
        return rows[0][0] if rows else None

    def copy_in(self, statement: str, data: bytes) -> None:
        """Run COPY … FROM STDIN with all of its input."""
        with self._faults(), self.raw.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.write(data)

    def described(self, statement: str) -> tuple[int, int]:
        """Return OID and modifier of the type of a query's first column."""
        with self._faults():
            result = self.raw.execute(statement.encode()).pgresult
        return (result.ftype(0), result.fmod(0)) if result else (0, -1)

    @contextlib.contextmanager
    def transaction(self, *, undo: bool = False) -> Iterator[None]:
        """Open a transaction, or a savepoint inside one. `undo`: always roll it back at the end."""
        with self._faults(), self.raw.transaction(force_rollback=undo):
            yield

    @contextlib.contextmanager
    def trial(self, seconds: int) -> Iterator[None]:
        """Open a transaction for untrusted statements: read-only, with a time limit in seconds for each statement, always rolled back."""
        with self.transaction(undo=True):
            self.run("SET TRANSACTION READ ONLY")
            self.run(f"SET LOCAL statement_timeout='{seconds}s'")
            yield

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(psycopg.Error):
            self.raw.close()


def _connected(endpoint: Endpoint, side: str) -> psycopg.Connection[Cells]:
    """A connection by the first attempt whose methods the server asks for."""
    first: psycopg.Error | None = None
    for attempt in authentication.libpq(endpoint):
        try:
            return psycopg.connect(
                autocommit=True, row_factory=tuple_row, prepare_threshold=None, **_arguments(endpoint, attempt.parameters)
            )
        except psycopg.Error as error:
            unfulfilled = authentication.UNFULFILLED in str(error)
            if not unfulfilled and (first is None or "FATAL:" in str(error)):
                raise _refused(error, endpoint, side) from error
            first = first or error
    if first is None:
        raise authentication.not_accepted(None, endpoint, side)
    raise authentication.not_accepted(authentication.asked_for(str(first)), endpoint, side) from first


def _arguments(endpoint: Endpoint, access: dict[str, str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "connect_timeout": 10,
        "application_name": "landfall",
        "keepalives_idle": 30,
        **dict(endpoint.parameters),
        "host": endpoint.host,
        "port": endpoint.port,
        "dbname": endpoint.database,
        "user": endpoint.username,
        **access,
        "client_encoding": "UTF8",
    }
    if endpoint.password:
        arguments["password"] = endpoint.password
    return arguments


def _refused(error: psycopg.Error, endpoint: Endpoint, side: str) -> EngineError:
    text = str(error)
    for code, words in (
        ("28P01", ("password authentication failed", "no password supplied", "authentication failed")),
        ("28000", ("no pg_hba.conf entry", "role ")),
        ("3D000", ('database "',)),
    ):
        if any(word in text for word in words):
            primary = text.rsplit("FATAL:", 1)[-1].strip().splitlines()[0]
            return from_postgresql(PostgresMessage(code, primary), side)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("\t")]  # hints are indented
    last = lines[-1] if lines else "no response"
    address = endpoint.host if endpoint.host.startswith("/") else f"{endpoint.host}:{endpoint.port}"
    return UnreachableError(
        f"{side}: no PostgreSQL answers at {address}: {last.rsplit(': ', 1)[-1]}",
        advice="Check host, port and tls in the Connection, and that no firewall blocks this machine.",
    )
