"""The staging schema of a run: its tables, the plan's statements in it, its sequences."""

from __future__ import annotations

from collections.abc import Callable

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.plan import Counter, Plan
from landfall.engine.targets.postgresql.plan_names import plan_search_path, sees_target_schema, staged
from landfall.engine.targets.postgresql.trust import refuse_shadows

# Concurrent index builds share the server's parallel workers; by default each one would request all of them.
_SHARED_WORKERS = "SELECT set_config('max_parallel_maintenance_workers',(current_setting('max_parallel_maintenance_workers')::int/%s)::text,false)"


class PostgresqlStage:
    """The staging schemas, of which one is that of the statements, in one session."""

    def __init__(self, control: PgSession, plan: Plan, schema: str, target_schema: str = "") -> None:
        self._control = control
        self._plan = plan
        self._base = schema
        self._target_schema = target_schema
        self._schema = plan.place(schema, target_schema)
        self._path = plan_search_path(plan, schema, target_schema)

    def create(self) -> None:
        """Create the schemas that do not exist."""
        for schema, _ in self._plan.places(self._base):
            if self._control.value("SELECT to_regnamespace(%s)", quoted(schema)) is None:
                with self._control.transaction():
                    self._control.run(f"CREATE SCHEMA {quoted(schema)}")
                    self._control.run(f"REVOKE ALL ON SCHEMA {quoted(schema)} FROM PUBLIC")

    def execute(self, sql: str, record: Callable[[], None]) -> None:
        """Execute a statement of the plan, and record it in the same transaction."""
        with self._control.transaction():
            self._control.run(f"SET LOCAL search_path={self._path}")
            self._control.run("SET LOCAL check_function_bodies=off")
            self._control.run("SET LOCAL maintenance_work_mem='256MB'")
            for schema in self._plan.target_schemas if sees_target_schema(self._plan) else ():
                refuse_shadows(self._control, schema)
            record()
            self._control.run(staged(self._plan, sql, self._base))

    def share(self, sessions: int) -> None:
        """Prepare this session for work that so many sessions do side by side."""
        self._control.run(f"SET search_path={self._path}")
        self._control.run(_SHARED_WORKERS, sessions)

    def analyze(self, table: str) -> None:
        """Collect the planner's statistics of a table."""
        self._control.run(f"ANALYZE {self._place(table)}")

    def drop_foreign_key(self, table: str, name: str) -> None:
        """Drop a foreign key of a table."""
        self._control.run(f"ALTER TABLE {self._place(table)} DROP CONSTRAINT {quoted(name)}")

    def set_sequence(self, name: str, value: int, *, is_called: bool) -> None:
        """Set a sequence to a value, which was given out already if it is `is_called`."""
        self._control.run("SELECT setval(%s::regclass,%s,%s)", self._place(name), value, is_called)

    def follow_sequence(self, name: str, value: int, *, is_called: bool) -> None:
        """Set a sequence of the target schema to a value, unless it is past it already."""
        place = f"{quoted(self._target_schema or self._plan.target_schema)}.{quoted(name)}"
        sign = "<" if self._control.value("SELECT seqincrement>0 FROM pg_sequence WHERE seqrelid=%s::regclass", place) else ">"
        self._control.run(
            f"SELECT setval(%s::regclass,%s,%s) FROM {place} WHERE last_value{sign}%s OR (last_value=%s AND NOT is_called)",
            *(place, value, is_called, value, value),
        )

    def set_counter(self, table: str, counter: Counter, following: int) -> None:
        """Set the sequence of a column past its largest value, or to `following` if that is further (0: unknown)."""
        control, place = self._control, self._place(table)
        sequence = control.value("SELECT pg_get_serial_sequence(%s,%s)", place, counter.column)
        if sequence is None:
            return
        edge = "max" if counter.increment > 0 else "min"
        largest = control.value(f"SELECT {edge}({quoted(counter.column)}) FROM {place}")
        past = None if largest is None else int(largest) + counter.increment
        candidates = [v for v in (past, following or None) if v is not None]
        if not candidates:
            return
        value = max(candidates) if counter.increment > 0 else min(candidates)
        low, high = control.rows("SELECT seqmin,seqmax FROM pg_sequence WHERE seqrelid=%s::regclass", sequence)[0]
        exhausted = not low <= value <= high
        control.run("SELECT setval(%s::regclass,%s,%s)", sequence, min(max(value, low), high), exhausted)

    def _place(self, name: str) -> str:
        return f"{quoted(self._schema)}.{quoted(name)}"
