"""The fence of MySQL and MariaDB: three triggers on every table, requested while the tables are locked.

Each trigger is created in a session of its own. A request for an exclusive metadata lock goes before all writers that wait. So when all
triggers of a table are requested, and the read lock on the table is released then, no writer comes in between. `LOCK TABLES … WRITE`
leaves a gap: with foreign keys (on MySQL) or triggers it waits for other tables as well, one after the other, and has not yet requested the later
ones when the read lock is released.

MariaDB keeps a copy `TABLE.TRG-` of a table's triggers while it creates one. Of two at once it can leave the copy (seen with 10.11), and
then DROP DATABASE fails. The next trigger that is created removes it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from landfall.engine.errors import ConnectionLostError, EngineError, SourceBusyError
from landfall.engine.model.fence import Fence
from landfall.engine.model.identifiers import literal
from landfall.engine.model.options import Endpoint
from landfall.engine.model.rows import Row
from landfall.engine.sources.base import FenceableLock
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.mysql.session import MySqlSession

MOST_FENCED_TABLES = 100  # a trigger takes about 15 ms of the write lock
MOST_TABLES_AT_ONCE = 10  # with three sessions each
_EVENTS = ("INSERT", "UPDATE", "DELETE")
_REQUEST_SECONDS = 3
_LOOK_SECONDS = 0.01

Tables = tuple[tuple[str, str], ...]


class MySqlLock(FenceableLock):
    """The write lock: sessions that hold read locks on groups of tables."""

    def __init__(self, endpoint: Endpoint, groups: Sequence[tuple[MySqlSession, Tables]]) -> None:
        super().__init__(*(session for session, _ in groups), backends=[str(session.id) for session, _ in groups])
        self._endpoint = endpoint
        self._groups = groups

    def _create(self, fence: Fence) -> None:
        with contextlib.closing(MySqlSession(self._endpoint)) as watching:
            existing = {(schema, trigger) for schema, _, trigger in _triggers(watching, fence.name)}
            numbers = {table: number for number, table in enumerate(fence.tables)}
            for session, tables in self._groups:
                creations = [
                    _creation(fence, table, event, name)
                    for table in tables
                    for event in _EVENTS
                    if (table[0], name := f"{fence.name}_{numbers[table]}_{event.lower()}") not in existing
                ]
                _request_all(self._endpoint, creations, watching, session)


def remove_fence(session: MySqlSession, name: str) -> int:
    """Drop the triggers of a fence; their number."""
    triggers = _triggers(session, name)
    if session.is_mariadb:
        _remove_copies(session, name, {(schema, table) for schema, table, _ in triggers})
    for schema, _, trigger in triggers:
        session.rows(f"DROP TRIGGER IF EXISTS {mysql.name(schema)}.{mysql.name(trigger)}")
    return len(triggers)


def _creation(fence: Fence, table: tuple[str, str], event: str, name: str) -> str:
    schema, relation = (mysql.name(part) for part in table)
    text = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT={literal(fence.message)}"
    return f"CREATE TRIGGER {schema}.{mysql.name(name)} BEFORE {event} ON {schema}.{relation} FOR EACH ROW {text}"


def _remove_copies(session: MySqlSession, name: str, tables: set[tuple[str, str]]) -> None:
    """Have MariaDB remove the copies that it left of the triggers of these tables."""
    for schema, table in sorted(tables):
        place, trigger = f"{mysql.name(schema)}.", mysql.name(f"{name}_copy")
        session.rows(f"CREATE TRIGGER {place}{trigger} BEFORE DELETE ON {place}{mysql.name(table)} FOR EACH ROW SET @landfall=1")
        session.rows(f"DROP TRIGGER {place}{trigger}")


def _triggers(session: MySqlSession, name: str) -> list[tuple[str, str, str]]:
    """The triggers of a fence, as (schema, table, name)."""
    rows = session.rows(
        "SELECT TRIGGER_SCHEMA,EVENT_OBJECT_TABLE,TRIGGER_NAME FROM information_schema.TRIGGERS"
        f" WHERE LEFT(TRIGGER_NAME,{len(name) + 1})={literal(name + '_')} ORDER BY 1,3"
    )
    return [(schema or "", table or "", trigger or "") for schema, table, trigger in rows]


def _request_all(endpoint: Endpoint, statements: Sequence[str], watching: MySqlSession, locking: MySqlSession) -> None:
    """Run statements that need an exclusive lock on tables that `locking` holds: request all, release the tables, and wait for all.

    Args:
        endpoint: The source.
        statements: At most one per event and table.
        watching: Another session of the same user, to see which requests wait.
        locking: The session that holds the tables.

    Raises:
        EngineError: A statement failed. Others of them may have succeeded.
    """
    with contextlib.ExitStack() as opened, ThreadPoolExecutor(max(1, len(statements))) as threads:
        sessions = [opened.enter_context(contextlib.closing(MySqlSession(endpoint))) for _ in statements]
        for session in sessions:
            session.rows(f"SET SESSION lock_wait_timeout={2 * _REQUEST_SECONDS}")
        running = [threads.submit(session.rows, sql) for session, sql in zip(sessions, statements, strict=True)]
        try:
            _await_requests(watching, sessions, running)
        except EngineError:
            for session in sessions:
                session.abort()
            raise
        locking.rows("UNLOCK TABLES")
        for request in running:
            request.result()


def _await_requests(watching: MySqlSession, sessions: Sequence[MySqlSession], running: Sequence[Future[list[Row]]]) -> None:
    """Return when every session waits for its lock. Raises an EngineError if one failed, did not have to wait, or waits not soon enough."""
    ids = ",".join(str(session.id) for session in sessions)
    query = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID IN ({ids}) AND STATE LIKE 'Waiting for table%lock'"
    deadline = time.monotonic() + _REQUEST_SECONDS
    while sessions and watching.rows(query) != [(str(len(sessions)),)]:
        for request in running:
            if request.done():
                request.result()
                message = "source: a table was not locked when its writers were to be refused"
                raise ConnectionLostError(message, advice="Nothing was cut over; run the same command again.")
        if time.monotonic() > deadline:
            message = f"source: the triggers that refuse writers were not requested within {_REQUEST_SECONDS} s"
            raise SourceBusyError(message, advice="Nothing was cut over; run the same command again when there is less load.")
        time.sleep(_LOOK_SECONDS)
