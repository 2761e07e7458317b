"""The journal's database, SQLite or PostgreSQL: stores and reads lines and samples.

Storing is idempotent by (pod, number), so a sender that is not sure sends again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import ConnectionPoolEntry

from landfall.journal.tables import LINE, SAMPLE

DEFAULT_URL = "sqlite:////var/lib/landfall/journal.db"
KINDS = ("Migration", "Deployment", "Connection", "Webhook")  # kinds whose workers write to the journal
_BUSY_SECONDS = 4
_CONNECT_SECONDS = 4


@dataclass(frozen=True, slots=True)
class LogSource:
    """The origin of lines and samples: the pod of a Job that works for an object."""

    namespace: str
    kind: str
    name: str
    job: str
    pod: str


@dataclass(frozen=True, slots=True)
class StoredLine:
    """One line of a worker's log. `phase` is the phase of the work at that time; `number` counts the lines of the pod."""

    number: int
    at: datetime
    level: str
    phase: str
    message: str


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Selects lines.

    Attributes:
        job: Prefix of the Job's name; empty for all Jobs.
        after: Only lines after this position.
        levels: Levels to include; empty for all.
        phases: Phases to include; empty for all.
        since: Only lines at or after this time.
        limit: Maximum number of lines.
        newest: Return the newest lines instead of the oldest. The order is chronological in both cases.
    """

    job: str = ""
    after: int = 0
    levels: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    since: datetime | None = None
    limit: int = 1000
    newest: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """Metrics of a run at one time. `cpu_seconds` and `memory_bytes` are of the worker; `bytes` are copied bytes."""

    number: int
    at: datetime
    percent: int
    rows: int
    total_rows: int
    bytes: int
    rows_per_second: int
    recovered_errors: int
    compared_rows: int = 0
    corrected_rows: int = 0
    cpu_seconds: int = 0
    memory_bytes: int = 0


class Journal:
    """The journal in one database. Every method may raise `sqlalchemy.exc.SQLAlchemyError`."""

    def __init__(self, url: str) -> None:
        address = sa.make_url(url)
        if address.drivername in {"postgresql", "postgres"}:
            address = address.set(drivername="postgresql+psycopg")
        if address.get_backend_name() not in {"sqlite", "postgresql"}:
            message = f"the journal does not support {address.get_backend_name()}: set LANDFALL_JOURNAL_URL to a SQLite or PostgreSQL database"
            raise ValueError(message)
        if address.get_backend_name() == "sqlite":
            self._engine = sa.create_engine(address, connect_args={"timeout": _BUSY_SECONDS})
            sa.event.listen(self._engine, "connect", _durable)
        else:
            arguments = {"connect_timeout": _CONNECT_SECONDS, "options": f"-c statement_timeout={_BUSY_SECONDS}s"}
            self._engine = sa.create_engine(address, connect_args=arguments, pool_pre_ping=True, pool_size=2)
        self._insert = sqlite.insert if address.get_backend_name() == "sqlite" else postgresql.insert

    def prepare(self) -> None:
        """Create the tables, or migrate them to this version."""
        settings = Config()
        settings.set_main_option("script_location", str(Path(__file__).parent))
        settings.set_main_option("path_separator", "newline")
        with self._engine.begin() as connection:
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")

    def has_tables(self) -> bool:
        """Whether the tables exist: they are created before the first line is stored."""
        return all(sa.inspect(self._engine).has_table(table.name) for table in (LINE, SAMPLE))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def append(self, source: LogSource, lines: Iterable[StoredLine], samples: Iterable[Sample] = ()) -> None:
        """Store lines and samples; those that are already stored are ignored."""
        origin = asdict(source)
        with self._engine.begin() as connection:
            for table, values in ((LINE, lines), (SAMPLE, samples)):
                rows = [{**origin, **asdict(value)} for value in values]
                if rows:
                    connection.execute(self._insert(table).on_conflict_do_nothing(index_elements=["pod", "number"]), rows)

    def lines(
        self, namespace: str, kind: str, name: str, selected: LineFilter = LineFilter()
    ) -> Sequence[tuple[int, StoredLine]]:
        """Return lines of an object, oldest first, each with its position."""
        columns = (*(LINE.c[n] for n in ("id", "number", "at", "level", "phase", "message")),)
        query = self._select(LINE, columns, namespace, kind, name).where(LINE.c.id > selected.after).limit(selected.limit)
        if selected.job:
            query = query.where(LINE.c.job.startswith(selected.job, autoescape=True))
        if selected.levels:
            query = query.where(LINE.c.level.in_(selected.levels))
        if selected.phases:
            query = query.where(LINE.c.phase.in_(selected.phases))
        if selected.since:
            query = query.where(LINE.c.at >= selected.since.astimezone(UTC))
        query = query.order_by(LINE.c.id.desc() if selected.newest else LINE.c.id)
        with self._engine.connect() as connection:
            rows = [(r.id, StoredLine(r.number, _utc(r.at), r.level, r.phase, r.message)) for r in connection.execute(query)]
        return rows[::-1] if selected.newest else rows

    def samples(self, namespace: str, kind: str, name: str, *, limit: int = 1000) -> Sequence[Sample]:
        """Return the newest samples of an object, oldest first."""
        columns = (*(SAMPLE.c[f] for f in Sample.__slots__),)
        query = self._select(SAMPLE, columns, namespace, kind, name).order_by(SAMPLE.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            rows = [row._asdict() for row in connection.execute(query)]
        return [Sample(**{**row, "at": _utc(row["at"])}) for row in reversed(rows)]

    @staticmethod
    def _select(table: sa.Table, columns: Iterable[Any], namespace: str, kind: str, name: str) -> sa.Select[Any]:
        return sa.select(*columns).where(table.c.namespace == namespace, table.c.kind == kind, table.c.name == name)

    def delete(self, namespace: str, kind: str, name: str, *, lines: bool, samples: bool) -> int:
        """Delete lines, samples or both of an object's workers.

        Returns:
            The number of deleted rows.
        """
        deleted = 0
        with self._engine.begin() as connection:
            for table in [t for t, selected in ((LINE, lines), (SAMPLE, samples)) if selected]:
                statement = sa.delete(table).where(table.c.namespace == namespace, table.c.kind == kind, table.c.name == name)
                deleted += connection.execute(statement).rowcount
        return deleted

    def expire(self, before: datetime, most: int) -> int:
        """Delete old lines and samples.

        Args:
            before: Delete everything that is older.
            most: Keep at most this number of lines and of samples; the oldest ones are deleted.

        Returns:
            The number of deleted rows.
        """
        deleted = 0
        with self._engine.begin() as connection:
            for table in (LINE, SAMPLE):
                newest = sa.select(table.c.id).order_by(table.c.id.desc()).offset(most).limit(1)
                last = connection.execute(newest).scalar() or 0
                result = connection.execute(sa.delete(table).where(sa.or_(table.c.at < before, table.c.id <= last)))
                deleted += result.rowcount
        return deleted


def _utc(moment: datetime) -> datetime:
    """SQLite stores no time zone; all times are stored in UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _durable(connection: Any, _: ConnectionPoolEntry) -> None:  # noqa: ANN401  a connection of sqlite3
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
