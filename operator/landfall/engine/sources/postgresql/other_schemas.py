"""What migrated objects use of schemas that are not migrated."""

from __future__ import annotations

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.catalog import SourceObject
from landfall.lib.text import enumerated

_SHOWN = 5


def other_schemas(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """One risk for each schema. The target may have the objects: the dry run decides whether it is a blocker."""
    risks = []
    for schema, things in control.rows(_OUTSIDE, schemas, schemas):
        listed = enumerated(things, _SHOWN)
        text = f"migrated objects use objects of schema {schema}, which is not migrated: {listed}"
        advice = f"Add {schema} to spec.data.source.schemas, or create these objects in schema {schema} of the target."
        risks.append(SourceObject("other schema", schema, detail=text, severity="info", advice=advice))
    return [*risks, *(_below(*row) for row in control.rows(_BELOW, schemas, schemas))]


def _below(schema: str, children: list[str]) -> SourceObject:
    """Rows that queries of migrated tables find on the source, and not on the target."""
    listed = enumerated(children, _SHOWN)
    text = f"rows that belong to migrated tables are not migrated, because they are in tables of schema {schema}: {listed}"
    advice = f"Add {schema} to spec.data.source.schemas."
    return SourceObject("rows elsewhere", schema, detail=text, severity="high", advice=advice)


_NOT_OF_EXTENSION = "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid={0} AND x.objid={1} AND x.deptype='e')"
_OUTSIDE = (
    "WITH inside AS (SELECT d.classid,d.objid FROM pg_depend d JOIN pg_namespace n ON d.refclassid='pg_namespace'::regclass"
    f" AND d.refobjid=n.oid WHERE n.nspname=ANY(%s) AND {_NOT_OF_EXTENSION.format('d.classid', 'd.objid')}),"
    " near AS (SELECT * FROM inside UNION SELECT d.classid,d.objid FROM pg_depend d JOIN inside i ON d.refclassid=i.classid"
    " AND d.refobjid=i.objid WHERE d.deptype IN ('a','i') AND d.classid IN ('pg_attrdef'::regclass,'pg_constraint'::regclass,"
    "'pg_rewrite'::regclass,'pg_trigger'::regclass,'pg_policy'::regclass)),"
    " used AS (SELECT DISTINCT d.refclassid,d.refobjid FROM pg_depend d JOIN near ON d.classid=near.classid AND d.objid=near.objid"
    f" WHERE d.deptype='n' AND {_NOT_OF_EXTENSION.format('d.refclassid', 'd.refobjid')})"
    " SELECT n.nspname,array_agg(pg_describe_object(u.refclassid,u.refobjid,0) ORDER BY 1) FROM used u JOIN ("
    "SELECT 'pg_type'::regclass AS classid,oid,typnamespace AS schema FROM pg_type UNION ALL SELECT 'pg_proc'::regclass,oid,pronamespace"
    " FROM pg_proc UNION ALL SELECT 'pg_class'::regclass,oid,relnamespace FROM pg_class UNION ALL SELECT 'pg_collation'::regclass,oid,"
    "collnamespace FROM pg_collation UNION ALL SELECT 'pg_operator'::regclass,oid,oprnamespace FROM pg_operator) o ON o.classid=u.refclassid"
    " AND o.oid=u.refobjid JOIN pg_namespace n ON n.oid=o.schema WHERE NOT n.nspname=ANY(%s) AND n.nspname !~ '^pg_'"
    " AND n.nspname<>'information_schema' GROUP BY n.nspname ORDER BY 1"
)
_BELOW = (
    "SELECT n.nspname::text,array_agg(c.relname||CASE WHEN c.relispartition THEN ' (a partition of ' ELSE ' (inherits from ' END||p.relname||')'"
    " ORDER BY c.relname) FROM pg_inherits h JOIN pg_class c ON c.oid=h.inhrelid JOIN pg_namespace n ON n.oid=c.relnamespace"
    " JOIN pg_class p ON p.oid=h.inhparent JOIN pg_namespace s ON s.oid=p.relnamespace WHERE s.nspname=ANY(%s) AND NOT n.nspname=ANY(%s)"
    " AND c.relkind IN ('r','p') AND "
    + _NOT_OF_EXTENSION.format("'pg_class'::regclass", "c.oid")
    + " GROUP BY n.nspname ORDER BY 1"
)
