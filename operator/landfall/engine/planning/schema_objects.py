"""Statements for all objects except columns: tables, defaults, indexes, keys, checks, comments, views and others."""

from __future__ import annotations

import re
from dataclasses import replace

from landfall.engine.model.catalog import Index, SourceObject, Table
from landfall.engine.model.fingerprint import excluded, selected
from landfall.engine.model.mapping import Violation
from landfall.engine.model.plan import ColumnPlan, Decision, Severity, Stage, TablePlan
from landfall.engine.planning import privileges
from landfall.engine.planning.defaults import add_defaults
from landfall.engine.planning.foreign_keys import foreign_key
from landfall.engine.planning.partitions import elsewhere, into_parents
from landfall.engine.planning.tables import NULL_ADVICE, Draft, column_traits, ignores_case
from landfall.engine.targets.engine import Translated
from landfall.lib.text import counted

_UNCARRIED = {
    "trigger": (Severity.HIGH, "Rewrite it for PostgreSQL, or implement its rule in the application."),
    "routine": (Severity.MEDIUM, "Rewrite it for PostgreSQL if something calls it."),
    "library": (Severity.MEDIUM, "Move its code into the application."),
    "event": (Severity.MEDIUM, "Schedule it outside the database, or with pg_cron."),
}


_INSTEAD = {
    "FULLTEXT": "Create a GIN index on to_tsvector(…).",
    "VECTOR": "Install pgvector, store the numbers in a column of its type vector with the application, and create an HNSW index on it.",
    "SPATIAL": "Install PostGIS, convert the column to geometry with ST_GeomFromWKB(substring(column from 5)), and create a GiST index.",
}


def surround(draft: Draft, table: Table, planned: TablePlan) -> None:
    """Add all statements of one table to the draft."""
    _create(draft, table, planned)
    add_defaults(draft, table, planned)
    _checks(draft, table, planned)
    for index in table.indexes:
        if draft.native:
            alone = table.kind == "table" and not table.partition_of and not table.inherits
            attached = all(parent in draft.names for parent in table.parents)
            known = index if attached else replace(index, attach_to="", attach_schema="")
            _native_index(draft, planned, known, f"{planned.label}.{index.name}", alone=alone)
        else:
            _index(draft, table, planned, index)
    into_parents(draft, table, planned)
    _folded_risk(draft, table, planned)
    _comments(draft, table, planned)
    for column in table.columns:
        mine = next(c for c in planned.columns if c.source == column.name)
        if column.on_update_now and mine.moved:
            _touch(draft, planned, mine)
    for at, key in enumerate(table.foreign_keys):
        orphans = draft.profile.orphans.get((table.schema, table.name, at), 0)
        foreign_key(draft, table, planned, key, orphans)


def _create(draft: Draft, table: Table, planned: TablePlan) -> None:
    name = planned.target
    draft.add_statement(Stage.TABLES, "table", name, name, draft.target.ddl.create_table(planned, table), essential=True)


def _checks(draft: Draft, table: Table, planned: TablePlan) -> None:
    for check in table.checks:
        name = check.name if draft.native else draft.constraint(planned.target, draft.spelled(f"{planned.target}_{check.name}"))
        if check.definition:
            clause = check.definition
        else:
            traits = replace(column_traits(draft, table), widen=frozenset())
            found = draft.target.ddl.translated(draft.catalog.engine, check.expression, draft.spelled, traits)
            if found.problem:
                draft.add_risk(
                    Severity.MEDIUM,
                    "Check",
                    f"{planned.label}.{check.name}",
                    f"the check {check.expression} is not migrated: {found.problem}",
                    "Add it manually after the migration.",
                )
                continue
            clause = draft.target.ddl.check_clause(found.sql)
        sql = draft.target.ddl.add_constraint(planned.target, name, clause)
        stage = Stage.KEYS if check.definition.endswith(" NOT VALID") else Stage.FINISH  # after rows that it would reject
        draft.add_statement(stage, "check", name, planned.target, sql, describes=f"{planned.label}.{check.name}")


# -- indexes ----------------------------------------------------------------------------------------------------------


def _index(draft: Draft, table: Table, planned: TablePlan, index: Index) -> None:
    label = f"{planned.label}.{index.name}"
    if index.method in _INSTEAD:
        draft.add_risk(
            Severity.MEDIUM,
            f"{index.method.capitalize()}Index",
            label,
            f"PostgreSQL has no equivalent of a {index.method} index",
            _INSTEAD[index.method],
        )
        return
    _case_risk(draft, table, index, label)
    parts = _parts(draft, planned, index, label)
    if parts is None:
        return
    if index.unique and _folded(planned, index):
        _folded_index(draft, planned, index, label)
    if any(p.prefix for p in index.parts):
        replaced = _whole_columns(draft, table, planned, index, label)
        if replaced and not (index.unique or index.primary):
            return
    elif index.primary:
        _primary(draft, table, planned, index, parts)
        return
    name = _index_name(draft, planned, index)
    plain = index.unique and not index.where and all(p.column and not p.prefix and not p.descending for p in index.parts)
    where = ""
    if index.where:
        found = draft.target.ddl.translated(draft.catalog.engine, index.where, draft.spelled)
        if found.problem:
            _lost_index(draft, label, found.problem, unique=index.unique)
            return
        where = found.sql
    sql = draft.target.ddl.create_index(name, planned.target, parts, unique=index.unique, condition=where)
    if plain:
        _constraint(draft, planned, name, "UNIQUE", sql, label)
        return
    kind = "unique index" if index.unique else "index"
    draft.add_statement(Stage.INDEXES, kind, name, planned.target, sql, describes=label)


def _index_name(draft: Draft, planned: TablePlan, index: Index, suffix: str = "") -> str:
    own = draft.spelled(f"{index.name}{suffix}")
    return draft.relations.claim(own if own.startswith(planned.target) else f"{planned.target}_{own}")


def _primary_key(draft: Draft, planned: TablePlan, parts: str, label: str) -> None:
    name = draft.relations.claim(f"{planned.target}_pkey")
    sql = draft.target.ddl.create_index(name, planned.target, parts, unique=True)
    _constraint(draft, planned, name, "PRIMARY KEY", sql, label)


def _whole_columns(draft: Draft, table: Table, planned: TablePlan, index: Index, label: str) -> bool:
    """Add the index over whole columns that queries use in place of one over prefixes, and return whether there is one.

    A unique rule over prefixes stays an index over expressions, beside this one. Values that may be too long for a B-tree are hashed.
    """
    ddl, columns = draft.target.ddl, {c.source: c for c in planned.columns}
    used = [(columns[p.column], p) for p in index.parts if p.column]
    octets = sum(ddl.index_octets(c, table.column(c.source).type.length) for c, _ in used)
    fits = octets <= ddl.max_index_octets and len(used) == len(index.parts)
    parts = ddl.index_parts([ddl.index_part(ddl.index_column(c, None), descending=p.descending and fits) for c, p in used])
    told = ", ".join(f"the first {p.prefix} of {p.column}" for p in index.parts if p.prefix)
    if index.primary and fits:
        _primary_key(draft, planned, parts, label)
        text = f"the primary key covers whole columns; a unique index keeps the rule over {told}"
        draft.add_risk(Severity.LOW, "Index", label, text, "No action is required.")
        return True
    if index.primary:
        text = f"the target has no primary key over prefixes: a unique index keeps the rule over {told}"
        draft.add_risk(
            Severity.MEDIUM, "Index", label, text, "Add a primary key over whole columns if the application needs one."
        )
    if fits or len(index.parts) == 1:
        name = _index_name(draft, planned, index, "_whole" if index.unique else "")
        sql = ddl.create_index(name, planned.target, parts, unique=False, method="" if fits else "hash")
        draft.add_statement(Stage.INDEXES, "index", name, planned.target, sql, describes=label)
    if not fits:
        text = f"its values may be too long for a B-tree; the index over {told} becomes " + (
            "a hash index, which only = uses" if len(index.parts) == 1 else "one that queries use only if they compare left(…)"
        )
        draft.add_risk(
            Severity.LOW, "Index", label, text, "Create another index if queries sort by the column or compare ranges."
        )
    return fits or len(index.parts) == 1


def _primary(draft: Draft, table: Table, planned: TablePlan, index: Index, parts: str) -> None:
    """A primary key; or a unique constraint, where rows hold NULL in it."""
    label, found = f"{planned.label}.{index.name}", draft.profile.violations
    counts = [(p.column, found.get((table.schema, table.name, p.column), {}).get(Violation.NULL, 0)) for p in index.parts]
    empty = [(column, count) for column, count in counts if count]
    name = draft.relations.claim(f"{planned.target}_{'key' if empty else 'pkey'}")
    sql = draft.target.ddl.create_index(name, planned.target, parts, unique=True)
    _constraint(draft, planned, name, "UNIQUE" if empty else "PRIMARY KEY", sql, label)
    if empty:
        held = " and ".join(f"{counted(count, 'row', 'hold')} NULL in {column}" for column, count in empty)
        text = f"{held}, which no primary key of the target allows; a unique constraint takes its place"
        draft.add_risk(Severity.HIGH, "NullInKey", label, text, NULL_ADVICE)


def _constraint(draft: Draft, planned: TablePlan, name: str, word: str, index: str, label: str, tail: str = "") -> None:
    """Create a key as an index first, because indexes of one table are built in parallel, and add the constraint later.

    The constraint is added after the repair, because its index may have to wait for the repair.
    """
    primary = word == "PRIMARY KEY"
    kind = "primary key" if primary else "unique index"
    draft.add_statement(Stage.INDEXES, kind, name, planned.target, index, describes=label, essential=primary)
    sql = draft.target.ddl.constraint_by_index(planned.target, name, word, tail)
    draft.add_statement(Stage.KEYS, "constraint", name, planned.target, sql, describes=label, essential=primary)


def _native_index(draft: Draft, planned: TablePlan, index: Index, label: str, *, alone: bool) -> None:
    found = re.match(r"(PRIMARY KEY|UNIQUE)\b", index.constraint)
    if found and alone and " WITHOUT OVERLAPS)" not in index.constraint:
        tail = re.search(r"( NOT)? DEFERRABLE.*$", index.constraint)
        _constraint(draft, planned, index.name, found.group(1), index.definition, label, tail.group(0) if tail else "")
        return
    kind = "primary key" if index.primary else "unique index" if index.unique else "index"
    attached = bool(index.attach_to)
    if index.constraint:
        sql = draft.target.ddl.add_constraint(planned.target, index.name, index.constraint, only=True)
    else:
        sql = index.definition
    parent = " ON ONLY " in index.definition or not planned.moved
    stage = Stage.KEYS if parent else Stage.INDEXES
    draft.add_statement(stage, kind, index.name, planned.target, sql, describes=label, essential=index.primary)
    if attached:
        sql = draft.target.ddl.attach_index(index.attach_to, index.name, elsewhere(draft, planned.schema, index.attach_schema))
        draft.add_statement(Stage.LAST, "index partition", index.name, planned.target, sql, describes=label)


def _lost_index(draft: Draft, label: str, problem: str, *, unique: bool) -> None:
    severity, kind = (Severity.HIGH, "unique index") if unique else (Severity.MEDIUM, "index")
    advice = "Create one manually: nothing else rejects duplicates." if unique else "Create one manually if queries need it."
    draft.add_risk(severity, "Index", label, f"the {kind} is not migrated: {problem}", advice)


def _folded(planned: TablePlan, index: Index) -> list[str]:
    """The columns of an index whose texts are compared without regard to the case of ASCII letters."""
    texts = {c.source for c in planned.columns if c.mapping.measured}
    return [p.column for p in index.parts if p.folded and (p.column in texts or p.expression)]


def _folded_index(draft: Draft, planned: TablePlan, index: Index, label: str) -> None:
    """A second unique index, under which texts that differ only in the case of ASCII letters are the same."""
    parts = _parts(draft, planned, index, label, folded=True)
    found = draft.target.ddl.translated(draft.catalog.engine, index.where, draft.spelled) if index.where else Translated()
    if parts is None or found.problem:
        return  # reported with the index itself
    name = draft.relations.claim(f"{planned.target}_{'_'.join(draft.spelled(p.column or 'expr') for p in index.parts)}_nocase")
    sql = draft.target.ddl.create_index(name, planned.target, parts, unique=True, condition=found.sql)
    draft.add_statement(Stage.INDEXES, "unique index", name, planned.target, sql, describes=f"{label} without regard to case")


def _folded_risk(draft: Draft, table: Table, planned: TablePlan) -> None:
    texts = {c.source for c in planned.columns if c.mapping.measured}
    unique = {c for i in table.indexes if i.unique for c in _folded(planned, i)}
    indexed = {c for i in table.indexes for c in _folded(planned, i)}
    names = [c.name for c in table.columns if (c.folded and c.name in texts) or c.name in indexed]
    if names and not draft.native:
        kept = "; unique keys stay so by a second unique index over lower(…)" if unique else ""
        text = f"the source compares {', '.join(names)} without regard to the case of ASCII letters; the target compares exactly{kept}"
        draft.add_risk(
            Severity.MEDIUM, "Collation", planned.label, text, 'Compare lower(… COLLATE "C") on both sides in queries.'
        )


def _parts(draft: Draft, planned: TablePlan, index: Index, label: str, *, folded: bool = False) -> str | None:
    made, ddl = [], draft.target.ddl
    loose = _folded(planned, index) if folded else []
    columns = {c.source: c for c in planned.columns}
    for part in index.parts:
        if part.expression:
            found = draft.target.ddl.translated(draft.catalog.engine, part.expression, draft.spelled)
            if found.problem:
                _lost_index(draft, label, found.problem, unique=index.unique)
                return None
            text = ddl.index_expression(found.sql) if not (folded and part.folded) else ddl.index_folded(f"({found.sql})")
        else:
            column = columns[part.column]
            if column.decision is Decision.EXCLUDED:
                _lost_index(draft, label, f"its column {part.column} is excluded", unique=index.unique)
                return None
            text = ddl.index_column(column, part.prefix)
            text = ddl.index_folded(text) if part.column in loose else text
        made.append(ddl.index_part(text, descending=part.descending))
    return ddl.index_parts(made)


def _case_risk(draft: Draft, table: Table, index: Index, label: str) -> None:
    if not (index.unique or index.primary):
        return
    loose = [p.column for p in index.parts if p.column and ignores_case(table.column(p.column))]
    if loose:
        draft.add_risk(
            Severity.MEDIUM,
            "Collation",
            label,
            f"the source compares {', '.join(loose)} without regard to case or accents; the target compares exactly",
            "Normalise such values in the application, or create a unique index on lower(…).",
        )


# -- comments, triggers, foreign keys ---------------------------------------------------------------------------------


def _comments(draft: Draft, table: Table, planned: TablePlan) -> None:
    if table.comment:
        sql = draft.target.ddl.comment("TABLE", planned.target, table.comment)
        draft.add_statement(Stage.FINISH, "comment", planned.target, planned.target, sql)
    for column in planned.columns:
        if column.comment and column.compared:
            sql = draft.target.ddl.comment("COLUMN", planned.target, column.comment, column.target)
            draft.add_statement(Stage.FINISH, "comment", column.target, planned.target, sql)


def _touch(draft: Draft, planned: TablePlan, column: ColumnPlan) -> None:
    name = draft.routines.claim(f"{planned.target}_{column.target}_touch")
    ddl = draft.target.ddl
    draft.add_statement(Stage.PREPARE, "function", name, planned.target, ddl.touch_function(name, column.target, ddl.now(column)))
    sql = ddl.touch_trigger(name, planned.target, name)
    draft.add_statement(Stage.LAST, "trigger", name, planned.target, sql, describes=f"{planned.label}.{column.source}")


# -- the rest of the schema -------------------------------------------------------------------------------------------


STAGES = {
    "collation": Stage.PREPARE,
    "aggregate": Stage.PREPARE,
    "enum": Stage.PREPARE,
    "domain": Stage.PREPARE,
    "domain constraint": Stage.KEYS,
    "composite": Stage.PREPARE,
    "range": Stage.PREPARE,
    "function": Stage.PREPARE,
    "sequence": Stage.PREPARE,
    "ownership": Stage.FINISH,
    "statistics": Stage.FINISH,
    "column setting": Stage.TABLES,
    "constraint name": Stage.FINISH,
    "revoke": Stage.FINISH,
    "grant": Stage.FINISH,
    "comment": Stage.FINISH,
    "table setting": Stage.LAST,
    "view default": Stage.LAST,
    "typed table": Stage.LAST,
    "staged path": Stage.PREPARE,
    "schema owner": Stage.MOVED,
    "schema privilege": Stage.MOVED,
    "comment on schema": Stage.MOVED,
    "path": Stage.MOVED,
    "owner": Stage.MOVED,
    "index": Stage.LAST,
    "rule": Stage.LAST,
    "trigger": Stage.LAST,
    "row security": Stage.LAST,
    "policy": Stage.LAST,
}


NAMES_IN_BODIES = frozenset({"bare name", "qualified name"})  # of functions that a table uses: one risk each
_EARLY = (Stage.TABLES, Stage.FINISH)  # when there are no views


def objects(draft: Draft, *, before: bool) -> None:
    """Add types, functions and sequences before the tables; triggers, policies, rules and comments after them."""
    moved = {t.name for t in selected(draft.catalog, draft.options)}
    moved |= {v.name for v in draft.catalog.views if not excluded(v.name, draft.options.exclude_tables)}
    over = {v.name for v in draft.catalog.views}
    for thing in privileges.in_order(draft.catalog.objects):
        if (thing.table and thing.table not in moved) or privileges.settled(draft, thing, before=before):
            continue
        if {(thing.within, thing.label), (thing.within, thing.of)} & draft.in_place:
            continue
        if not thing.definition or (thing.kind in privileges.OF_SCHEMAS and thing.name not in draft.made_schemas):
            if before:
                _uncarried(draft, thing)
            continue
        stage = Stage.LAST if thing.table in over and STAGES[thing.kind] in _EARLY else STAGES[thing.kind]
        if (stage is Stage.PREPARE) is before:
            sql = privileges.owner_statement(draft, thing) if thing.kind == "owner" else thing.definition
            draft.enter(thing.within)
            if thing.kind == "path":
                merged = () if draft.catalog.apart else draft.catalog.schemas
                sql += draft.target.ddl.moved_path(thing.detail, merged, draft.options.target_schema)
            draft.add_statement(stage, thing.kind, thing.name, thing.table, sql, describes=draft.label_of(thing))
    draft.enter("")


def _uncarried(draft: Draft, thing: SourceObject) -> None:
    if thing.kind == "bare name" and not (draft.facts and draft.facts.bare_indexes):
        return
    if thing.kind == "schema name" and thing.name == draft.options.target_schema:
        return
    if thing.kind in {"schema owner", "comment on schema"} or (
        thing.kind == "schema comment" and thing.name in draft.made_schemas
    ):
        return  # a schema that the target has keeps its owner and comment
    severity, advice = _UNCARRIED.get(thing.kind, (Severity.MEDIUM, "Create it manually if something needs it."))
    severity, advice = Severity(thing.severity or severity), thing.advice or advice
    kind = "".join(word.capitalize() for word in thing.kind.split())
    if thing.kind in NAMES_IN_BODIES and any((r.kind, r.affected) == (kind, thing.name) for r in draft.risks):
        return
    description = thing.detail or f"the {thing.kind} is written in the source's own language and is not carried"
    draft.add_risk(severity, kind, draft.label_of(thing), description, advice)


_GRAVE = frozenset({"view", "foreign key", "unique index", "function", "trigger", "policy", "row security", "revoke"})


def rejected(kind: str, label: str, problem: str) -> tuple[Severity, str, str]:
    """Return how a rejected statement is reported: severity, description, advice."""
    severity = Severity.HIGH if kind in _GRAVE else Severity.MEDIUM
    return (
        severity,
        f"the {kind} {label} is not carried: the target says {problem}",
        "Create it manually, written for PostgreSQL.",
    )
