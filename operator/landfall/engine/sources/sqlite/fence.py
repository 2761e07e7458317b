"""The fence of SQLite: three triggers on every table, in the lock's own transaction."""

from __future__ import annotations

from landfall.engine.model.fence import Fence
from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.sources.base import FenceableLock
from landfall.engine.sources.sqlite.session import SqliteSession

_EVENTS = ("INSERT", "UPDATE", "DELETE")


class SqliteLock(FenceableLock):
    """The write lock: a transaction that is the only one that may write."""

    def __init__(self, session: SqliteSession) -> None:
        super().__init__(session)
        self._session = session

    def _create(self, fence: Fence) -> None:
        """Commit the triggers with the transaction of the lock: the next writer reads the new schema first."""
        virtual = {name for (name,) in self._session.rows("SELECT name FROM pragma_table_list WHERE type='virtual'")}
        for number, (_, table) in enumerate(fence.tables):
            for event in () if table in virtual else _EVENTS:  # SQLite has no triggers on virtual tables
                self._session.rows(
                    f"CREATE TRIGGER IF NOT EXISTS {quoted(f'{fence.name}_{number}_{event.lower()}')} BEFORE {event} ON {quoted(table)}"
                    f" BEGIN SELECT RAISE(ABORT,{literal(fence.message)}); END"
                )
        self._session.rows("COMMIT")


def remove_fence(session: SqliteSession, name: str) -> int:
    """Drop the triggers of a fence, in one transaction; their number."""
    session.rows("BEGIN IMMEDIATE")
    triggers = session.rows(
        f"SELECT name FROM sqlite_master WHERE type='trigger' AND substr(name,1,{len(name) + 1})={literal(name + '_')}"
    )
    for row in triggers:
        session.rows(f"DROP TRIGGER {quoted(row[0] or '')}")
    session.rows("COMMIT")
    return len(triggers)
