"""The dry run of a plan's statements: each is executed in a transaction that is rolled back.

Statements that wait for others (views on views, functions over tables) are tried again until no more succeed, and that order is kept.
"""

from __future__ import annotations

from landfall.engine.clients.postgresql import Control
from landfall.engine.errors import EngineError
from landfall.engine.model.plan import Plan, Stage, Statement
from landfall.engine.targets.engine import DryRun
from landfall.engine.targets.postgresql.plan_names import plan_search_path

_SCHEMA = "landfall_proof"
_NO_RESULT, _NULL_RESULT = "BEGIN END", "BEGIN RETURN NULL; END"


def dry_run(control: Control, plan: Plan) -> DryRun:
    """Execute every statement of a plan in a transaction that is rolled back."""
    refused: dict[int, str] = {}
    order: list[tuple[int, Stage]] = []
    with control.transaction(undo=True):
        control.run("SET LOCAL lock_timeout='3s'")
        control.run("SET LOCAL check_function_bodies=off")
        control.run(f"CREATE SCHEMA {_SCHEMA}")
        control.run(f"SET LOCAL search_path={plan_search_path(plan, _SCHEMA)}")
        waiting: list[Statement] = []
        for stage in Stage:
            waiting = [*waiting, *plan.of_stage(stage)]
            waiting = _rounds(control, waiting, refused, order, stage)
        order += [(statement.number, statement.stage) for statement in waiting]
    return DryRun(refused, order)


def _rounds(
    control: Control, waiting: list[Statement], refused: dict[int, str], order: list[tuple[int, Stage]], stage: Stage
) -> list[Statement]:
    """Try statements until no more succeed. The others stay rejected, but are retried with the next stage."""
    progress = True
    while waiting and progress:
        progress, again = False, []
        for statement in waiting:
            try:
                with control.transaction():
                    _tried_one(control, statement)
            except EngineError as error:
                refused[statement.number] = error.message.removeprefix("target: ")
                again.append(statement)
            else:
                refused.pop(statement.number, None)
                order.append((statement.number, stage))
                progress = True
        waiting = again
    return waiting


def _tried_one(control: Control, statement: Statement) -> None:
    """Create an object without executing code of the source: views are not filled, and functions get an empty body.

    PostgreSQL executes an immutable function that is called with constants, even over empty tables.
    """
    if statement.stage is Stage.MOVED:
        for (sql,) in control.rows(_CREATE_RIGHTS, _SCHEMA):
            control.run(sql)
    if statement.kind == "materialized view":
        control.run(f"{statement.sql} WITH NO DATA")
        return
    control.run(statement.sql)
    if statement.kind == "function":
        for (sql,) in control.rows(_HOLLOWED, _SCHEMA):
            control.run(sql)


# A new owner must have CREATE on the schema. Whether it has that on the target schema is known before.
_CREATE_RIGHTS = (
    "SELECT format('GRANT USAGE, CREATE ON SCHEMA %%1$I TO PUBLIC',n.nspname) FROM pg_namespace n WHERE n.nspname=%s"
    " AND NOT EXISTS (SELECT 1 FROM aclexplode(n.nspacl) a WHERE a.grantee=0)"
)
_HOLLOWED = (
    "SELECT format('CREATE OR REPLACE %%s %%I.%%I(%%s)%%s LANGUAGE plpgsql %%s AS %%L',"
    " CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,n.nspname,p.proname,pg_get_function_arguments(p.oid),"
    " CASE WHEN p.prokind='f' THEN ' RETURNS '||pg_get_function_result(p.oid) ELSE '' END,"
    " CASE WHEN p.prokind='p' THEN '' ELSE CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END"
    "  ||CASE WHEN p.proisstrict THEN ' STRICT' ELSE '' END END,"
    f" CASE WHEN p.prokind='p' OR p.proretset OR p.proargmodes IS NOT NULL THEN '{_NO_RESULT}' ELSE '{_NULL_RESULT}' END)"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace WHERE n.nspname=%s AND p.prokind IN ('f','p')"
    f" AND p.prosrc NOT IN ('{_NO_RESULT}','{_NULL_RESULT}')"
)
