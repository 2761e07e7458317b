"""The journal itself: lines and samples into a database and out of it again, SQLite or PostgreSQL.

Keeping is idempotent by (pod, number), so whoever is not sure tells it again.
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
KINDS = ("Migration", "Deployment", "Connection", "Webhook")  # whose workers' lines it keeps
_BUSY_SECONDS = 4
_CONNECT_SECONDS = 4


@dataclass(frozen=True, slots=True)
class Teller:
    """Who tells it: the pod of a Job that works for an object."""

    namespace: str
    kind: str
    name: str
    job: str
    pod: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a worker's log. `phase` is where in its work it was."""

    number: int
    at: datetime
    level: str
    phase: str
    message: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which lines: at most `limit`, the oldest or the `newest`, in order.

    Of Jobs whose names begin with `job`, behind the position `after`, not before `since`; of these levels and phases, or of all.
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
    """The numbers of a run at one moment: how far and how fast it is, how good, and what it takes."""

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
    """One database, by its address. Every method may raise what the database raises, as `sqlalchemy.exc.SQLAlchemyError`."""

    def __init__(self, url: str) -> None:
        made = sa.make_url(url)
        if made.drivername in {"postgresql", "postgres"}:
            made = made.set(drivername="postgresql+psycopg")
        if made.get_backend_name() not in {"sqlite", "postgresql"}:
            message = (
                f"the journal is kept in SQLite or PostgreSQL, not in {made.get_backend_name()}: correct LANDFALL_JOURNAL_URL"
            )
            raise ValueError(message)
        if made.get_backend_name() == "sqlite":
            self._engine = sa.create_engine(made, connect_args={"timeout": _BUSY_SECONDS})
            sa.event.listen(self._engine, "connect", _durable)
        else:
            arguments = {"connect_timeout": _CONNECT_SECONDS, "options": f"-c statement_timeout={_BUSY_SECONDS}s"}
            self._engine = sa.create_engine(made, connect_args=arguments, pool_pre_ping=True, pool_size=2)
        self._insert = sqlite.insert if made.get_backend_name() == "sqlite" else postgresql.insert

    def prepare(self) -> None:
        """Bring its tables up to this version."""
        settings = Config()
        settings.set_main_option("script_location", str(Path(__file__).parent))
        settings.set_main_option("path_separator", "newline")
        with self._engine.begin() as connection:
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")

    def begun(self) -> bool:
        """Whether anything was ever kept: the tables come with the first line."""
        return all(sa.inspect(self._engine).has_table(table.name) for table in (LINE, SAMPLE))

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def keep(self, teller: Teller, lines: Iterable[Line], samples: Iterable[Sample] = ()) -> None:
        """Keep what is not there yet."""
        whose = asdict(teller)
        with self._engine.begin() as connection:
            for table, values in ((LINE, lines), (SAMPLE, samples)):
                rows = [{**whose, **asdict(value)} for value in values]
                if rows:
                    connection.execute(self._insert(table).on_conflict_do_nothing(index_elements=["pod", "number"]), rows)

    def lines(self, namespace: str, kind: str, name: str, chosen: Chosen = Chosen()) -> Sequence[tuple[int, Line]]:
        """Lines of an object, oldest first, each with its position."""
        wanted = (*(LINE.c[n] for n in ("id", "number", "at", "level", "phase", "message")),)
        found = self._of(LINE, wanted, namespace, kind, name).where(LINE.c.id > chosen.after).limit(chosen.limit)
        if chosen.job:
            found = found.where(LINE.c.job.startswith(chosen.job, autoescape=True))
        if chosen.levels:
            found = found.where(LINE.c.level.in_(chosen.levels))
        if chosen.phases:
            found = found.where(LINE.c.phase.in_(chosen.phases))
        if chosen.since:
            found = found.where(LINE.c.at >= chosen.since.astimezone(UTC))
        found = found.order_by(LINE.c.id.desc() if chosen.newest else LINE.c.id)
        with self._engine.connect() as connection:
            rows = [(r.id, Line(r.number, _utc(r.at), r.level, r.phase, r.message)) for r in connection.execute(found)]
        return rows[::-1] if chosen.newest else rows

    def samples(self, namespace: str, kind: str, name: str, *, limit: int = 1000) -> Sequence[Sample]:
        """The newest samples of an object, oldest first."""
        wanted = (*(SAMPLE.c[f] for f in Sample.__slots__),)
        found = self._of(SAMPLE, wanted, namespace, kind, name).order_by(SAMPLE.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            rows = [row._asdict() for row in connection.execute(found)]
        return [Sample(**{**row, "at": _utc(row["at"])}) for row in reversed(rows)]

    @staticmethod
    def _of(table: sa.Table, wanted: Iterable[Any], namespace: str, kind: str, name: str) -> sa.Select[Any]:
        return sa.select(*wanted).where(table.c.namespace == namespace, table.c.kind == kind, table.c.name == name)

    def forget(self, namespace: str, kind: str, name: str, *, lines: bool, samples: bool) -> int:
        """Forget what an object's workers told; how much went."""
        gone = 0
        with self._engine.begin() as connection:
            for table in [t for t, chosen in ((LINE, lines), (SAMPLE, samples)) if chosen]:
                mine = sa.delete(table).where(table.c.namespace == namespace, table.c.kind == kind, table.c.name == name)
                gone += connection.execute(mine).rowcount
        return gone

    def expire(self, before: datetime, most: int) -> int:
        """Forget what is older, and the oldest beyond so many of each; how many went."""
        gone = 0
        with self._engine.begin() as connection:
            for table in (LINE, SAMPLE):
                newest = sa.select(table.c.id).order_by(table.c.id.desc()).offset(most).limit(1)
                last = connection.execute(newest).scalar() or 0
                done = connection.execute(sa.delete(table).where(sa.or_(table.c.at < before, table.c.id <= last)))
                gone += done.rowcount
        return gone


def _utc(moment: datetime) -> datetime:
    """SQLite keeps no zone: what went in was UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _durable(connection: Any, _: ConnectionPoolEntry) -> None:  # noqa: ANN401  sqlite3's own connection
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
