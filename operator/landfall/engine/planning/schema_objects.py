"""Statements for all objects except columns: tables, defaults, indexes, keys, checks, comments, views and others."""

from __future__ import annotations

import re

from landfall.engine.model.catalog import ForeignKey, Index, SourceObject, Table
from landfall.engine.model.fingerprint import excluded, selected
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.plan import ColumnPlan, Decision, Severity, Stage, TablePlan
from landfall.engine.planning.tables import Draft
from landfall.engine.sources import translate
from landfall.engine.targets.postgresql import ddl
from landfall.lib.text import counted

_ACTIONS = frozenset({"CASCADE", "RESTRICT", "SET NULL", "SET DEFAULT", "NO ACTION"})
_UNCARRIED = {
    "trigger": (Severity.HIGH, "Rewrite it for PostgreSQL, or implement its rule in the application."),
    "routine": (Severity.MEDIUM, "Rewrite it for PostgreSQL if something calls it."),
    "event": (Severity.MEDIUM, "Schedule it outside the database, or with pg_cron."),
}


def surround(draft: Draft, table: Table, planned: TablePlan) -> None:
    """Add all statements of one table to the draft."""
    _create(draft, table, planned)
    _defaults(draft, table, planned)
    _checks(draft, table, planned)
    for index in table.indexes:
        _index(draft, table, planned, index)
    _comments(draft, table, planned)
    for column in table.columns:
        mine = next(c for c in planned.columns if c.source == column.name)
        if column.on_update_now and mine.moved:
            _touch(draft, planned, mine)
    for at, key in enumerate(table.foreign_keys):
        orphans = draft.profile.orphans.get((table.schema, table.name, at), 0)
        _foreign_key(draft, table, planned, key, orphans)


def _create(draft: Draft, table: Table, planned: TablePlan) -> None:
    tail = ""
    if table.kind == "partitioned":
        tail = f" PARTITION BY {table.partition_by}"
    if table.options:
        tail += f" WITH ({table.options})"
    sql = ddl.create_table(planned, tail)
    if table.partition_of:
        parent = draft.names[(table.schema, table.partition_of)]
        draft.add_statement(Stage.TABLES, "table", planned.target, planned.target, sql, essential=True)
        attach = f"ALTER TABLE {quoted(parent)} ATTACH PARTITION {quoted(planned.target)} {table.bound}"
        draft.add_statement(Stage.KEYS, "partition", planned.target, planned.target, attach, essential=True)
        return
    draft.add_statement(Stage.TABLES, "table", planned.target, planned.target, sql, essential=True)
    for parent in table.inherits:
        sql = f"ALTER TABLE {quoted(planned.target)} INHERIT {quoted(draft.names.get((table.schema, parent), parent))}"
        draft.add_statement(Stage.KEYS, "inheritance", planned.target, planned.target, sql)


def _defaults(draft: Draft, table: Table, planned: TablePlan) -> None:
    for column in table.columns:
        mine = next(c for c in planned.columns if c.source == column.name)
        if column.default is None or not mine.moved or column.identity:
            continue
        if draft.native:
            found = ddl.Translated(column.default)
        else:
            found = ddl.default_of(draft.catalog.engine, column.default, mine, draft.spelled)
        label = f"{planned.label}.{column.name}"
        if found.problem:
            draft.add_risk(
                Severity.MEDIUM,
                "Default",
                label,
                f"the default {column.default} is not migrated: {found.problem}",
                "Set a default manually if inserts need it.",
            )
        elif found.sql:
            sql = f"ALTER TABLE {quoted(planned.target)} ALTER COLUMN {quoted(mine.target)} SET DEFAULT {found.sql}"
            draft.add_statement(Stage.FINISH, "default", mine.target, planned.target, sql, describes=label)


def _checks(draft: Draft, table: Table, planned: TablePlan) -> None:
    for check in table.checks:
        name = check.name if draft.native else draft.constraint(planned.target, draft.spelled(f"{planned.target}_{check.name}"))
        if check.definition:
            clause = check.definition
        else:
            found = ddl.translated(draft.catalog.engine, check.expression, draft.spelled)
            if found.problem:
                draft.add_risk(
                    Severity.MEDIUM,
                    "Check",
                    f"{planned.label}.{check.name}",
                    f"the check {check.expression} is not migrated: {found.problem}",
                    "Add it manually after the migration.",
                )
                continue
            clause = f"CHECK ({found.sql})"
        sql = f"ALTER TABLE {quoted(planned.target)} ADD CONSTRAINT {quoted(name)} {clause}"
        draft.add_statement(Stage.FINISH, "check", name, planned.target, sql, describes=f"{planned.label}.{check.name}")


# -- indexes ----------------------------------------------------------------------------------------------------------


def _index(draft: Draft, table: Table, planned: TablePlan, index: Index) -> None:
    label = f"{planned.label}.{index.name}"
    if draft.native:
        alone = table.kind == "table" and not table.partition_of and not table.inherits
        _native_index(draft, planned, index, label, alone=alone)
        return
    if index.method in {"FULLTEXT", "SPATIAL"}:
        draft.add_risk(
            Severity.MEDIUM,
            f"{index.method.capitalize()}Index",
            label,
            f"PostgreSQL has no equivalent of a {index.method} index",
            "Create a GIN index on to_tsvector(…), or a GiST index that suits your queries.",
        )
        return
    _case_risk(draft, table, index, label)
    parts = _parts(draft, planned, index, label)
    if parts is None:
        return
    if index.primary:
        name = draft.relations.claim(f"{planned.target}_pkey")
        _constraint(
            draft,
            planned,
            name,
            "PRIMARY KEY",
            f"CREATE UNIQUE INDEX {quoted(name)} ON {quoted(planned.target)} ({parts})",
            label,
        )
        return
    own = draft.spelled(index.name)
    name = draft.relations.claim(own if own.startswith(planned.target) else f"{planned.target}_{own}")
    plain = index.unique and not index.where and all(p.column and not p.prefix and not p.descending for p in index.parts)
    where = ""
    if index.where:
        found = ddl.translated(draft.catalog.engine, index.where, draft.spelled)
        if found.problem:
            _lost_index(draft, label, found.problem)
            return
        where = f" WHERE {found.sql}"
    unique = "UNIQUE " if index.unique else ""
    sql = f"CREATE {unique}INDEX {quoted(name)} ON {quoted(planned.target)} ({parts}){where}"
    if plain:
        _constraint(draft, planned, name, "UNIQUE", sql, label)
        return
    kind = "unique index" if index.unique else "index"
    draft.add_statement(Stage.INDEXES, kind, name, planned.target, sql, describes=label)


def _constraint(draft: Draft, planned: TablePlan, name: str, word: str, index: str, label: str, tail: str = "") -> None:
    """Create a key as an index first, because indexes of one table are built in parallel, and add the constraint later.

    The constraint is added after the repair, because its index may have to wait for the repair.
    """
    primary = word == "PRIMARY KEY"
    kind = "primary key" if primary else "unique index"
    draft.add_statement(Stage.INDEXES, kind, name, planned.target, index, describes=label, essential=primary)
    sql = f"ALTER TABLE {quoted(planned.target)} ADD CONSTRAINT {quoted(name)} {word} USING INDEX {quoted(name)}{tail}"
    draft.add_statement(Stage.KEYS, "constraint", name, planned.target, sql, describes=label, essential=primary)


def _native_index(draft: Draft, planned: TablePlan, index: Index, label: str, *, alone: bool) -> None:
    found = re.match(r"(PRIMARY KEY|UNIQUE)\b", index.constraint)
    if found and alone:
        tail = re.search(r"( NOT)? DEFERRABLE.*$", index.constraint)
        _constraint(draft, planned, index.name, found.group(1), index.definition, label, tail.group(0) if tail else "")
        return
    kind = "primary key" if index.primary else "unique index" if index.unique else "index"
    attached = bool(index.attach_to)
    if index.constraint:
        sql = f"ALTER TABLE ONLY {quoted(planned.target)} ADD CONSTRAINT {quoted(index.name)} {index.constraint}"
    else:
        sql = index.definition
    parent = " ON ONLY " in index.definition or not planned.moved
    stage = Stage.KEYS if parent else Stage.INDEXES
    draft.add_statement(stage, kind, index.name, planned.target, sql, describes=label, essential=index.primary)
    if attached:
        sql = f"ALTER INDEX {quoted(index.attach_to)} ATTACH PARTITION {quoted(index.name)}"
        draft.add_statement(Stage.LAST, "index partition", index.name, planned.target, sql, describes=label)


def _lost_index(draft: Draft, label: str, problem: str) -> None:
    draft.add_risk(
        Severity.MEDIUM, "Index", label, f"the index is not migrated: {problem}", "Create one manually if queries need it."
    )


def _parts(draft: Draft, planned: TablePlan, index: Index, label: str) -> str | None:
    made = []
    columns = {c.source: c for c in planned.columns}
    for part in index.parts:
        if part.expression:
            found = ddl.translated(draft.catalog.engine, part.expression, draft.spelled)
            if found.problem:
                _lost_index(draft, label, found.problem)
                return None
            text = f"({found.sql})"
        else:
            column = columns[part.column]
            if column.decision is Decision.EXCLUDED:
                _lost_index(draft, label, f"its column {part.column} is excluded")
                return None
            text = _part(column, part.prefix)
        made.append(text + (" DESC" if part.descending else ""))
    return ", ".join(made)


def _part(column: ColumnPlan, prefix: int | None) -> str:
    name = quoted(column.target)
    if not prefix:
        return name
    if column.target_type == "bytea":
        return f"substring({name} from 1 for {prefix})"
    return f'"left"({name}::text, {prefix})'


def _case_risk(draft: Draft, table: Table, index: Index, label: str) -> None:
    if not (index.unique or index.primary):
        return
    loose = [p.column for p in index.parts if p.column and _ignores_case(table.column(p.column).type.collation)]
    if loose:
        draft.add_risk(
            Severity.MEDIUM,
            "Collation",
            label,
            f"the source compares {', '.join(loose)} without regard to case or accents; the target compares exactly",
            "Normalise such values in the application, or create a unique index on lower(…).",
        )


def _ignores_case(collation: str) -> bool:
    return collation.endswith("_ci") or collation.upper() == "NOCASE"


# -- comments, triggers, foreign keys ---------------------------------------------------------------------------------


def _comments(draft: Draft, table: Table, planned: TablePlan) -> None:
    if table.comment:
        sql = ddl.comment("TABLE", planned.target, table.comment)
        draft.add_statement(Stage.FINISH, "comment", planned.target, planned.target, sql)
    for column in planned.columns:
        if column.comment and column.compared:
            sql = ddl.comment("COLUMN", planned.target, column.comment, column.target)
            draft.add_statement(Stage.FINISH, "comment", column.target, planned.target, sql)


def _touch(draft: Draft, planned: TablePlan, column: ColumnPlan) -> None:
    name = draft.routines.claim(f"{planned.target}_{column.target}_touch")
    now = ddl.default_of("MariaDB", "current_timestamp()", column, draft.spelled).sql
    draft.add_statement(Stage.PREPARE, "function", name, planned.target, ddl.touch_function(name, column.target, now))
    sql = ddl.touch_trigger(name, planned.target, name)
    draft.add_statement(Stage.LAST, "trigger", name, planned.target, sql, describes=f"{planned.label}.{column.source}")


def _foreign_key(draft: Draft, table: Table, planned: TablePlan, key: ForeignKey, orphans: int) -> None:
    label = f"{planned.label}.{key.name or '_'.join(key.columns)}"
    target = draft.names.get((key.ref_schema or table.schema, key.ref_table))
    if target is None:
        draft.add_risk(
            Severity.HIGH,
            "ForeignKey",
            label,
            f"it points at {key.ref_table}, which is not part of this migration",
            "Migrate that table as well, or approve the plan without this key.",
        )
        return
    if key.definition:
        name, clause = key.name, key.definition.replace(" NOT VALID", "")
    else:
        name = draft.constraint(planned.target, draft.spelled(key.name or f"{planned.target}_{'_'.join(key.columns)}_fkey"))
        columns = ddl.names([draft.spelled(c) for c in key.columns])
        others = f" ({ddl.names([draft.spelled(c) for c in key.ref_columns])})" if key.ref_columns else ""
        clause = f"FOREIGN KEY ({columns}) REFERENCES {quoted(target)}{others}"
        for event, action in (("UPDATE", key.on_update), ("DELETE", key.on_delete)):
            if action in _ACTIONS and action != "NO ACTION":
                clause += f" ON {event} {action}"
    partitioned = table.kind == "partitioned"
    valid = "" if partitioned else " NOT VALID"
    sql = f"ALTER TABLE {quoted(planned.target)} ADD CONSTRAINT {quoted(name)} {clause}{valid}"
    draft.add_statement(Stage.KEYS, "foreign key", name, planned.target, sql, describes=label)
    if orphans:
        _orphans(draft, label, key.ref_table, orphans)
    elif not partitioned:
        sql = f"ALTER TABLE {quoted(planned.target)} VALIDATE CONSTRAINT {quoted(name)}"
        draft.add_statement(Stage.KEYS, "validation", name, planned.target, sql, describes=label)


def _orphans(draft: Draft, label: str, parent: str, count: int) -> None:
    """Rows without a parent row: a blocker, or by policy a key that is not validated."""
    if draft.options.policies.orphans == "NotValid":
        text = f"{counted(count, 'row', 'have')} no parent in {parent}; the key is added NOT VALID and holds for new rows only"
        draft.add_risk(Severity.HIGH, "Orphans", label, text, "Correct the rows later, then VALIDATE the constraint.")
        return
    text = f"{counted(count, 'row', 'have')} no parent in {parent} (values are compared exactly)"
    draft.add_risk(
        Severity.BLOCKER, "Orphans", label, text, "Correct the rows in the source, or set spec.data.policies.orphans: NotValid."
    )


# -- the rest of the schema -------------------------------------------------------------------------------------------


STAGES = {
    "enum": Stage.PREPARE,
    "domain": Stage.PREPARE,
    "composite": Stage.PREPARE,
    "range": Stage.PREPARE,
    "function": Stage.PREPARE,
    "sequence": Stage.PREPARE,
    "ownership": Stage.FINISH,
    "statistics": Stage.FINISH,
    "comment": Stage.LAST,
    "index": Stage.LAST,
    "rule": Stage.LAST,
    "trigger": Stage.LAST,
    "row security": Stage.LAST,
    "policy": Stage.LAST,
}


def objects(draft: Draft, *, before: bool) -> None:
    """Add types, functions and sequences before the tables; triggers, policies, rules and comments after them."""
    moved = {t.name for t in selected(draft.catalog, draft.options)} | {v.name for v in draft.catalog.views}
    for thing in draft.catalog.objects:
        if thing.table and thing.table not in moved:
            continue
        if not thing.definition:
            if before:
                _uncarried(draft, thing)
            continue
        stage = STAGES[thing.kind]
        if (stage is Stage.PREPARE) is before:
            draft.add_statement(
                stage, thing.kind, thing.name, thing.table, thing.definition, describes=thing.name + thing.signature
            )


def _uncarried(draft: Draft, thing: SourceObject) -> None:
    severity, advice = _UNCARRIED.get(thing.kind, (Severity.MEDIUM, "Create it manually if something needs it."))
    kind = "".join(word.capitalize() for word in thing.kind.split())
    description = thing.detail or f"the {thing.kind} is written in the source's own language and is not carried"
    draft.add_risk(severity, kind, thing.name + thing.signature, description, advice)


def views(draft: Draft) -> None:
    """Add every view; the dry run finds their order."""
    schemas = frozenset(draft.catalog.schemas)
    for view in draft.catalog.views:
        if excluded(view.name, draft.options.exclude_tables):
            continue
        name = draft.relations.claim(draft.spelled(view.name), view.schema)
        query = view.query
        if not draft.native:
            try:
                query = translate.query(view.query, draft.catalog.engine, draft.spelled, schemas)
            except translate.UntranslatableError as error:
                _lost_view(draft, view.name, str(error))
                continue
            draft.add_risk(
                Severity.MEDIUM,
                "ViewTranslated",
                view.name,
                "the query was translated; the dry run checks that it is valid on the target, not that it returns the same rows",
                "Review the query in the plan.",
            )
        kind = "materialized view" if view.materialized else "view"
        options = f" WITH ({view.options})" if view.options else ""
        sql = f"CREATE {kind.upper()} {quoted(name)}{options} AS\n{query.rstrip().rstrip(';')}"
        draft.add_statement(Stage.LAST, kind, name, "", sql, describes=view.name)
        if view.comment:
            draft.add_statement(Stage.LAST, "comment", name, "", ddl.comment(kind.upper(), name, view.comment))


def _lost_view(draft: Draft, name: str, problem: str) -> None:
    reason = " ".join(problem.split())
    draft.add_risk(Severity.HIGH, "View", name, f"the view is not carried: {reason}", "Rewrite it for PostgreSQL.")


def rejected(kind: str, label: str, problem: str) -> tuple[Severity, str, str]:
    """Return how a rejected statement is reported: severity, description, advice."""
    severity = (
        Severity.HIGH if kind in {"view", "foreign key", "unique index", "function", "trigger", "policy"} else Severity.MEDIUM
    )
    return (
        severity,
        f"the {kind} {label} is not carried: the target says {problem}",
        "Create it manually, written for PostgreSQL.",
    )
