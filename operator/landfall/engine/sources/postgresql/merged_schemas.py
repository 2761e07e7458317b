"""What schemas have in common that are migrated into one, and who names them where no migration can change it: in the text of functions."""

from __future__ import annotations

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.catalog import SourceObject
from landfall.lib.text import enumerated

_SHOWN = 5


def merged_schemas(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """A blocker for each name that two of the schemas have, and one risk for each schema that functions or views name in a text.

    `planning` leaves out the schema that has the name of the target's.
    """
    objects = []
    clashes = control.rows(_CLASHES, *[schemas] * _CLASHES.count("%s"))
    tables = {name for kind, name, _, _ in clashes if kind == "table"}
    for kind, name, table, among in clashes:
        if kind == "index" and table in tables:
            continue
        text = f"{kind} {name} is in each of the schemas {among}, which are migrated into one schema"
        advice = (
            "Set spec.data.target.schemas: Preserve, with which each schema keeps its name, or rename one of them on the source."
        )
        objects.append(SourceObject("same name", name, "", table or "", f" ({kind})", text, severity="blocker", advice=advice))
    for schema, things in control.rows(_NAMED, schemas, schemas):
        listed = enumerated(things, _SHOWN)
        text = f"{listed} {'names' if len(things) == 1 else 'name'} schema {schema} in a text, which is not changed"
        advice = (
            f"Set spec.data.target.schemas: Preserve (or spec.data.target.schema: {schema} for this schema only), or write the text"
            " without the schema on the source (for functions, with SET search_path)."
        )
        objects.append(SourceObject("schema name", schema, detail=text, severity="high", advice=advice))
    return objects


_OWN = "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid='{0}'::regclass AND x.objid={1}.oid AND x.deptype='e')"
_CLASHES = (
    "SELECT k.kind,k.name,min(k.relation),string_agg(k.schema,', ' ORDER BY k.schema) FROM ("
    "SELECT CASE WHEN c.relkind='S' THEN 'sequence' WHEN c.relkind IN ('v','m') THEN 'view' WHEN c.relkind IN ('i','I') THEN 'index'"
    " ELSE 'table' END AS kind,c.relname::text AS name,CASE WHEN c.relkind IN ('i','I') THEN t.relname::text WHEN c.relkind<>'S' THEN"
    " c.relname::text END AS relation,n.nspname::text AS schema,c.relname::text AS key FROM pg_class c"
    " JOIN pg_namespace n ON n.oid=c.relnamespace LEFT JOIN pg_index i ON i.indexrelid=c.oid LEFT JOIN pg_class t ON t.oid=i.indrelid"
    f" WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p','v','m','S','i','I') AND {_OWN.format('pg_class', 'c')} UNION ALL"
    " SELECT 'function',p.proname::text,NULL,n.nspname,p.proname||'('||p.proargtypes::text||')' FROM pg_proc p JOIN pg_namespace n"
    f" ON n.oid=p.pronamespace WHERE n.nspname=ANY(%s) AND {_OWN.format('pg_proc', 'p')} UNION ALL"
    " SELECT 'type',t.typname::text,NULL,n.nspname,t.typname FROM pg_type t JOIN pg_namespace n ON n.oid=t.typnamespace"
    f" WHERE n.nspname=ANY(%s) AND t.typtype IN ('e','d','r') AND {_OWN.format('pg_type', 't')} UNION ALL"
    " SELECT 'collation',l.collname::text,NULL,n.nspname,l.collname FROM pg_collation l JOIN pg_namespace n ON n.oid=l.collnamespace"
    f" WHERE n.nspname=ANY(%s) AND {_OWN.format('pg_collation', 'l')}) k"
    " GROUP BY k.kind,k.key,k.name HAVING count(DISTINCT k.schema)>1 ORDER BY 1,2"
)
# With the schemas on the search path their names are not in what the server prints of a query, unless in a text.
_NAMED = (
    "WITH s AS (SELECT nspname::text AS schema FROM pg_namespace WHERE nspname=ANY(%s) AND nspname ~ '^[A-Za-z_][A-Za-z0-9_]*$'),"
    " texts AS (SELECT 'function '||p.proname AS label,p.prosrc AS body FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace"
    f" WHERE n.nspname=ANY(%s) AND to_jsonb(p)->>'prosqlbody' IS NULL AND {_OWN.format('pg_proc', 'p')} UNION ALL"
    " SELECT 'view '||c.relname,pg_get_viewdef(c.oid) FROM pg_class c JOIN s ON s.schema=c.relnamespace::regnamespace::text"
    f" WHERE c.relkind IN ('v','m') AND {_OWN.format('pg_class', 'c')})"
    " SELECT s.schema,array_agg(t.label ORDER BY t.label) FROM s JOIN texts t ON t.body ~* ('(^|[^.\\w])\"?'||s.schema||'\"?\\.[\\w\"]')"
    " GROUP BY s.schema ORDER BY 1"
)
