"""Who owns the objects of a PostgreSQL schema and who may use them: owners, GRANT, REVOKE … FROM PUBLIC, default privileges.

A role of the source that the target lacks is found when the plan is made; nothing here knows the target.
"""

from __future__ import annotations

from dataclasses import replace

from landfall.engine.clients.postgresql import Cells, PgSession
from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.sources.postgresql.settings import GRANTED_ROUTINE, ROUTINE_LABEL, ROUTINE_NAME, TYPE_LABEL

_PUBLIC = "PUBLIC"
_KINDS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS"}


def privileges(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """Grants and owners as statements; rights on the schemas and default privileges as risks."""
    all_objects = privileges_within(control, schemas)
    all_objects += [_right_on_schema(row) for row in control.rows(_SCHEMA_RIGHTS, schemas)]
    return [*all_objects, *_default_privileges(control, schemas)]


def privileges_within(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """Owners of what the schemas hold, and the rights on it."""
    all_objects = [_owner(row) for row in control.rows(_OWNERS, *[schemas] * _OWNERS.count("%s"))]
    all_objects += [
        SourceObject("revoke", target, f"REVOKE ALL ON {target} FROM PUBLIC", table=table or "", of=owner or "")
        for target, table, owner in control.rows(_REVOKED, schemas, schemas)
    ]
    all_objects += [_grant(row) for row in control.rows(_GRANTS, *[schemas] * _GRANTS.count("%s"))]
    return all_objects


def schema_objects(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """Owner, comment and rights of schemas that keep their names, as statements; default privileges as risks."""
    all_objects = [
        SourceObject("schema owner", schema, f"ALTER SCHEMA {quoted(schema)} OWNER TO {quoted(role)}", role=role, within=schema)
        for schema, role, _ in control.rows(_SCHEMAS, schemas)
    ]
    all_objects += [
        SourceObject("comment on schema", schema, f"COMMENT ON SCHEMA {quoted(schema)} IS {literal(text)}", within=schema)
        for schema, _, text in control.rows(_SCHEMAS, schemas)
        if text
    ]
    for row in control.rows(_SCHEMA_RIGHTS, schemas):
        schema, role, right, grantable = row
        sql = f"GRANT {right} ON SCHEMA {quoted(schema)} TO {quoted(role) if role else _PUBLIC}"
        definition = sql + (" WITH GRANT OPTION" if grantable else "")
        all_objects.append(
            replace(_right_on_schema((schema, role or _PUBLIC, right, grantable)), definition=definition, within=schema)
        )
    return [*all_objects, *_default_privileges(control, schemas)]


def _owner(row: Cells) -> SourceObject:
    """`detail` of a function with the rights of its owner says so."""
    target, table, owner, role, definer = row
    detail = f"{target} is executed with the privileges of its owner" if definer else ""
    return SourceObject(
        "owner", target, f"ALTER {target} OWNER TO {quoted(role)}", table or "", detail=detail, of=owner or "", role=role
    )


def _grant(row: Cells) -> SourceObject:
    target, table, owner, role, rights, grantable = row
    to = quoted(role) if role else _PUBLIC
    sql = f"GRANT {rights} ON {target} TO {to}{' WITH GRANT OPTION' if grantable else ''}"
    label = f" ({rights} to {role or _PUBLIC}{', grantable' if grantable else ''})"
    return SourceObject("grant", target, sql, table or "", label, of=owner or "", role=role or "")


def _right_on_schema(row: Cells) -> SourceObject:
    schema, role, right, grantable = row
    tail = " WITH GRANT OPTION" if grantable else ""
    if not role:
        text = f"every role has {right} on schema {schema} of the source; rights on the target schema are not changed"
        advice = f"GRANT {right} ON the target schema TO PUBLIC if roles depend on it."
        return SourceObject("schema privilege", schema, signature=f" ({right})", detail=text, severity="medium", advice=advice)
    return SourceObject(
        "schema privilege", schema, signature=f" ({right})", role=role, detail=right, severity="medium", advice=tail
    )


def _default_privileges(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    default_rights = []
    for role, schema, kind, granted, revoked in control.rows(_DEFAULTS, schemas):
        scope = f"FOR ROLE {quoted(role)}{f' IN SCHEMA {quoted(schema)}' if schema else ''}"
        objects = str(_KINDS.get(kind, kind))
        sql = [f"ALTER DEFAULT PRIVILEGES {scope} GRANT {rights} ON {objects} TO {to}" for rights, to in granted or []]
        sql += [f"ALTER DEFAULT PRIVILEGES {scope} REVOKE ALL ON {objects} FROM PUBLIC"] if revoked else []
        text = f"the default privileges of role {role} for {objects.lower()} are not migrated"
        advice = f"If they are needed, run on the target: {'; '.join(sql)}."
        default_rights.append(
            SourceObject("default privileges", scope, signature=f" ON {objects}", detail=text, severity="low", advice=advice)
        )
    return default_rights


_OWN = "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid='{0}'::regclass AND x.objid={1}.oid AND x.deptype='e')"
_RELATION = "CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END||quote_ident(c.relname)"
_TABLE_OF = (
    "CASE WHEN c.relkind<>'S' THEN c.relname::text ELSE (SELECT o.relname::text FROM pg_depend y JOIN pg_class o ON o.oid=y.refobjid"
    " WHERE y.classid='pg_class'::regclass AND y.objid=c.oid AND y.refclassid='pg_class'::regclass AND y.deptype IN ('a','i')) END"
)
_RELATIONS = (
    "FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace{0} WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p','v','m','S')"
    f" AND c.relpersistence<>'t' AND {_OWN.format('pg_class', 'c')}"
)
_SEQUENCE_OF = "CASE WHEN c.relkind='S' THEN 'sequence '||c.relname END"
_ROUTINES = (
    "FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace{0} WHERE n.nspname=ANY(%s)"
    f" AND {_OWN.format('pg_proc', 'p')} AND NOT EXISTS (SELECT 1 FROM pg_depend y WHERE y.classid='pg_proc'::regclass"
    " AND y.objid=p.oid AND y.deptype='i')"
)
_TYPES = (
    "FROM pg_type t JOIN pg_namespace n ON n.oid=t.typnamespace LEFT JOIN pg_class tc ON tc.oid=t.typrelid{0}"
    " WHERE n.nspname=ANY(%s) AND t.typtype IN ('e','d','r','c') AND (t.typrelid=0 OR tc.relkind='c')"
    f" AND {_OWN.format('pg_type', 't')}"
)
_TYPE = "CASE t.typtype WHEN 'd' THEN 'DOMAIN ' ELSE 'TYPE ' END||quote_ident(t.typname)"
_OWNERS = (
    f"SELECT {_RELATION},{_TABLE_OF},{_SEQUENCE_OF},pg_get_userbyid(c.relowner)::text,false {_RELATIONS.format('')}"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend y WHERE y.classid='pg_class'::regclass AND y.objid=c.oid AND c.relkind='S'"
    " AND y.deptype IN ('a','i'))"  # which follow their table
    f" UNION ALL SELECT {ROUTINE_NAME},NULL,{ROUTINE_LABEL},pg_get_userbyid(p.proowner)::text,p.prosecdef {_ROUTINES.format('')}"
    f" UNION ALL SELECT {_TYPE},NULL,{TYPE_LABEL},pg_get_userbyid(t.typowner)::text,false {_TYPES.format('')}"
    " UNION ALL SELECT 'COLLATION '||quote_ident(l.collname),NULL,'collation '||l.collname,pg_get_userbyid(l.collowner)::text,false"
    " FROM pg_collation l JOIN pg_namespace n ON n.oid=l.collnamespace WHERE n.nspname=ANY(%s)"
    f" AND {_OWN.format('pg_collation', 'l')} UNION ALL SELECT 'STATISTICS '||quote_ident(s.stxname),c.relname::text,NULL,"
    " pg_get_userbyid(s.stxowner)::text,false FROM pg_statistic_ext s JOIN pg_class c ON c.oid=s.stxrelid"
    " JOIN pg_namespace n ON n.oid=s.stxnamespace WHERE n.nspname=ANY(%s) ORDER BY 1"
)
_ROLE = "CASE WHEN a.grantee=0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END"
_RIGHTS = "string_agg(a.privilege_type,', ' ORDER BY a.privilege_type),a.is_grantable"
_GRANTS = (
    f"SELECT {_RELATION},{_TABLE_OF},{_SEQUENCE_OF},{_ROLE},{_RIGHTS}"
    f" {_RELATIONS.format(' CROSS JOIN LATERAL aclexplode(c.relacl) a')} AND a.grantee<>c.relowner GROUP BY c.oid,c.relkind,c.relname,"
    "a.grantee,a.is_grantable UNION ALL"
    " SELECT 'TABLE '||quote_ident(c.relname),c.relname::text,NULL,g.role,"
    " string_agg(g.right||' ('||g.columns||')',', ' ORDER BY g.right),g.is_grantable FROM pg_class c"
    " JOIN (SELECT t.attrelid,CASE WHEN a.grantee=0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END AS role,a.privilege_type AS right,"
    " a.is_grantable,string_agg(quote_ident(t.attname),', ' ORDER BY t.attnum) AS columns FROM pg_attribute t, aclexplode(t.attacl) a"
    " WHERE NOT t.attisdropped GROUP BY 1,2,3,4) g ON g.attrelid=c.oid JOIN pg_namespace n ON n.oid=c.relnamespace"
    " WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p','v','m')"
    f" AND {_OWN.format('pg_class', 'c')} GROUP BY c.oid,c.relname,g.role,g.is_grantable UNION ALL"
    f" SELECT {GRANTED_ROUTINE},NULL,{ROUTINE_LABEL},{_ROLE},{_RIGHTS} {_ROUTINES.format(' CROSS JOIN LATERAL aclexplode(p.proacl) a')}"
    " AND a.grantee NOT IN (p.proowner,0) GROUP BY p.oid,p.prokind,p.proname,p.proargtypes,a.grantee,a.is_grantable UNION ALL"
    f" SELECT {_TYPE},NULL,{TYPE_LABEL},{_ROLE},{_RIGHTS} {_TYPES.format(' CROSS JOIN LATERAL aclexplode(t.typacl) a')}"
    " AND a.grantee NOT IN (t.typowner,0) GROUP BY t.oid,t.typtype,t.typname,a.grantee,a.is_grantable ORDER BY 1,4,5"
)
_REVOKED = (
    f"SELECT {GRANTED_ROUTINE},NULL::text,{ROUTINE_LABEL} {_ROUTINES.format('')} AND p.proacl IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM aclexplode(p.proacl) a WHERE a.grantee=0) UNION ALL"
    f" SELECT {_TYPE},NULL,{TYPE_LABEL} {_TYPES.format('')} AND t.typacl IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM aclexplode(t.typacl) a WHERE a.grantee=0) ORDER BY 1"
)
_SCHEMA_RIGHTS = (
    "SELECT n.nspname,CASE WHEN a.grantee=0 THEN '' ELSE pg_get_userbyid(a.grantee)::text END,a.privilege_type,a.is_grantable"
    " FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname=ANY(%s) AND a.grantee<>n.nspowner"
    " AND NOT (n.nspname='public' AND a.grantee=0) ORDER BY 1,2,3"
)
_SCHEMAS = (
    "SELECT n.nspname,pg_get_userbyid(n.nspowner)::text,CASE WHEN n.nspname<>'public' THEN obj_description(n.oid,'pg_namespace') END"
    " FROM pg_namespace n WHERE n.nspname=ANY(%s) ORDER BY 1"
)
_DEFAULTS = (
    "SELECT pg_get_userbyid(d.defaclrole)::text,n.nspname,d.defaclobjtype::text,(SELECT json_agg(json_build_array(g.rights,g.role)"
    " ORDER BY g.role) FROM (SELECT string_agg(a.privilege_type,', ' ORDER BY a.privilege_type) AS rights,CASE WHEN a.grantee=0"
    " THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role FROM aclexplode(d.defaclacl) a"
    " WHERE a.grantee<>d.defaclrole AND NOT (a.grantee=0 AND d.defaclobjtype IN ('f','T')) GROUP BY a.grantee) g),d.defaclnamespace=0 AND d.defaclobjtype IN ('f','T')"
    " AND NOT EXISTS (SELECT 1 FROM aclexplode(d.defaclacl) a WHERE a.grantee=0) FROM pg_default_acl d LEFT JOIN pg_namespace n"
    " ON n.oid=d.defaclnamespace WHERE (d.defaclnamespace=0 OR n.nspname=ANY(%s)) ORDER BY 1,2,3"
)
