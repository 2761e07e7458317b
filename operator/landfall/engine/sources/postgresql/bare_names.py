"""Functions that PostgreSQL evaluates over rows and that name others in a way that fails during a migration.

Since version 17 PostgreSQL builds indexes and materialized views with the system's catalog only on the search path, and a function that
names others without a schema finds nothing there. One that names a schema finds nothing while the tables are in the staging schema.
"""

from __future__ import annotations

from landfall.engine.clients.postgresql import Control
from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.identifiers import search_path


def bare_names(control: Control, schemas: list[str]) -> list[SourceObject]:
    """One risk for each such function; `planning` leaves it out for a target that builds indexes with the whole search path."""
    found = []
    for function, label, user, called in control.rows(_BARE, schemas, schemas, schemas):
        text = (
            f"{user} uses {function}, which names {called} without a schema; the target builds indexes and materialized views with"
            " only pg_catalog on the search path"
        )
        advice = f"Run on the source: ALTER {function} SET search_path = {search_path(*schemas)}."
        found.append(SourceObject("bare name", label, detail=text, severity="blocker", advice=advice))
    for function, label, user, called in control.rows(_QUALIFIED, schemas, schemas, schemas):
        text = f"{user} uses {function}, which names {called}: the schema does not hold it until the cutover"
        advice = (
            f"Write {called.split('.')[1]} without the schema in the function on the source, and run there: ALTER {function} SET"
            f" search_path = {search_path(*schemas)}."
        )
        found.append(SourceObject("qualified name", label, detail=text, severity="blocker", advice=advice))
    return found


_BARE = (
    "WITH named AS (SELECT p.proname::text AS name,'\\s*\\(' AS tail FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace"
    " WHERE n.nspname=ANY(%s) UNION SELECT c.relname::text,'\\M' FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace"
    " WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p','v','m')), used AS (SELECT DISTINCT p.oid,p.proname,p.prokind,p.prosrc,"
    " CASE WHEN c.relkind='m' THEN 'the materialized view ' ELSE 'the index ' END||c.relname AS by FROM pg_proc p JOIN pg_depend d"
    " ON d.refclassid='pg_proc'::regclass AND d.refobjid=p.oid LEFT JOIN pg_rewrite r ON d.classid='pg_rewrite'::regclass"
    " AND r.oid=d.objid JOIN pg_class c ON c.oid=coalesce(r.ev_class,d.objid) AND (r.oid IS NOT NULL AND c.relkind='m'"
    " OR d.classid='pg_class'::regclass AND c.relkind IN ('i','I')) JOIN pg_namespace n ON n.oid=p.pronamespace"
    " JOIN pg_language l ON l.oid=p.prolang WHERE n.nspname=ANY(%s) AND l.lanname IN ('sql','plpgsql')"
    " AND to_jsonb(p)->>'prosqlbody' IS NULL AND NOT EXISTS (SELECT 1 FROM unnest(p.proconfig) o WHERE o LIKE 'search_path=%%'))"
    " SELECT 'FUNCTION '||quote_ident(u.proname)||'('||pg_get_function_identity_arguments(u.oid)||')',u.proname,min(u.by),min(n.name)"
    " FROM used u JOIN named n ON n.name ~ '^[a-z_][a-z0-9_]*$' AND u.prosrc ~* ('(^|[^.\\w])'||CASE n.tail WHEN '\\M'"
    " THEN '(from|join|update|into)\\s+' ELSE '' END||n.name||n.tail) GROUP BY u.oid,u.proname ORDER BY 1"
)
_QUALIFIED = (
    "WITH named AS (SELECT n.nspname||'.'||p.proname AS name,n.nspname||'\\.'||p.proname||'\\s*\\(' AS pattern FROM pg_proc p"
    " JOIN pg_namespace n ON n.oid=p.pronamespace WHERE n.nspname=ANY(%s) AND NOT EXISTS (SELECT 1 FROM pg_depend x"
    " WHERE x.classid='pg_proc'::regclass AND x.objid=p.oid AND x.deptype='e') UNION SELECT n.nspname||'.'||c.relname,"
    "n.nspname||'\\.'||c.relname||'\\M' FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s)"
    " AND c.relkind IN ('r','p','v','m')), used AS (SELECT DISTINCT p.oid,p.proname,p.prosrc,pg_describe_object(d.classid,"
    "d.objid,0) AS by FROM pg_proc p JOIN pg_depend d ON d.refclassid='pg_proc'::regclass AND d.refobjid=p.oid JOIN pg_namespace n"
    " ON n.oid=p.pronamespace JOIN pg_language l ON l.oid=p.prolang WHERE n.nspname=ANY(%s) AND l.lanname IN ('sql','plpgsql')"
    " AND to_jsonb(p)->>'prosqlbody' IS NULL AND (d.classid='pg_class'::regclass"
    " OR d.classid='pg_constraint'::regclass AND EXISTS (SELECT 1 FROM pg_constraint k WHERE k.oid=d.objid AND k.contype='c')"
    " OR d.classid='pg_attrdef'::regclass AND EXISTS (SELECT 1 FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid=f.adrelid"
    " AND a.attnum=f.adnum AND a.attgenerated='s' WHERE f.oid=d.objid)))"
    " SELECT 'FUNCTION '||quote_ident(u.proname)||'('||pg_get_function_identity_arguments(u.oid)||')',u.proname,min(u.by),min(n.name)"
    " FROM used u JOIN named n ON n.name ~ '^[a-z_][a-z0-9_]*[.][a-z_][a-z0-9_]*$' AND u.prosrc ~* ('(^|[^.\\w])'||n.pattern)"
    " GROUP BY u.oid,u.proname ORDER BY 1"
)
