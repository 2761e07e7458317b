"""Running the engine as a library in a test, with a hand in its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from landfall.engine.errors import EngineError
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import Plan
from landfall.engine.model.run_settings import Dials
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.run.runner import MigrationRun, Outcome
from tests.support import row_markers
from tests.support.mysql import MySql
from tests.support.servers import MariaDb, PostgreSql


def postgresql(server: PostgreSql, database: str, user: str = "postgres", password: str = "") -> Endpoint:
    """An endpoint in PostgreSQL."""
    return Endpoint("PostgreSQL", str(server.folder), server.port, database, user, password)


def mariadb(server: MariaDb, database: str, user: str = "root", password: str = "") -> Endpoint:
    """An endpoint in MariaDB or MySQL."""
    return Endpoint("MySQL" if isinstance(server, MySql) else "MariaDB", server.socket, 3306, database, user, password)


def sqlite(path: Path) -> Endpoint:
    """A SQLite file."""
    return Endpoint("SQLite", path=str(path))


@dataclass
class Move:
    """A migration in a test: `at` has functions that run when a state begins, in the run's own thread."""

    source: Endpoint
    target: Endpoint
    options: Options = field(default_factory=lambda: Options(batch_rows=200, parallelism=3))
    at: dict[str, Callable[[], None]] = field(default_factory=dict)
    on: Callable[[Event], None] = lambda _: None
    change: Callable[[Plan], Plan] = lambda plan: plan
    events: list[Event] = field(default_factory=list)
    dials: Dials | None = None
    handed_over: Callable[[Outcome, Callable[[], None]], None] | None = None

    def plan(self) -> Plan:
        """The plan. No row is to be read in it."""
        plan = self.change(make_plan(self.source, self.target, self.options))
        assert row_markers.rows_in([repr(plan)]) == []
        return plan

    def run(self) -> Outcome:
        """Plan and run, or resume."""
        migration = MigrationRun(self.source, self.target, self.options, self._event)
        self.dials, migration.handed_over = migration.dials, self.handed_over
        texts: list[str] = []
        try:
            plan = None if migration.existing() else self.plan()
            return migration.run("test", plan)
        except EngineError as error:
            texts.extend(row_markers.chain(error))
            raise
        finally:
            migration.close()
            assert row_markers.rows_in([*texts, *(event.text for event in self.events)]) == []

    def _event(self, event: Event) -> None:
        self.events.append(event)
        if event.kind == EventKind.STATE and event.text in self.at:
            self.at[event.text]()
        self.on(event)

    def again(self) -> Move:
        """The same migration under another key."""
        return replace(self, options=replace(self.options, rerun_token=self.options.rerun_token + "x"), events=[])


__all__ = ["Move", "Outcome", "mariadb", "postgresql", "sqlite"]
