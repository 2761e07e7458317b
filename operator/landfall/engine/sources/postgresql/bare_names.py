"""Functions that PostgreSQL evaluates over rows and that name others in a way that fails during a migration.

Since version 17 PostgreSQL builds indexes and materialized views with the system's catalog only on the search path, and a function that
names others without a schema finds nothing there. One that names a schema finds nothing while the tables are in the staging schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.identifiers import quoted, search_path
from landfall.engine.sources.postgresql.body_names import NameInBody, names_in


@dataclass(frozen=True, slots=True)
class _Caller:
    """A function that an object of a table uses. `statement`: `FUNCTION name(arguments)`, as ALTER wants it."""

    statement: str
    name: str
    body: str
    language: str
    user: str
    table: str


def bare_names(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """One risk for each such function and table that needs it.

    `planning` leaves out tables that are not migrated, and bare names for a target that builds indexes with the whole search path.
    A reference that may not be reached is a high risk, which can be approved; one that certainly fails is a blocker.
    """
    known_names = {
        (kind, schema, name): (bool(extension), bool(system))
        for kind, schema, name, extension, system in control.rows(_NAMED, schemas)
    }
    system_names = {(kind, name): system for (kind, _, name), (_, system) in known_names.items()}
    own_names = {key for key, (extension, _) in known_names.items() if not extension}
    objects = []
    for row in control.rows(_USED, schemas):
        caller, built, searching = _Caller(*row[:6]), row[6], row[7]
        names = sorted(names_in(caller.body, caller.language), key=lambda n: (not n.certain, n.name))
        path = f"SET search_path = {search_path(*schemas)}"
        if built and not searching and (body_name := _first_bare(names, system_names)):
            objects.append(
                _bare_name_risk(
                    caller,
                    body_name,
                    path,
                    certain=body_name.certain and not system_names[body_name.kind.value, body_name.name],
                )
            )
        if body_name := next((n for n in names if (n.kind.value, n.schema, n.name) in own_names), None):
            objects.append(_qualified(caller, body_name, path))
    return objects


def _first_bare(names: Iterable[NameInBody], system_names: dict[tuple[str, str], bool]) -> NameInBody | None:
    """The first bare name, one that the system's catalog does not have before others."""
    candidates = [n for n in names if not n.schema and (n.kind.value, n.name) in system_names]
    return min(candidates, key=lambda n: (system_names[n.kind.value, n.name], not n.certain), default=None)


def _bare_name_risk(caller: _Caller, name: NameInBody, path: str, *, certain: bool) -> SourceObject:
    text = (
        f"{caller.user} uses {caller.statement}, which names the {name.kind} {name.name} without a schema; the target builds indexes and"
        " materialized views with only pg_catalog on the search path"
    )
    return _object("bare name", caller, text, f"Run on the source: ALTER {caller.statement} {path}.", certain=certain)


def _qualified(caller: _Caller, name: NameInBody, path: str) -> SourceObject:
    label = f"{quoted(name.schema)}.{quoted(name.name)}"
    text = f"{caller.user} uses {caller.statement}, which names the {name.kind} {label}: the schema does not hold it until the cutover"
    advice = f"Write {quoted(name.name)} without the schema in the function on the source, and run there: ALTER {caller.statement} {path}."
    return _object("qualified name", caller, text, advice, certain=name.certain)


def _object(kind: str, caller: _Caller, text: str, advice: str, *, certain: bool) -> SourceObject:
    if not certain:
        text += ", if the function reaches that part"
        advice = f"{advice} Or approve the plan if it does not."
    severity = "blocker" if certain else "high"
    return SourceObject(kind, caller.name, table=caller.table, detail=text, severity=severity, advice=advice)


_NAMED = (
    "WITH s AS (SELECT oid,nspname FROM pg_namespace WHERE nspname=ANY(%s))"
    " SELECT 'function',s.nspname::text,p.proname::text,bool_and(x.objid IS NOT NULL),bool_or(EXISTS (SELECT 1 FROM pg_proc y"
    " WHERE y.proname=p.proname AND y.pronamespace='pg_catalog'::regnamespace)) FROM s JOIN pg_proc p ON p.pronamespace=s.oid"
    " LEFT JOIN pg_depend x ON x.classid='pg_proc'::regclass AND x.objid=p.oid AND x.deptype='e' GROUP BY 1,2,3"
    " UNION ALL SELECT 'relation',s.nspname,c.relname,x.objid IS NOT NULL,EXISTS (SELECT 1 FROM pg_class y WHERE y.relname=c.relname"
    " AND y.relnamespace='pg_catalog'::regnamespace) FROM s JOIN pg_class c ON c.relnamespace=s.oid AND c.relkind IN ('r','p','v','m')"
    " LEFT JOIN pg_depend x ON x.classid='pg_class'::regclass AND x.objid=c.oid AND x.deptype='e'"
    " UNION ALL SELECT 'type',s.nspname,t.typname,x.objid IS NOT NULL,EXISTS (SELECT 1 FROM pg_type y WHERE y.typname=t.typname"
    " AND y.typnamespace='pg_catalog'::regnamespace) FROM s JOIN pg_type t ON t.typnamespace=s.oid AND t.typelem=0"
    " LEFT JOIN pg_depend x ON x.classid='pg_type'::regclass AND x.objid=t.oid AND x.deptype='e'"
)
# The functions that indexes, materialized views, checks and stored columns use; whether that is built with a short search path, and
# whether the function sets its own.
_USED = (
    "SELECT DISTINCT 'FUNCTION '||quote_ident(p.proname)||'('||pg_get_function_identity_arguments(p.oid)||')',p.proname::text,p.prosrc,"
    "l.lanname::text,pg_describe_object(d.classid,d.objid,0),coalesce(t.relname,v.relname)::text,"
    " coalesce(i.indexrelid,v.oid) IS NOT NULL,EXISTS (SELECT 1 FROM unnest(p.proconfig) o WHERE o LIKE 'search_path=%%')"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace AND n.nspname=ANY(%s) JOIN pg_language l ON l.oid=p.prolang"
    " JOIN pg_depend d ON d.refclassid='pg_proc'::regclass AND d.refobjid=p.oid"
    " LEFT JOIN pg_rewrite r ON d.classid='pg_rewrite'::regclass AND r.oid=d.objid"
    " LEFT JOIN pg_class v ON v.oid=r.ev_class AND v.relkind='m'"
    " LEFT JOIN pg_index i ON d.classid='pg_class'::regclass AND i.indexrelid=d.objid"
    " LEFT JOIN pg_constraint k ON d.classid='pg_constraint'::regclass AND k.oid=d.objid AND k.contype='c' AND k.conrelid<>0"
    " LEFT JOIN pg_attrdef f ON d.classid='pg_attrdef'::regclass AND f.oid=d.objid AND EXISTS (SELECT 1 FROM pg_attribute a"
    " WHERE a.attrelid=f.adrelid AND a.attnum=f.adnum AND a.attgenerated='s')"
    " LEFT JOIN pg_class t ON t.oid=coalesce(i.indrelid,k.conrelid,f.adrelid)"
    " WHERE coalesce(t.relname,v.relname) IS NOT NULL AND l.lanname IN ('sql','plpgsql') AND to_jsonb(p)->>'prosqlbody' IS NULL"
    " ORDER BY 2,1,5"
)
