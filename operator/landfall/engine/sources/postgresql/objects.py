"""What a PostgreSQL schema holds besides tables and views, each as the statement that makes it."""

from __future__ import annotations

from landfall.engine.clients.postgresql import Cells, PgSession
from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.sources.postgresql.bare_names import bare_names
from landfall.engine.sources.postgresql.definitions import aggregates, collations
from landfall.engine.sources.postgresql.extension_state import extension_state
from landfall.engine.sources.postgresql.merged_schemas import merged_schemas
from landfall.engine.sources.postgresql.other_schemas import other_schemas
from landfall.engine.sources.postgresql.privileges import privileges
from landfall.engine.sources.postgresql.settings import settings
from landfall.engine.sources.postgresql.unmoved import unmoved

TRIGGER_STATES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
_NOT_OF_EXTENSION = "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid={cls} AND x.objid={oid} AND x.deptype='e')"


def objects(control: PgSession, schemas: list[str]) -> tuple[SourceObject, ...]:
    """Types, sequences, functions, triggers, policies, rules and statistics, in an order that mostly works."""
    found = [*objects_within(control, schemas), *privileges(control, schemas)]
    found += [*bare_names(control, schemas), *merged_schemas(control, schemas), *other_schemas(control, schemas)]
    return (*found, *unmoved(control, schemas), *extension_state(control))


def objects_within(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """What the schemas hold, without owners and grants."""
    found = free_objects(control, schemas)
    found += [*_triggers(control, schemas), *_security(control, schemas), *_rules(control, schemas)]
    return [*found, *settings(control, schemas)]


def risks_apart(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """What is not migrated of schemas that stay apart, and what would fail because of other schemas."""
    found = [*bare_names(control, schemas), *other_schemas(control, schemas), *unmoved(control, schemas)]
    return [*found, *extension_state(control)]


def free_objects(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """What does not belong to a table: collations, types, sequences, functions and aggregates."""
    found = [*collations(control, schemas), *_types(control, schemas), *_sequences(control, schemas)]
    return [*found, *_functions(control, schemas), *aggregates(control, schemas)]


def _rows(control: PgSession, query: str, schemas: list[str], cls: str, oid: str) -> list[Cells]:
    condition = _NOT_OF_EXTENSION.format(cls=f"'{cls}'::regclass", oid=oid)
    return control.rows(query.replace("{own}", condition), schemas)


def _types(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    found = []
    for name, labels in _rows(control, _ENUMS, schemas, "pg_type", "t.oid"):
        words = ",".join(literal(label) for label in labels)
        found.append(SourceObject("enum", name, f"CREATE TYPE {quoted(name)} AS ENUM ({words})"))
    for row in _rows(control, _DOMAINS, schemas, "pg_type", "t.oid"):
        name, base, required, collation, checks, default, former, unchecked = row
        definition, earlier = (_domain(name, base, required, collation, checks, value) for value in (default, former))
        found.append(SourceObject("domain", name, definition, former="" if earlier == definition else earlier))
        for check in unchecked or []:
            sql = f"ALTER DOMAIN {quoted(name)} ADD {check}"
            found.append(SourceObject("domain constraint", name, sql, signature=f" ({check})", of=f"domain {name}"))
    for name, fields in _rows(control, _COMPOSITES, schemas, "pg_type", "t.oid"):
        found.append(SourceObject("composite", name, f"CREATE TYPE {quoted(name)} AS ({', '.join(fields)})"))
    for name, parts in _rows(control, _RANGES, schemas, "pg_type", "t.oid"):
        found.append(SourceObject("range", name, f"CREATE TYPE {quoted(name)} AS RANGE ({parts})"))
    return found


def _domain(name: str, base: str, required: bool, collation: str, checks: list[str] | None, default: str) -> str:  # noqa: FBT001
    parts = [f"CREATE DOMAIN {quoted(name)} AS {base}"]
    parts += [f"COLLATE {collation}"] if collation else []
    parts += [f"DEFAULT {default}"] if default else []
    parts += ["NOT NULL"] if required else []
    return " ".join([*parts, *(checks or [])])


def _sequences(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    found = []
    for row in _rows(control, _SEQUENCES, schemas, "pg_class", "c.oid"):
        name, kind, step, low, high, start, cache, cycle, source, table, column = row
        sql = (
            f"CREATE SEQUENCE {quoted(name)} AS {kind} INCREMENT BY {step} MINVALUE {low} MAXVALUE {high} START WITH {start}"
            f" CACHE {cache} {'CYCLE' if cycle else 'NO CYCLE'}"
        )
        found.append(SourceObject("sequence", name, sql, detail=source))
        if table:
            sql = f"ALTER SEQUENCE {quoted(name)} OWNED BY {quoted(table)}.{quoted(column)}"
            found.append(SourceObject("ownership", name, sql, table=table))
    return found


def _functions(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    found = []
    for name, arguments, kind, schema, definition, machine, path in _rows(control, _FUNCTIONS, schemas, "pg_proc", "p.oid"):
        word = "PROCEDURE" if kind == "p" else "FUNCTION"
        bare = definition.replace(f"{word} {schema}.", f"{word} ", 1)
        detail = f"the function is written in {machine}: creating it would load code into the server" if machine else ""
        found.append(SourceObject("function", name, "" if machine else bare, signature=f"({arguments})", detail=detail))
        if path is not None and not machine:
            found += _path(name, arguments, word, path)
    return found


def _path(name: str, arguments: str, word: str, path: str) -> list[SourceObject]:
    """While a function is in the staging schema, its own search path is that of the session, which has the schema."""
    place, of = f"{word} {quoted(name)}({arguments})", f"function {name}({arguments})"
    return [
        SourceObject("staged path", place, f"ALTER {place} SET search_path FROM CURRENT", of=of),
        SourceObject("path", place, f"ALTER {place} SET search_path = ", detail=path, of=of),
    ]


def _triggers(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    found = []
    for name, table, definition, enabled in control.rows(_TRIGGERS, schemas):
        found.append(SourceObject("trigger", name, definition, table=table))
        word = TRIGGER_STATES.get(enabled)
        if word:
            sql = f"ALTER TABLE {quoted(table)} {word} TRIGGER {quoted(name)}"
            found.append(SourceObject("trigger", name, sql, table=table, signature=f" ({word.lower()})"))
    for name, table, enabled in control.rows(_PARTITION_TRIGGERS, schemas):
        word = TRIGGER_STATES.get(enabled, "ENABLE")
        sql = f"ALTER TABLE ONLY {quoted(table)} {word} TRIGGER {quoted(name)}"
        found.append(SourceObject("trigger", name, sql, table=table, signature=f" ({word.lower()})"))
    return found


def _security(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    found = [SourceObject("policy", name, sql, table=table) for name, table, sql in control.rows(_POLICIES, schemas)]
    for table, enabled, forced in control.rows(_SECURED, schemas):
        for on, word in ((enabled, "ENABLE"), (forced, "FORCE")):
            if on:
                sql = f"ALTER TABLE {quoted(table)} {word} ROW LEVEL SECURITY"
                found.append(SourceObject("row security", table, sql, table=table, signature=f" ({word.lower()})"))
    return found


def _rules(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    found = []
    for name, table, schema, definition, enabled in control.rows(_RULES, schemas):
        bare = definition.replace(f" ON {schema}.{table} ", f" ON {quoted(table)} ", 1)
        bare = bare.replace(f" TO {schema}.{table} ", f" TO {quoted(table)} ", 1)
        found.append(SourceObject("rule", name, bare, table=table))
        if word := TRIGGER_STATES.get(enabled):
            sql = f"ALTER TABLE {quoted(table)} {word} RULE {quoted(name)}"
            found.append(SourceObject("rule", name, sql, table=table, signature=f" ({word.lower()})"))
    for name, schema, definition, table in control.rows(_STATISTICS, schemas):
        found.append(SourceObject("statistics", name, definition.replace(f"{schema}.", "", 1), table=table))
    for name, definition in control.rows(_VIEW_INDEXES, schemas):
        found.append(SourceObject("index", name, definition))
    return found


_ENUMS = (
    "SELECT t.typname,array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_type t JOIN pg_enum e ON e.enumtypid=t.oid"
    " JOIN pg_namespace n ON n.oid=t.typnamespace WHERE n.nspname=ANY(%s) AND {own} GROUP BY t.oid,t.typname ORDER BY t.oid"
)
_DOMAINS = (
    "SELECT t.typname,format_type(t.typbasetype,t.typtypmod),t.typnotnull,CASE WHEN t.typcollation<>b.typcollation"
    " THEN (SELECT quote_ident(collname) FROM pg_collation WHERE oid=t.typcollation) END,"
    " (SELECT array_agg('CONSTRAINT '||quote_ident(k.conname)||' '||pg_get_constraintdef(k.oid,true) ORDER BY k.conname)"
    " FROM pg_constraint k WHERE k.contypid=t.oid AND k.contype='c' AND k.convalidated),pg_get_expr(t.typdefaultbin,'pg_type'::regclass),t.typdefault,"
    " (SELECT array_agg('CONSTRAINT '||quote_ident(k.conname)||' '||pg_get_constraintdef(k.oid,true) ORDER BY k.conname)"
    " FROM pg_constraint k WHERE k.contypid=t.oid AND k.contype='c' AND NOT k.convalidated) FROM pg_type t JOIN pg_type b ON b.oid=t.typbasetype"
    " JOIN pg_namespace n ON n.oid=t.typnamespace WHERE n.nspname=ANY(%s) AND t.typtype='d' AND {own} ORDER BY t.oid"
)
_COMPOSITES = (
    "SELECT t.typname,array_agg(quote_ident(a.attname)||' '||format_type(a.atttypid,a.atttypmod) ORDER BY a.attnum)"
    " FROM pg_type t JOIN pg_class c ON c.oid=t.typrelid AND c.relkind='c' JOIN pg_attribute a ON a.attrelid=c.oid AND a.attnum>0"
    " AND NOT a.attisdropped JOIN pg_namespace n ON n.oid=t.typnamespace WHERE n.nspname=ANY(%s) AND {own}"
    " GROUP BY t.oid,t.typname ORDER BY t.oid"
)
_RANGES = (
    "SELECT t.typname,concat_ws(', ','subtype = '||format_type(r.rngsubtype,NULL),CASE WHEN NOT o.opcdefault THEN"
    " format('subtype_opclass = %%I.%%I',(SELECT nspname FROM pg_namespace WHERE oid=o.opcnamespace),o.opcname) END,"
    " CASE WHEN r.rngcollation<>b.typcollation THEN 'collation = '||r.rngcollation::regcollation::text END,"
    " CASE WHEN r.rngsubdiff<>0 THEN 'subtype_diff = '||r.rngsubdiff::text END,(SELECT CASE WHEN m.typname<>"
    " CASE WHEN t.typname LIKE '%%range%%' THEN regexp_replace(t.typname,'range','multirange') ELSE t.typname||'_multirange' END"
    " THEN 'multirange_type_name = '||quote_ident(m.typname) END FROM pg_type m WHERE m.oid=(to_jsonb(r)->>'rngmultitypid')::oid))"
    " FROM pg_range r JOIN pg_type t ON t.oid=r.rngtypid JOIN pg_type b ON b.oid=r.rngsubtype JOIN pg_opclass o ON o.oid=r.rngsubopc"
    " JOIN pg_namespace n ON n.oid=t.typnamespace WHERE n.nspname=ANY(%s) AND {own} ORDER BY t.oid"
)
_SEQUENCES = (
    "SELECT c.relname,format_type(s.seqtypid,NULL),s.seqincrement,s.seqmin,s.seqmax,s.seqstart,s.seqcache,s.seqcycle,"
    " quote_ident(n.nspname)||'.'||quote_ident(c.relname),t.relname,a.attname FROM pg_class c JOIN pg_namespace n"
    " ON n.oid=c.relnamespace JOIN pg_sequence s ON s.seqrelid=c.oid LEFT JOIN pg_depend d ON d.classid='pg_class'::regclass"
    " AND d.objid=c.oid AND d.deptype='a' AND d.refclassid='pg_class'::regclass LEFT JOIN pg_class t ON t.oid=d.refobjid"
    " LEFT JOIN pg_attribute a ON a.attrelid=d.refobjid AND a.attnum=d.refobjsubid WHERE n.nspname=ANY(%s) AND c.relkind='S'"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend i WHERE i.classid='pg_class'::regclass AND i.objid=c.oid AND i.deptype='i')"
    " AND {own} ORDER BY c.oid"
)
_FUNCTIONS = (
    "SELECT p.proname,pg_get_function_identity_arguments(p.oid),p.prokind::text,quote_ident(n.nspname),pg_get_functiondef(p.oid),"
    " (SELECT lanname FROM pg_language l WHERE l.oid=p.prolang AND lanname IN ('c','internal')),"
    " (SELECT substr(o,13) FROM unnest(p.proconfig) o WHERE o LIKE 'search_path=%%')"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace WHERE n.nspname=ANY(%s) AND p.prokind IN ('f','p','w')"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend i WHERE i.classid='pg_proc'::regclass AND i.objid=p.oid AND i.deptype='i')"
    " AND {own} ORDER BY p.oid"
)
_TRIGGERS = (
    "SELECT t.tgname,c.relname,pg_get_triggerdef(t.oid,true),t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid=t.tgrelid"
    " JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s) AND NOT t.tgisinternal AND t.tgparentid=0 ORDER BY 2,1"
)
_PARTITION_TRIGGERS = (
    "SELECT t.tgname,c.relname,t.tgenabled::text FROM pg_trigger t JOIN pg_trigger p ON p.oid=t.tgparentid JOIN pg_class c"
    " ON c.oid=t.tgrelid JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s) AND NOT t.tgisinternal"
    " AND t.tgenabled<>p.tgenabled ORDER BY c.oid,1"
)
_POLICIES = (
    "SELECT p.polname,c.relname,'CREATE POLICY '||quote_ident(p.polname)||' ON '||quote_ident(c.relname)||"
    " CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END||' FOR '||CASE p.polcmd WHEN 'r' THEN 'SELECT'"
    " WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END||' TO '||"
    " (SELECT string_agg(CASE WHEN r=0 THEN 'PUBLIC' ELSE r::regrole::text END,', ') FROM unnest(p.polroles) r)||"
    " coalesce(' USING ('||pg_get_expr(p.polqual,p.polrelid,true)||')','')||"
    " coalesce(' WITH CHECK ('||pg_get_expr(p.polwithcheck,p.polrelid,true)||')','') FROM pg_policy p"
    " JOIN pg_class c ON c.oid=p.polrelid JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s) ORDER BY 2,1"
)
_SECURED = (
    "SELECT c.relname,c.relrowsecurity,c.relforcerowsecurity FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace"
    " WHERE n.nspname=ANY(%s) AND (c.relrowsecurity OR c.relforcerowsecurity) AND c.relkind IN ('r','p') ORDER BY 1"
)
_RULES = (
    "SELECT r.rulename,c.relname,quote_ident(n.nspname),pg_get_ruledef(r.oid,true),r.ev_enabled::text FROM pg_rewrite r JOIN pg_class c ON c.oid=r.ev_class"
    " JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s) AND r.rulename<>'_RETURN' ORDER BY 2,1"
)
_STATISTICS = (
    "SELECT s.stxname,quote_ident(n.nspname),pg_get_statisticsobjdef(s.oid),c.relname FROM pg_statistic_ext s"
    " JOIN pg_class c ON c.oid=s.stxrelid JOIN pg_namespace n ON n.oid=s.stxnamespace WHERE n.nspname=ANY(%s) ORDER BY 1"
)
_VIEW_INDEXES = (
    "SELECT x.relname,pg_get_indexdef(i.indexrelid,0,true) FROM pg_index i JOIN pg_class x ON x.oid=i.indexrelid"
    " JOIN pg_class c ON c.oid=i.indrelid JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s) AND c.relkind='m'"
    " ORDER BY 1"
)
