"""The cutover and its rollback: one transaction each, and no CASCADE anywhere.

Objects are moved by `SET SCHEMA`, so indexes and owned sequences travel with their tables, and nothing is copied.
What was moved is written to the ledger in the same transaction; the rollback reads it from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.errors import DependantError, EngineError, SourceBusyError, TargetInTheWayError
from landfall.engine.model.fingerprint import digest
from landfall.engine.model.identifiers import literal, quoted, search_path
from landfall.engine.model.options import Options
from landfall.engine.model.plan import Plan, Stage
from landfall.engine.model.run_state import RunRecord
from landfall.engine.sources.postgresql.catalog import catalog
from landfall.engine.targets.engine import CutoverChecks
from landfall.engine.targets.ledger import Lease, superseded
from landfall.engine.targets.postgresql.ledger import PostgresqlLedger
from landfall.engine.targets.postgresql.plan_names import plan_search_path, staged, target_path
from landfall.ledger_states import State
from landfall.lib.backoff import Backoff
from landfall.lib.retry import Attempts, retried

_LOCKING = Attempts(5, Backoff(0.3, 1.2))

_OBJECTS = """
SELECT kind, name, oid::bigint FROM (
 SELECT 1 AS step, 'TYPE' AS kind, format('%%I', t.typname) AS name, t.oid FROM pg_type t LEFT JOIN pg_class c ON c.oid=t.typrelid
  WHERE t.typnamespace=to_regnamespace(%(s)s) AND t.typtype IN ('e','d','r','m','c') AND (c.oid IS NULL OR c.relkind='c')
 UNION ALL
 SELECT CASE c.relkind WHEN 'S' THEN 2 WHEN 'p' THEN 3 WHEN 'r' THEN 4 ELSE 5 END,
  CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
  format('%%I', c.relname), c.oid FROM pg_class c
  WHERE c.relnamespace=to_regnamespace(%(s)s) AND c.relkind IN ('r','p','v','m','S') AND NOT (c.relkind='S' AND EXISTS
   (SELECT 1 FROM pg_depend d WHERE d.classid='pg_class'::regclass AND d.objid=c.oid AND d.deptype IN ('a','i')))
 UNION ALL
 SELECT 6, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END,
  format('%%I(%%s)', p.proname, pg_get_function_identity_arguments(p.oid)), p.oid FROM pg_proc p
  WHERE p.pronamespace=to_regnamespace(%(s)s)
 UNION ALL
 SELECT 1, 'COLLATION', format('%%I', l.collname), l.oid FROM pg_collation l WHERE l.collnamespace=to_regnamespace(%(s)s)
 UNION ALL
 SELECT 7, 'STATISTICS', format('%%I', e.stxname), e.oid FROM pg_statistic_ext e WHERE e.stxnamespace=to_regnamespace(%(s)s)
) o ORDER BY step, oid
"""


@dataclass(frozen=True, slots=True)
class MovedObject:
    """An object that changed its schema."""

    kind: str
    name: str
    oid: int = 0


_ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE"})


def objects_in(control: PgSession, schema: str) -> list[MovedObject]:
    """The objects of a schema that have to be moved or dropped one by one, in an order that works for moving."""
    rows = control.raw.execute(_OBJECTS.encode(), {"s": quoted(schema)}).fetchall()
    return [MovedObject(kind, name, oid) for kind, name, oid in rows]


def with_locks(control: PgSession, operation: str, body: Callable[[], None]) -> None:
    """Run `body` in a transaction that gives up waiting for a lock after 3 s; several tries, then the blockers by pid."""

    def locked() -> None:
        with control.transaction():
            control.run("SET LOCAL lock_timeout='3s'")
            control.run("SET LOCAL statement_timeout='60s'")
            body()

    try:
        retried(locked, SourceBusyError, attempts=_LOCKING)
    except SourceBusyError as error:
        blockers = control.rows(
            "SELECT DISTINCT pid FROM pg_locks WHERE granted AND locktype='relation' AND pid<>pg_backend_pid()"
            " AND database=(SELECT oid FROM pg_database WHERE datname=current_database()) ORDER BY 1 LIMIT 20"
        )
        pids = ", ".join(str(r[0]) for r in blockers) or "none visible"
        message = f"target: {operation} could not lock its tables; backends that hold locks: {pids}"
        raise SourceBusyError(message, advice="End those transactions and run the same command again.") from error


def cut_over(
    ledger: PostgresqlLedger,
    lease: Lease,
    record: RunRecord,
    plan: Plan,
    result: dict[str, object],
    *,
    checks: CutoverChecks,
    retain_seconds: int,
) -> None:
    """Make the staged objects the target's, all at once, and mark the ledger.

    `checks` are called in this transaction; an error of one of them ends it, and nothing is committed.
    """
    control = ledger.control

    def body() -> None:
        owned = control.rows(
            f"SELECT 1 FROM {ledger.schema}.run WHERE id=%s AND attempt=%s AND state=%s FOR UPDATE",
            *(lease.key, lease.attempt, State.COMPARING.value),
        )
        if not owned:
            raise superseded()
        if plan.filled:
            _check_filled(control, plan)
            control.run(f"SET LOCAL search_path={plan_search_path(plan, record.stage_schema)}")
            checks.same()
        _record_made(ledger, lease.key, plan)
        _last_changes(control, plan, record.stage_schema)
        control.run("SET LOCAL search_path=pg_temp")
        if plan.replaced:
            _move_aside(ledger, record, plan)
        moved_objects = {target: _arrive(control, stage, target) for stage, target in plan.places(record.stage_schema)}
        for stage, _ in plan.places(record.stage_schema):
            control.run(f"DROP SCHEMA {quoted(stage)} RESTRICT")
        # The rights on a filled table are as they were, and no others.
        filled_names = {control.value("SELECT format('%%I',%s::text)", name) for name, _ in plan.filled}
        for schema, things in moved_objects.items():
            _default_rights(control, schema, [m for m in things if m.name not in filled_names])
        _owners(control, plan)
        _attach(control, plan)
        for schema, things in moved_objects.items():
            _record_moved(ledger, lease.key, _role(plan, "new", schema), things)
        ledger.finish(lease.key, State.CUT_OVER, result, retain_seconds=retain_seconds)
        checks.locked()

    with_locks(control, "the cutover", body)


def _arrive(control: PgSession, stage: str, target: str) -> list[MovedObject]:
    """Move all objects of a stage schema to the target's; what was moved."""
    moving = objects_in(control, stage)
    _check_names(control, target, moving)
    _move(control, moving, stage, target)
    remaining = objects_in(control, stage)
    if remaining:
        message = f"target: {remaining[0].kind.lower()} {remaining[0].name} did not leave the staging schema"
        raise EngineError(message)
    return moving


def _role(plan: Plan, role: str, schema: str) -> str:
    """What the ledger calls objects of a target schema: `new` of the first, `new 1` of the second."""
    number = plan.target_schemas.index(schema)
    return f"{role} {number}" if number else role


def _record_made(ledger: PostgresqlLedger, key: str, plan: Plan) -> None:
    """Record the schemas that the cutover creates, so that a rollback drops these and no others."""
    existing = {schema for schema in plan.made_schemas if _exists(ledger.control, schema)}
    extended = {s.schema for s in plan.statements if s.kind == "extension"}
    if existing - extended:
        message = f"target: schema {min(existing - extended)} has appeared since the plan was made"
        raise TargetInTheWayError(
            message, advice="Drop it and run the same command again, or cancel and plan again with a new rerunToken."
        )
    _record_moved(ledger, key, "made", [MovedObject("SCHEMA", s) for s in plan.made_schemas if s not in existing])


def _exists(control: PgSession, schema: str) -> bool:
    return control.value("SELECT to_regnamespace(%s)", quoted(schema)) is not None


def _check_filled(control: PgSession, plan: Plan) -> None:
    """The tables that are about to make way for their filled copies are still empty, and still as they were planned.

    Those whose rows are set aside may have any rows; `same` compares those whose rows are kept.
    """
    names = [f"{quoted(plan.target_schema)}.{quoted(name)}" for name, _ in plan.filled]
    control.run(f"LOCK TABLE {','.join(names)} IN ACCESS EXCLUSIVE MODE")
    now = catalog(control, Options(schemas=(plan.target_schema,)))
    for (name, planned_digest), full in zip(plan.filled, names, strict=True):
        if name not in {*plan.aside, *plan.kept} and control.value(f"SELECT EXISTS (SELECT 1 FROM {full})"):
            message = f"target: rows have been written to {plan.target_schema}.{name}, which was empty when the plan was made"
            raise TargetInTheWayError(message, advice="Empty it and run the same command again, or cancel.")
        if digest(now, name) != planned_digest:
            message = f"target: {plan.target_schema}.{name} is not as it was when the plan was made"
            raise TargetInTheWayError(message, advice="Undo the change, or cancel and plan again with a new rerunToken.")


def _last_changes(control: PgSession, plan: Plan, stage: str) -> None:
    """What of the staged tables only served the comparison goes now."""
    for statement in plan.of_stage(Stage.SWAP):
        control.run(f"SET LOCAL search_path={plan_search_path(plan, stage, statement.schema)}")
        control.run(staged(plan, statement.sql, stage))


def _owners(control: PgSession, plan: Plan) -> None:
    """Give the moved objects to their owners, who need no right on the staging schema."""
    for statement in plan.of_stage(Stage.MOVED):
        control.run(f"SET LOCAL search_path={search_path(*target_path(plan, statement.schema))}")
        control.run(statement.sql)
    control.run("SET LOCAL search_path=pg_temp")


def _move(control: PgSession, things: Iterable[MovedObject], source: str, target: str) -> None:
    for thing in things:
        control.run(f"ALTER {thing.kind} {_place(control, thing, source)} SET SCHEMA {quoted(target)}")


def _place(control: PgSession, thing: MovedObject, schema: str) -> str:
    """The full name. That of a routine holds the types of its arguments, which may have moved just before it."""
    if thing.kind in _ROUTINES and thing.oid:
        place = str(control.value("SELECT %s::oid::regprocedure::text", thing.oid))
        return f"{place[:-1]}*)" if thing.kind == "AGGREGATE" and place.endswith("()") else place
    return f"{quoted(schema)}.{thing.name}"


def _check_names(control: PgSession, schema: str, moving: Iterable[MovedObject]) -> None:
    names = [m.name for m in moving if m.kind in {"TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE"}]
    existing = control.rows(
        "SELECT format('%%I',relname) FROM pg_class WHERE relnamespace=to_regnamespace(%s) AND format('%%I',relname)=ANY(%s)",
        *(quoted(schema), names),
    )
    if existing:
        message = f"target: {schema}.{existing[0][0]} has appeared since the plan was made"
        raise TargetInTheWayError(message, advice="Move it away and run the same command again.")


def _record_moved(ledger: PostgresqlLedger, key: str, role: str, objects: Iterable[MovedObject]) -> None:
    for number, thing in enumerate(objects):
        ledger.control.run(
            f"INSERT INTO {ledger.schema}.moved VALUES (%s,%s,%s,%s,%s,%s)",
            *(key, number, role, thing.kind, thing.name, thing.oid),
        )


def retained_in(ledger: PostgresqlLedger, record: RunRecord, plan: Plan) -> list[str]:
    """The schemas of ours that hold what the cutover replaced."""
    return [
        retained_schema
        for retained_schema, schema in plan.places(record.kept_schema)
        if moved_of(ledger, record.key, _role(plan, "old", schema))
    ]


def moved_of(ledger: PostgresqlLedger, key: str, role: str) -> list[MovedObject]:
    """What was moved, in the order in which it was."""
    rows = ledger.control.rows(
        f"SELECT kind,name,oid FROM {ledger.schema}.moved WHERE run=%s AND role=%s ORDER BY number", *(key, role)
    )
    return [MovedObject(*row) for row in rows]


# -- Replace ----------------------------------------------------------------------------------------------------------


def _sql_kind(kind: str) -> str:
    return {"partitioned table": "TABLE"}.get(kind, kind.upper())


def _move_aside(ledger: PostgresqlLedger, record: RunRecord, plan: Plan) -> None:
    control = ledger.control
    _detach(control, plan)
    for retained_schema, schema in plan.places(record.kept_schema):
        of_schema = [r for r in plan.replaced if (r.schema or plan.target_schema) == schema]
        if not of_schema:
            continue
        _create_own(control, retained_schema)
        things = [MovedObject(_sql_kind(r.kind), quoted(r.name)) for r in of_schema]
        things += [thing for r in of_schema for thing in _statistics_of(control, schema, r.name)]
        _move(control, things, schema, retained_schema)
        _record_moved(ledger, record.key, _role(plan, "old", schema), things)


def _create_own(control: PgSession, schema: str) -> None:
    control.run(f"CREATE SCHEMA {quoted(schema)}")
    control.run(f"REVOKE ALL ON SCHEMA {quoted(schema)} FROM PUBLIC")


def _statistics_of(control: PgSession, schema: str, table: str) -> list[MovedObject]:
    """Extended statistics over a table, which do not follow it into another schema by themselves."""
    rows = control.rows(
        "SELECT format('%%I',stxname) FROM pg_statistic_ext WHERE stxrelid=to_regclass(%s) AND stxnamespace=to_regnamespace(%s)",
        *(f"{quoted(schema)}.{quoted(table)}", quoted(schema)),
    )
    return [MovedObject("STATISTICS", name) for (name,) in rows]


def _detach(control: PgSession, plan: Plan) -> None:
    """Drop what refers to the replaced table: foreign keys from outside, publications."""
    for replaced in plan.replaced:
        for dependant in replaced.dependants:
            if dependant.detach:
                control.run(dependant.detach)


def _attach(control: PgSession, plan: Plan) -> None:
    """Put on the new tables what hung on the replaced ones. The statements carry full names, which are the new ones now."""
    control.run("SET LOCAL check_function_bodies=off")
    for replaced in plan.replaced:
        for dependant in replaced.dependants:
            if not dependant.attach:
                continue
            try:
                with control.transaction():
                    control.run(dependant.attach)
            except SourceBusyError:
                raise
            except EngineError as error:
                message = (
                    f"target: the {dependant.kind} {dependant.name} cannot be put on the new {replaced.name}: {error.message}"
                )
                raise DependantError(message, advice="Drop or adapt it, then run the same command again.") from error


def validate_dependants(control: PgSession, plan: Plan) -> list[str]:
    """After the commit: prove the foreign keys from outside that were added unproven. Those that fail, by name."""
    failed = []
    for replaced in plan.replaced:
        for dependant in replaced.dependants:
            if dependant.kind == "foreign key":
                table, _, key = dependant.name.rpartition(".")
                try:
                    control.run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {quoted(key)}")
                except EngineError:
                    failed.append(dependant.name)
    return failed


def _default_rights(control: PgSession, schema: str, objects: Iterable[MovedObject]) -> None:
    """Objects that arrive by SET SCHEMA get no default privileges of that schema; grant them as a CREATE would have."""
    rows = control.rows(
        "SELECT d.defaclobjtype::text,CASE WHEN a.grantee=0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,a.privilege_type,"
        "a.is_grantable FROM pg_default_acl d, aclexplode(d.defaclacl) a WHERE d.defaclnamespace=to_regnamespace(%s)"
        " AND d.defaclrole=current_user::regrole AND a.grantee<>d.defaclrole",
        quoted(schema),
    )
    # A function that PUBLIC may not execute by now was revoked from PUBLIC on the source, or is by the target's own rules.
    rows = [row for row in rows if not (row[0] == "f" and row[1] == "PUBLIC")]
    words = {"TABLE": "r", "VIEW": "r", "MATERIALIZED VIEW": "r", "SEQUENCE": "S", "FUNCTION": "f", "TYPE": "T"}
    for thing in objects:
        for kind, grantee, privilege, option in rows:
            if words.get(thing.kind) == kind:
                noun = thing.kind if kind in {"S", "f", "T"} else "TABLE"
                tail = " WITH GRANT OPTION" if option else ""
                control.run(f"GRANT {privilege} ON {noun} {_place(control, thing, schema)} TO {grantee}{tail}")


# -- rollback ---------------------------------------------------------------------------------------------------------


def cut_back(ledger: PostgresqlLedger, record: RunRecord, plan: Plan, check: Callable[[], None]) -> None:
    """The cutover backwards: the new objects to a schema of their own, the replaced ones to their old place."""
    control = ledger.control
    new = {schema: moved_of(ledger, record.key, _role(plan, "new", schema)) for schema in plan.target_schemas}
    created = moved_of(ledger, record.key, "made")

    def body() -> None:
        control.run("SET LOCAL search_path=pg_temp")
        tables = [f"{quoted(schema)}.{m.name}" for schema, things in new.items() for m in things if m.kind == "TABLE"]
        if tables:
            control.run(f"LOCK TABLE {','.join(tables)} IN ACCESS EXCLUSIVE MODE")
        check()
        _detach(control, plan)
        for undone, schema in plan.places(record.undone_schema):
            _create_own(control, undone)
            _move(control, new[schema], schema, undone)
        _restore(ledger, record, plan)
        control.run("SET LOCAL check_function_bodies=off")
        for thing in created:
            _drop_if_empty(control, thing.name)
        for replaced in plan.replaced:
            for dependant in replaced.dependants:
                if dependant.detach or dependant.kind == "view":
                    control.run(dependant.attach)
        ledger.finish(record.key, State.ROLLED_BACK, {})

    with_locks(control, "the rollback", body)
    for name in validate_dependants(control, plan):
        message = f"target: {name} was restored, but its rows do not satisfy it"
        raise DependantError(message, advice=f"Correct the rows, then VALIDATE the constraint {literal(name)}.")


def _restore(ledger: PostgresqlLedger, record: RunRecord, plan: Plan) -> None:
    """Move what the cutover replaced back to its place."""
    for retained_schema, schema in plan.places(record.kept_schema):
        old = moved_of(ledger, record.key, _role(plan, "old", schema))
        _move(ledger.control, old, retained_schema, schema)
        if old:
            ledger.control.run(f"DROP SCHEMA {quoted(retained_schema)} RESTRICT")


def _drop_if_empty(control: PgSession, schema: str) -> None:
    """Drop a schema that the cutover created, if nothing else is in it."""
    used = control.value(
        "SELECT EXISTS (SELECT 1 FROM pg_depend WHERE refclassid='pg_namespace'::regclass AND refobjid=to_regnamespace(%s)"
        " AND deptype='n')",
        quoted(schema),
    )
    if not used:
        control.run(f"DROP SCHEMA IF EXISTS {quoted(schema)} RESTRICT")


def drop_schemas(control: PgSession, *schemas: str) -> int:
    """Drop schemas of ours object by object; how many went. Raises DependantError that names what hangs on them."""
    dropped = 0
    schemas = tuple(schema for schema in schemas if _exists(control, schema))
    for schema in schemas:
        _drop_foreign_keys(control, schema)
    while things := [(schema, thing) for schema in schemas for thing in objects_in(control, schema)]:
        failure: EngineError | None = None
        progress = 0
        for schema, thing in reversed(things):
            try:
                with control.transaction():
                    control.run(f"DROP {thing.kind} IF EXISTS {_place(control, thing, schema)} RESTRICT")
                progress += 1
            except EngineError as error:
                failure = error
        dropped += progress
        if not progress and failure:
            message = f"target: something outside depends on {', '.join(schemas)}: {failure.message}"
            raise DependantError(message, advice="Drop what depends on it, then run the same command again.")
    for schema in schemas:
        control.run(f"DROP SCHEMA IF EXISTS {quoted(schema)} RESTRICT")
    return dropped


def _drop_foreign_keys(control: PgSession, schema: str) -> None:
    rows = control.rows(
        "SELECT c.conrelid::regclass::text,quote_ident(c.conname) FROM pg_constraint c JOIN pg_class t ON t.oid=c.conrelid"
        " WHERE c.contype='f' AND t.relnamespace=to_regnamespace(%s) AND c.conparentid=0",
        quoted(schema),
    )
    for table, key in rows:
        control.run(f"ALTER TABLE {table} DROP CONSTRAINT {key}")
