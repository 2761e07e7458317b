"""The dry run of a plan's statements: each is executed in a transaction that is rolled back.

Statements that wait for others (views on views, functions over tables) are tried again until no more succeed, and that order is kept.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import psycopg

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.errors import EngineError
from landfall.engine.model.plan import ColumnPlan, Plan, Stage, Statement, TablePlan
from landfall.engine.targets.engine import DryRun, TargetQueries
from landfall.engine.targets.postgresql.ddl import create_table, unfilled
from landfall.engine.targets.postgresql.plan_names import plan_search_path, staged
from landfall.engine.targets.postgresql.row_proof import RowProof

_AT_ONCE = 40
_LOCK_SECONDS = 3
_KEY_SECONDS = 1
_REFERENCES = frozenset({"foreign key", "validation"})
_Tried = tuple[
    list[Statement], dict[int, str], list[tuple[int, Stage]]
]  # what is tried, what is rejected and why, and what succeeded in which order
SCHEMA = "landfall_proof"
_NO_RESULT, _NULL_RESULT = "BEGIN END", "BEGIN RETURN NULL; END"


def dry_run(control: PgSession, plan: Plan, queries: Callable[[TablePlan, str], TargetQueries]) -> DryRun:
    """Execute every statement of a plan in a transaction that is rolled back, and what the run does with the tables later.

    Args:
        control: The session with the target.
        plan: The plan.
        queries: The queries over a table in a schema.
    """
    refused: dict[int, str] = {}
    order: list[tuple[int, Stage]] = []
    proofs = [stage_schema for stage_schema, _ in plan.places(SCHEMA)]
    proof = RowProof(control, plan, SCHEMA, lambda table: queries(table, plan.place(SCHEMA, plan.within(table))))
    ordinary: dict[int, dict[str, str]] = {}
    empty = contextlib.nullcontext() if plan.filled else control.without_rows()
    with empty, control.transaction(undo=True):
        control.run(f"SET LOCAL lock_timeout='{_LOCK_SECONDS}s'")
        control.run("SET LOCAL check_function_bodies=off")
        for schema in proofs:
            control.run(f"CREATE SCHEMA {schema}")
        control.run(f"SET LOCAL search_path={plan_search_path(plan, SCHEMA)}")
        waiting: list[Statement] = []
        for stage in Stage:
            if stage is Stage.LAST and not refused and not plan.filled:  # triggers and policies come later
                proof.tables()
            if stage is Stage.MOVED:
                for (sql,) in control.rows(_CREATE_RIGHTS, proofs):
                    control.run(sql)
            waiting = [*waiting, *plan.of_stage(stage)]
            if stage is Stage.KEYS and plan.filled:
                waiting = _keys_of_filled(control, plan, proof, (waiting, refused, order))
                continue
            waiting = _rounds(_Proof(control, plan), waiting, refused, order, stage)
            if stage is Stage.TABLES:
                ordinary = {s.number: _rejected_expressions(control, plan, s) for s in waiting if s.kind == "table"}
        if not refused and not plan.filled:
            proof.views()
        order += [(statement.number, statement.stage) for statement in waiting]
    refused |= proof.refused
    return DryRun(refused, [o for o in order if o[0] not in proof.refused], tuple(proof.unworkable), ordinary)


@dataclass(frozen=True, slots=True)
class _Proof:
    """Where the statements of a plan are tried."""

    control: PgSession
    plan: Plan

    def at(self, schema: str) -> str:
        """The statement that makes the session find the names of statements of a schema."""
        return f"SET LOCAL search_path={plan_search_path(self.plan, SCHEMA, schema)}"


def _keys_of_filled(control: PgSession, plan: Plan, proof: RowProof, tried: _Tried) -> list[Statement]:
    """Try the keys where tables of the target that are in use may be referenced: a foreign key keeps writers from the table that it names.

    The later work over complete tables comes before, and is undone. Then the foreign keys of one table at a time are tried and undone, so
    that their locks are held for milliseconds. A lock is waited for at most 1 s. Return the statements that wait.
    """
    statements, refused, order = tried
    place = _Proof(control, plan)
    keys = [s for s in statements if s.kind in _REFERENCES]
    waiting = _rounds(place, [s for s in statements if s not in keys], refused, order, Stage.KEYS)
    if not refused:
        with control.transaction(undo=True):
            proof.tables()
            views = [s for s in plan.of_stage(Stage.LAST) if "view" in s.kind]
            if not _rounds(place, views, {}, [], Stage.LAST):
                proof.views()
    control.run(f"SET LOCAL lock_timeout='{_KEY_SECONDS}s'")
    waiting_rows: list[Statement] = []
    for table in dict.fromkeys(s.table for s in keys):
        of_table = [s for s in (*keys, *waiting) if s.table == table]
        with control.transaction(undo=True):
            waiting_rows += _rounds(place, of_table, refused, order, Stage.KEYS)
    control.run(f"SET LOCAL lock_timeout='{_LOCK_SECONDS}s'")
    tables = {s.table for s in keys}
    return [*(s for s in waiting if s.table not in tables), *waiting_rows]


def _rounds(
    proof: _Proof, waiting: list[Statement], refused: dict[int, str], order: list[tuple[int, Stage]], stage: Stage
) -> list[Statement]:
    """Try statements until no more succeed. The others stay rejected, but are retried with the next stage."""
    progress = True
    while waiting and progress:
        progress, again = False, []
        for some in _batches(waiting):
            if len(some) > 1 and _all_at_once(proof, some):
                executed = some
            else:
                executed = [s for s in some if _execute_one(proof, s, refused)]
            again += [s for s in some if s not in executed]
            for statement in executed:
                refused.pop(statement.number, None)
                order.append((statement.number, stage))
            progress = progress or bool(executed)
        waiting = again
    return waiting


def _batches(statements: list[Statement]) -> Iterator[list[Statement]]:
    """Statements that are sent in one message; functions get their empty bodies one by one."""
    for (function, _), some in itertools.groupby(statements, lambda s: (s.kind == "function", s.schema)):
        listed = list(some)
        size = 1 if function else _AT_ONCE
        yield from (listed[at : at + size] for at in range(0, len(listed), size))


def _all_at_once(proof: _Proof, statements: list[Statement]) -> bool:
    try:
        with proof.control.transaction():
            path = proof.at(statements[0].schema)
            proof.control.run(";\n".join([path, *(_harmless(proof.plan, s) for s in statements)]))
    except EngineError as error:
        _raise_failure(error)
        return False
    return True


def _raise_failure(error: EngineError) -> None:
    """Raise an error that says nothing about the statement: the connection is lost, the server ends, lacks resources, or a lock."""
    passing = ("08", "40", "53", "55P03", "57P", "58")
    if not isinstance(error.__cause__, psycopg.Error) or not error.code or error.code.startswith(passing):
        raise error


def _execute_one(proof: _Proof, statement: Statement, refused: dict[int, str]) -> bool:
    control = proof.control
    try:
        with control.transaction():
            control.run(proof.at(statement.schema))
            control.run(_harmless(proof.plan, statement))
            if statement.kind == "function":
                for (sql,) in control.rows(_HOLLOWED, [stage for stage, _ in proof.plan.places(SCHEMA)]):
                    control.run(sql)
    except EngineError as error:
        _raise_failure(error)
        refused[statement.number] = error.message.removeprefix("target: ")
        return False
    return True


def _harmless(plan: Plan, statement: Statement) -> str:
    """The statement that executes no code of the source: a materialized view is not filled, and a function gets an empty body after it.

    PostgreSQL executes an immutable function that is called with constants, even over empty tables. The value of a sequence is not rolled
    back, so it is only planned.
    """
    sql = staged(plan, statement.sql, SCHEMA)
    if statement.kind == "sequence value":
        return f"EXPLAIN {sql}"
    return unfilled(sql) if statement.kind == "materialized view" else sql


def _rejected_expressions(control: PgSession, plan: Plan, statement: Statement) -> dict[str, str]:
    """The generated columns of a rejected table whose expressions are rejected, by their names in the target, and why.

    Each is added to those that are accepted, because an expression may refer to another generated column.
    """
    table = next(t for t in plan.tables if (plan.within(t), t.target) == (statement.schema, statement.table))
    generated = [c for c in table.columns if c.generated]
    rejected: dict[str, str] = {}
    for column in generated:
        later = {c.target for c in generated[generated.index(column) + 1 :]}
        tried = replace(table, columns=tuple(_ordinary(c) if c.target in {*rejected, *later} else c for c in table.columns))
        try:
            with control.transaction(undo=True):
                control.run(f"SET LOCAL search_path={plan_search_path(plan, SCHEMA, statement.schema)}")
                control.run(staged(plan, create_table(tried), SCHEMA))
        except EngineError as error:
            rejected[column.target] = error.message.removeprefix("target: ")
    return rejected


def _ordinary(column: ColumnPlan) -> ColumnPlan:
    return replace(column, generated="")


# A new owner must have CREATE on the schema. Whether it has that on the target schema is known before.
_CREATE_RIGHTS = (
    "SELECT format('GRANT USAGE, CREATE ON SCHEMA %%1$I TO PUBLIC',n.nspname) FROM pg_namespace n WHERE n.nspname=ANY(%s)"
    " AND NOT EXISTS (SELECT 1 FROM aclexplode(n.nspacl) a WHERE a.grantee=0)"
)
_HOLLOWED = (
    "SELECT format('CREATE OR REPLACE %%s %%I.%%I(%%s)%%s LANGUAGE plpgsql %%s AS %%L',"
    " CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,n.nspname,p.proname,pg_get_function_arguments(p.oid),"
    " CASE WHEN p.prokind='f' THEN ' RETURNS '||pg_get_function_result(p.oid) ELSE '' END,"
    " CASE WHEN p.prokind='p' THEN '' ELSE CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END"
    "  ||CASE WHEN p.proisstrict THEN ' STRICT' ELSE '' END END,"
    f" CASE WHEN p.prokind='p' OR p.proretset OR p.proargmodes && ARRAY['o','b','t']::\"char\"[] THEN '{_NO_RESULT}' ELSE '{_NULL_RESULT}' END)"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace WHERE n.nspname=ANY(%s) AND p.prokind IN ('f','p')"
    f" AND p.prosrc NOT IN ('{_NO_RESULT}','{_NULL_RESULT}')"
)
