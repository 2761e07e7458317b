"""The second half of the dry run: what the run does with complete tables, while they are empty and then with one row of made-up values.

The row makes PostgreSQL evaluate defaults, checks, generated columns and index expressions. A constraint may reject it, because its
values mean nothing; a statement that cannot be executed is a defect of the plan. No code of the source is executed: functions have
empty bodies here. Nothing is executed that a rollback does not undo: a table whose expressions may do that gets no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import psycopg

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.errors import EngineError
from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.model.plan import CopyForm, Plan, Statement, TablePlan
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.engine import TargetQueries, Unworkable
from landfall.engine.targets.postgresql.plan_names import plan_search_path

QueriesOf = Callable[[TablePlan], TargetQueries]
_SECONDS = 10
_OF_THE_PLAN = ("42", "0A", "54", "XX", "3F", "22023")  # what no other value of a row would change
_OF_THE_STATEMENT = (
    "42883",
    "42P01",
    "42703",
    "42804",
    "42846",
    "42601",
    "54023",
    "54011",
)  # what no session and no value would change
_OF_THE_VALUES = ("22", "23", "2F", "P0", "57014")  # 2F: what a function without a body returns
_NO_ROWS = {"csv": b"", "text": b"", "binary": b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff"}

_EXAMPLE = (
    "CASE WHEN b.typtype='e' THEN (SELECT enumlabel FROM pg_enum WHERE enumtypid=b.oid ORDER BY enumsortorder LIMIT 1)"
    " WHEN b.typname IN ('bit','varbit') THEN repeat('0',CASE WHEN a.atttypmod>0 THEN a.atttypmod ELSE 1 END)"
    " WHEN b.typname='uuid' THEN '00000000-0000-4000-8000-000000000000' WHEN b.typname='bytea' THEN '\\x61'"
    " WHEN b.typname IN ('json','jsonb') THEN '{}' WHEN b.typname='xml' THEN NULL WHEN b.typname IN ('tsvector','tsquery') THEN 'a'"
    " WHEN b.typname IN ('macaddr','macaddr8') THEN '08:00:2b:01:02:03'"
    " ELSE CASE b.typcategory WHEN 'A' THEN '{}' WHEN 'B' THEN 'true' WHEN 'D' THEN CASE WHEN b.typname LIKE 'time%%' AND b.typname NOT"
    " LIKE 'timestamp%%' THEN '12:00' ELSE '2000-01-01' END WHEN 'I' THEN '192.0.2.1' WHEN 'N' THEN '1' WHEN 'R' THEN 'empty'"
    " WHEN 'S' THEN 'a' WHEN 'T' THEN '1 day' END END"
)
_COLUMNS = (
    f"SELECT c.relnamespace::regnamespace::text,c.relname,array_agg(a.attname::text ORDER BY a.attnum),array_agg({_EXAMPLE} ORDER BY a.attnum) FROM pg_class c"
    " JOIN pg_attribute a ON a.attrelid=c.oid AND a.attnum>0 AND NOT a.attisdropped AND a.attgenerated='' AND a.attidentity<>'a'"
    " JOIN pg_type t ON t.oid=a.atttypid JOIN pg_type b ON b.oid=CASE WHEN t.typbasetype=0 THEN t.oid ELSE t.typbasetype END"
    " WHERE c.relnamespace=ANY(%s::text[]::regnamespace[]) AND c.relkind='r' GROUP BY c.relnamespace,c.relname"
)
_HARMLESS = "'nextval','random','gen_random_uuid','clock_timestamp','timeofday','uuid_generate_v1','uuid_generate_v1mc','uuid_generate_v4','uuidv7','uuidv4'"
# A table gets no row if an expression of it calls a volatile function that is not known to be harmless, code of the target that is neither
# the server's nor an extension's, or takes a number from a sequence outside the schema: sequences do not roll back.
_UNSAFE = (
    "WITH RECURSIVE typed(relation,type) AS (SELECT attrelid,atttypid FROM pg_attribute WHERE attnum>0 UNION"
    " SELECT d.relation,t.typbasetype FROM typed d JOIN pg_type t ON t.oid=d.type WHERE t.typbasetype<>0), e AS ("
    "SELECT adrelid AS relation,adbin::text AS tree,'pg_attrdef'::regclass AS class,oid AS object FROM pg_attrdef UNION ALL"
    " SELECT conrelid,conbin::text,'pg_constraint'::regclass,oid FROM pg_constraint WHERE conbin IS NOT NULL AND conrelid<>0 UNION ALL"
    " SELECT d.relation,k.conbin::text,'pg_constraint'::regclass,k.oid FROM pg_constraint k JOIN typed d ON d.type=k.contypid"
    " WHERE k.conbin IS NOT NULL AND k.contypid<>0 UNION ALL"
    " SELECT d.relation,t.typdefaultbin::text,'pg_type'::regclass,t.oid FROM pg_type t JOIN typed d ON d.type=t.oid"
    " WHERE t.typdefaultbin IS NOT NULL UNION ALL"
    " SELECT indrelid,concat(indexprs::text,indpred::text),'pg_class'::regclass,indexrelid FROM pg_index)"
    " SELECT DISTINCT c.relnamespace::regnamespace::text,c.relname FROM pg_class c JOIN e ON e.relation=c.oid"
    " CROSS JOIN LATERAL regexp_matches(e.tree,':(?:op)?funcid (\\d+)','g') m JOIN pg_proc p ON p.oid=m[1]::oid"
    " WHERE c.relnamespace=ANY(%(s)s) AND p.pronamespace<>ALL(%(s)s) AND ("
    f"p.provolatile='v' AND p.proname NOT IN ({_HARMLESS}) OR p.pronamespace<>'pg_catalog'::regnamespace AND NOT EXISTS"
    " (SELECT 1 FROM pg_depend x WHERE x.classid='pg_proc'::regclass AND x.objid=p.oid AND x.deptype='e')"
    " OR p.oid='nextval(regclass)'::regprocedure AND ("
    " (SELECT count(*) FROM regexp_matches(e.tree,':funcid '||p.oid||' ','g')) >"
    " (SELECT count(*) FROM regexp_matches(e.tree,':funcid '||p.oid||' [^{}]*:args \\(\\{CONST :consttype 2205 ','g'))"
    " OR EXISTS (SELECT 1 FROM pg_depend x JOIN pg_class q ON q.oid=x.refobjid WHERE x.classid=e.class AND x.objid=e.object"
    " AND x.refclassid='pg_class'::regclass AND q.relkind='S' AND q.relnamespace<>ALL(%(s)s))))"
)
_COUNTING = (
    "SELECT DISTINCT c.relname FROM pg_rewrite r JOIN pg_class c ON c.oid=r.ev_class WHERE c.relnamespace=%s::regnamespace"
    " AND r.ev_action::text ~ (':funcid '||'nextval(regclass)'::regprocedure::oid||' ')"
)
_DEFAULTS = (
    "SELECT a.attname,pg_get_expr(d.adbin,d.adrelid) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid=d.adrelid AND a.attnum=d.adnum"
    " WHERE d.adrelid=%s::regclass AND a.attgenerated='' ORDER BY a.attnum"
)


class RowProof:
    """Proves the later work of a run in the schema of a dry run, inside its transaction.

    Args:
        control: The session.
        plan: The plan.
        schema: The first schema in which its tables are; see `Plan.place`.
        queries: The queries over one table in its schema.
    """

    def __init__(self, control: PgSession, plan: Plan, schema: str, queries: QueriesOf) -> None:
        self._control = control
        self._plan = plan
        self._schema = schema
        self._queries = queries
        self.refused: dict[int, str] = {}
        self.unworkable: list[Unworkable] = []

    def tables(self) -> None:
        """Execute the statements of copy, verification and repair over every table, then store a row in it.

        Only the rows have a time limit, because they evaluate expressions of the source. The catalog queries take longer the more tables
        there are.
        """
        control = self._control
        moved_tables = [t for t in self._plan.tables if t.moved] if self._plan.moves_rows else []
        for table in moved_tables:
            self._work(table)
        unsafe, columns = self._read()
        control.run(f"SET LOCAL statement_timeout='{_SECONDS}s'")
        for table in self._plan.tables:
            place = (self._plan.place(self._schema, self._plan.within(table)), table.target)
            if place in columns and place not in unsafe:
                control.run(f"SET LOCAL search_path={plan_search_path(self._plan, self._schema, self._plan.within(table))}")
                self._row(table, *columns[place])
        control.run("SET LOCAL statement_timeout=0")

    def views(self) -> None:
        """Read every translated view, over the rows that `tables` stored. A native one calls functions that are not there.

        One that takes numbers from a sequence is not read.
        """
        if engine_of(self._plan.engine).capabilities.speaks_target_sql:
            return
        counting = {name for (name,) in self._control.rows(_COUNTING, self._schema)}
        for statement in self._plan.statements:
            if statement.kind == "view" and statement.name not in counting and statement.number not in self.refused:
                error = self._tried(f"SELECT * FROM {self._place(statement.schema, statement.name)} LIMIT 1")
                if error is not None and error.code.startswith(_OF_THE_PLAN):
                    self.refused[statement.number] = _message_of(error)

    def _read(self) -> tuple[set[tuple[str, str]], dict[tuple[str, str], tuple[Sequence[str], Sequence[str | None]]]]:
        """The tables that get no row, and for each table the names of its columns and a value for each. Tables are (schema, name).

        The server has no statistics of the tables that this transaction created. It would take them for few, and read all expressions
        again for each in a nested loop.
        """
        control = self._control
        control.run("SET LOCAL enable_nestloop=off")
        stages = [stage for stage, _ in self._plan.places(self._schema)]
        places = f"ARRAY[{','.join(map(literal, stages))}]::regnamespace[]"
        unsafe = {(schema, name) for schema, name in control.rows(_UNSAFE.replace("%(s)s", places))}
        columns = {(schema, name): (names, values) for schema, name, names, values in control.rows(_COLUMNS, stages)}
        control.run("SET LOCAL enable_nestloop=on")
        return unsafe, columns

    def _work(self, table: TablePlan) -> None:
        queries = self._queries(table)
        error = self._copied(queries.copy_in(table.form), table.form)
        if error is not None:
            self._report(table, "the statement that copies the rows", error)
        statements = list(_statements(queries, table))
        if self._tried(";\n".join(sql for _, sql in statements)) is None:
            return
        for purpose, sql in statements:
            error = self._tried(sql)
            if error is not None:
                self._report(table, purpose, error)

    def _row(self, table: TablePlan, names: Sequence[str], values: Sequence[str | None]) -> None:
        place, known_values = (
            self._place(self._plan.within(table), table.target),
            [(n, v) for n, v in zip(names, values, strict=True) if v is not None],
        )
        filled = table.target in {name for name, _ in self._plan.filled}  # its defaults may count with sequences that are in use
        error = None if filled else self._tried(f"INSERT INTO {place} DEFAULT VALUES")
        if error is not None and not error.code.startswith("23"):
            self._defaults(table)
        if not known_values or (filled and len(known_values) < len(names)):
            return
        listed = ",".join(quoted(name) for name, _ in known_values)
        literals = ",".join("'" + value.replace("'", "''") + "'" for _, value in known_values)
        error = self._tried(f"INSERT INTO {place} ({listed}) OVERRIDING SYSTEM VALUE VALUES ({literals})")
        if error is not None and error.code in _OF_THE_STATEMENT:
            self._report(table, "a new row with its checks, generated columns and indexes", error)

    def _defaults(self, table: TablePlan) -> None:
        """Find the defaults that cannot be evaluated: they depend on no value of a row. One of the target's language may depend on the session."""
        native = engine_of(self._plan.engine).capabilities.speaks_target_sql
        for column, expression in self._control.rows(_DEFAULTS, self._place(self._plan.within(table), table.target)):
            error = self._tried(f"SELECT {expression}")
            if error is None or error.code in {"57014", "42704"} or (native and error.code not in _OF_THE_STATEMENT):
                continue
            default_statement = self._default(table, column)
            if default_statement is not None:
                self.refused[default_statement.number] = _message_of(error)
            elif error.code.startswith(_OF_THE_PLAN):
                self._report(table, f"the default of {column}", error)

    def _default(self, table: TablePlan, column: str) -> Statement | None:
        identity = ("default", self._plan.within(table), table.target, column)
        return next((s for s in self._plan.statements if (s.kind, s.schema, s.table, s.name) == identity), None)

    def _tried(self, sql: str) -> EngineError | None:
        """Execute in a savepoint, in one message to the server; the error if it is rejected. Raises errors of the server itself."""
        return self._attempt(lambda: self._control.run(f"SAVEPOINT made_up;\n{sql};\nRELEASE made_up"))

    def _copied(self, sql: str, form: CopyForm) -> EngineError | None:
        self._control.run("SAVEPOINT made_up")
        error = self._attempt(lambda: self._control.copy_in(sql, _NO_ROWS[form]))
        if error is None:
            self._control.run("RELEASE made_up")
        return error

    def _attempt(self, body: Callable[[], None]) -> EngineError | None:
        try:
            body()
        except EngineError as error:
            if not isinstance(error.__cause__, psycopg.Error) or not error.code.startswith((*_OF_THE_PLAN, *_OF_THE_VALUES)):
                raise
            self._control.run("ROLLBACK TO made_up; RELEASE made_up")
            return error
        return None

    def _report(self, table: TablePlan, purpose: str, error: EngineError) -> None:
        self.unworkable.append(Unworkable(table.label, purpose, _message_of(error)))

    def _place(self, target_schema: str, name: str) -> str:
        return f"{quoted(self._plan.place(self._schema, target_schema))}.{quoted(name)}"


def _statements(queries: TargetQueries, table: TablePlan) -> Iterator[tuple[str, str]]:
    comparison, repair = "the comparison of its rows", "the repair of its rows"
    yield comparison, queries.groups()
    yield comparison, queries.groups(None, ["3"])
    yield comparison, queries.rows(["3"])
    yield comparison, queries.count()
    yield comparison, queries.blocks()
    yield repair, queries.delete(["3"])
    if table.ordered_by is not None:
        yield comparison, queries.indexed()
        yield comparison, queries.range_sums(0, 1)
        yield comparison, queries.range_rows(0, 1)
        yield repair, queries.range_delete(0, 1)


def _message_of(error: EngineError) -> str:
    return error.message.removeprefix("target: ")
