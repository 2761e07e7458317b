"""What hangs on tables, views and other objects of a PostgreSQL schema: settings, comments, defaults of views.

Each is the statement that makes it. Nothing of it changes a value, but a schema without it is another schema.
"""

from __future__ import annotations

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.identifiers import literal, quoted

_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}


def settings(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """Settings of columns, tables and indexes, and comments on everything but tables and their columns."""
    all_objects = [*_columns(control, schemas), *_tables(control, schemas)]
    all_objects += [
        SourceObject("view default", f"{view}.{column}", _alter(view, column, f"SET DEFAULT {expression}"), table=view)
        for view, column, expression in control.rows(_VIEW_DEFAULTS, schemas)
    ]
    all_objects += [
        SourceObject("typed table", table, f"ALTER TABLE {quoted(table)} OF {kind}", table=table)
        for table, kind in control.rows(_TYPED, schemas)
    ]
    all_objects += [
        SourceObject("constraint name", f"{table}.{name}", _renamed(table, default, name), table=table)
        for table, default, name in control.rows(_NOT_NULL_NAMES, schemas)
    ]
    return [*all_objects, *_comments(control, schemas)]


def _alter(table: str, column: str, action: str) -> str:
    return f"ALTER TABLE {quoted(table)} ALTER COLUMN {quoted(column)} {action}"


def _renamed(table: str, default: str, name: str) -> str:
    return f"ALTER TABLE {quoted(table)} RENAME CONSTRAINT {quoted(default)} TO {quoted(name)}"


def _columns(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    all_settings = []
    for table, column, storage, compression, target, options in control.rows(_COLUMN_SETTINGS, schemas):
        actions = [f"SET STORAGE {_STORAGE[storage]}"] if storage else []
        actions += [f"SET COMPRESSION {_COMPRESSION[compression]}"] if compression else []
        actions += [f"SET STATISTICS {target}"] if target is not None else []
        actions += [f"SET ({options})"] if options else []
        for action in actions:
            label = f" ({action.lower()})"
            all_settings.append(SourceObject("column setting", f"{table}.{column}", _alter(table, column, action), table, label))
    for table, index, number, target in control.rows(_INDEX_STATISTICS, schemas):
        sql = f"ALTER INDEX {quoted(index)} ALTER COLUMN {number} SET STATISTICS {target}"
        all_settings.append(SourceObject("table setting", index, sql, table, f" (statistics of column {number})"))
    return all_settings


def _tables(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    all_settings = []
    for table, toast, identity, index, clustered in control.rows(_TABLE_SETTINGS, schemas):
        actions = [f"SET ({', '.join(f'toast.{option}' for option in toast)})"] if toast else []
        actions += [f"REPLICA IDENTITY {f'USING INDEX {quoted(index)}' if index else identity}"] if identity else []
        actions += [f"CLUSTER ON {quoted(clustered)}"] if clustered else []
        for action in actions:
            sql = f"ALTER TABLE {quoted(table)} {action}"
            all_settings.append(SourceObject("table setting", table, sql, table, f" ({action.split(' (')[0].lower()})"))
    return all_settings


def _comments(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    comments = []
    for target, table, owner, text in control.rows(_COMMENTS, *[schemas] * _COMMENTS.count("%s")):
        sql = f"COMMENT ON {target} IS {literal(text)}"
        comments.append(SourceObject("comment", target, sql, table=table or "", of=owner or ""))
    return comments


_OWN = "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid='{0}'::regclass AND x.objid={1}.oid AND x.deptype='e')"
_COLUMN_SETTINGS = (
    "SELECT c.relname,a.attname,CASE WHEN a.attstorage<>t.typstorage THEN a.attstorage::text END,"
    " CASE WHEN to_jsonb(a)->>'attcompression'<>'' THEN to_jsonb(a)->>'attcompression' END,"
    " CASE WHEN a.attstattarget>=0 THEN a.attstattarget END,(SELECT string_agg(o,', ') FROM unnest(a.attoptions) o WHERE o LIKE 'n_distinct%%')"
    " FROM pg_attribute a JOIN pg_class c ON c.oid=a.attrelid JOIN pg_namespace n ON n.oid=c.relnamespace"
    " JOIN pg_type t ON t.oid=a.atttypid WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p','m') AND a.attnum>0 AND NOT a.attisdropped"
    f" AND c.relpersistence<>'t' AND {_OWN.format('pg_class', 'c')} AND (a.attstorage<>t.typstorage OR a.attstattarget>=0"
    " OR a.attoptions IS NOT NULL OR to_jsonb(a)->>'attcompression'<>'') ORDER BY c.oid,a.attnum"
)
_INDEX_STATISTICS = (
    "SELECT c.relname,x.relname,a.attnum,a.attstattarget FROM pg_attribute a JOIN pg_class x ON x.oid=a.attrelid"
    " JOIN pg_index i ON i.indexrelid=x.oid JOIN pg_class c ON c.oid=i.indrelid JOIN pg_namespace n ON n.oid=c.relnamespace"
    " WHERE n.nspname=ANY(%s) AND x.relkind IN ('i','I') AND c.relkind IN ('r','p','m') AND a.attstattarget>=0 ORDER BY 1,2,3"
)
_TABLE_SETTINGS = (
    "SELECT c.relname,(SELECT o.reloptions FROM pg_class o WHERE o.oid=c.reltoastrelid),"
    " CASE c.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' WHEN 'i' THEN 'DEFAULT' END,"
    " (SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid=i.indexrelid WHERE i.indrelid=c.oid AND i.indisreplident"
    " AND c.relreplident='i'),(SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid=i.indexrelid WHERE i.indrelid=c.oid"
    " AND i.indisclustered) FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s)"
    f" AND c.relkind IN ('r','p','m') AND c.relpersistence<>'t' AND {_OWN.format('pg_class', 'c')} ORDER BY c.oid"
)
_VIEW_DEFAULTS = (
    "SELECT c.relname,a.attname,pg_get_expr(d.adbin,d.adrelid) FROM pg_attrdef d JOIN pg_class c ON c.oid=d.adrelid"
    " JOIN pg_attribute a ON a.attrelid=d.adrelid AND a.attnum=d.adnum JOIN pg_namespace n ON n.oid=c.relnamespace"
    f" WHERE n.nspname=ANY(%s) AND c.relkind='v' AND {_OWN.format('pg_class', 'c')} ORDER BY c.oid,a.attnum"
)
_TYPED = (
    "SELECT c.relname,format_type(c.reloftype,NULL) FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace"
    f" WHERE n.nspname=ANY(%s) AND c.reloftype<>0 AND c.relkind IN ('r','p') AND {_OWN.format('pg_class', 'c')} ORDER BY c.oid"
)
# Since version 18 NOT NULL is a constraint with a name.
_NOT_NULL_NAMES = (
    "SELECT c.relname,c.relname||'_'||a.attname||'_not_null',k.conname FROM pg_constraint k JOIN pg_class c ON c.oid=k.conrelid"
    " JOIN pg_namespace n ON n.oid=c.relnamespace JOIN pg_attribute a ON a.attrelid=c.oid AND a.attnum=k.conkey[1]"
    " WHERE n.nspname=ANY(%s) AND k.contype='n' AND k.convalidated AND c.relkind IN ('r','p')"
    " AND k.conname<>c.relname||'_'||a.attname||'_not_null' ORDER BY c.oid,a.attnum"
)
_ROUTINE = (
    "CASE p.prokind WHEN 'a' THEN 'aggregate' ELSE 'function' END||' '||p.proname||'('||coalesce(nullif({args},''),{none})||')'"
)
_ARGUMENTS = "pg_get_function_identity_arguments(p.oid)"
ROUTINE_LABEL = _ROUTINE.format(args=_ARGUMENTS, none="CASE p.prokind WHEN 'a' THEN '*' ELSE '' END")
ROUTINE_NAME = (
    "CASE p.prokind WHEN 'a' THEN 'AGGREGATE' WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END||' '||quote_ident(p.proname)"
    f"||'('||coalesce(nullif({_ARGUMENTS},''),CASE p.prokind WHEN 'a' THEN '*' ELSE '' END)||')'"
)
GRANTED_ROUTINE = f"CASE p.prokind WHEN 'a' THEN 'FUNCTION '||quote_ident(p.proname)||'('||oidvectortypes(p.proargtypes)||')' ELSE {ROUTINE_NAME} END"
"""As GRANT and REVOKE name it: they call an aggregate a function."""
TYPE_LABEL = (
    "CASE t.typtype WHEN 'e' THEN 'enum ' WHEN 'd' THEN 'domain ' WHEN 'r' THEN 'range ' ELSE 'composite ' END||t.typname"
)
"""Expressions over `pg_proc p` and `pg_type t`: what `SourceObject.label` says of them, and their name in a statement."""

_TEXT = "JOIN pg_description d ON d.classoid='{0}'::regclass AND d.objoid={1}.oid AND d.objsubid=0"
_COMMENTS = (
    "SELECT CASE WHEN c.relkind='S' THEN 'SEQUENCE ' ELSE 'INDEX ' END||quote_ident(c.relname),t.relname::text,"
    " CASE WHEN c.relkind='S' THEN 'sequence '||c.relname END,d.description FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace"
    f" {_TEXT.format('pg_class', 'c')} LEFT JOIN pg_index i ON i.indexrelid=c.oid LEFT JOIN pg_class t ON t.oid=i.indrelid"
    f" WHERE n.nspname=ANY(%s) AND c.relkind IN ('i','I','S') AND {_OWN.format('pg_class', 'c')} UNION ALL"
    " SELECT 'COLUMN '||quote_ident(c.relname)||'.'||quote_ident(a.attname),CASE WHEN c.relkind<>'c' THEN c.relname::text END,"
    " CASE WHEN c.relkind='c' THEN 'composite '||c.relname END,d.description FROM pg_class c JOIN pg_namespace n"
    " ON n.oid=c.relnamespace JOIN pg_attribute a ON a.attrelid=c.oid AND a.attnum>0 AND NOT a.attisdropped JOIN pg_description d"
    " ON d.classoid='pg_class'::regclass AND d.objoid=c.oid AND d.objsubid=a.attnum WHERE n.nspname=ANY(%s)"
    f" AND c.relkind IN ('v','m','c') AND {_OWN.format('pg_class', 'c')} UNION ALL"
    " SELECT 'CONSTRAINT '||quote_ident(k.conname)||' ON '||CASE WHEN k.contypid<>0 THEN 'DOMAIN '||quote_ident(t.typname)"
    " ELSE quote_ident(c.relname) END,c.relname::text,'domain '||t.typname,d.description FROM pg_constraint k JOIN pg_namespace n"
    f" ON n.oid=k.connamespace {_TEXT.format('pg_constraint', 'k')} LEFT JOIN pg_class c ON c.oid=k.conrelid LEFT JOIN pg_type t"
    f" ON t.oid=k.contypid WHERE n.nspname=ANY(%s) AND {_OWN.format('pg_type', 't')} AND {_OWN.format('pg_class', 'c')} UNION ALL"
    " SELECT 'TRIGGER '||quote_ident(g.tgname)||' ON '||quote_ident(c.relname),c.relname::text,NULL,d.description FROM pg_trigger g"
    f" JOIN pg_class c ON c.oid=g.tgrelid JOIN pg_namespace n ON n.oid=c.relnamespace {_TEXT.format('pg_trigger', 'g')}"
    " WHERE n.nspname=ANY(%s) AND NOT g.tgisinternal UNION ALL"
    " SELECT 'RULE '||quote_ident(r.rulename)||' ON '||quote_ident(c.relname),c.relname::text,NULL,d.description FROM pg_rewrite r"
    f" JOIN pg_class c ON c.oid=r.ev_class JOIN pg_namespace n ON n.oid=c.relnamespace {_TEXT.format('pg_rewrite', 'r')}"
    f" WHERE n.nspname=ANY(%s) AND r.rulename<>'_RETURN' AND {_OWN.format('pg_class', 'c')} UNION ALL"
    " SELECT 'POLICY '||quote_ident(p.polname)||' ON '||quote_ident(c.relname),c.relname::text,NULL,d.description FROM pg_policy p"
    f" JOIN pg_class c ON c.oid=p.polrelid JOIN pg_namespace n ON n.oid=c.relnamespace {_TEXT.format('pg_policy', 'p')}"
    " WHERE n.nspname=ANY(%s) UNION ALL"
    f" SELECT {ROUTINE_NAME},NULL,{ROUTINE_LABEL},d.description FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace"
    f" {_TEXT.format('pg_proc', 'p')} WHERE n.nspname=ANY(%s) AND {_OWN.format('pg_proc', 'p')} UNION ALL"
    f" SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN ' ELSE 'TYPE ' END||quote_ident(t.typname),NULL,{TYPE_LABEL},d.description"
    f" FROM pg_type t JOIN pg_namespace n ON n.oid=t.typnamespace {_TEXT.format('pg_type', 't')} WHERE n.nspname=ANY(%s)"
    f" AND t.typtype IN ('e','d','r','c') AND {_OWN.format('pg_type', 't')} UNION ALL"
    " SELECT 'STATISTICS '||quote_ident(s.stxname),c.relname::text,NULL,d.description FROM pg_statistic_ext s JOIN pg_class c"
    f" ON c.oid=s.stxrelid JOIN pg_namespace n ON n.oid=s.stxnamespace {_TEXT.format('pg_statistic_ext', 's')} WHERE n.nspname=ANY(%s)"
    " UNION ALL SELECT 'COLLATION '||quote_ident(l.collname),NULL,'collation '||l.collname,d.description FROM pg_collation l"
    f" JOIN pg_namespace n ON n.oid=l.collnamespace {_TEXT.format('pg_collation', 'l')} WHERE n.nspname=ANY(%s)"
    f" AND {_OWN.format('pg_collation', 'l')} ORDER BY 1"
)
