"""What an extension's own objects have that `CREATE EXTENSION` on the target does not give them.

They are created as they were on the first day. Rows of its configuration tables (which `pg_dump` carries) and rights that were granted or
revoked since are not migrated, and become risks.
"""

from __future__ import annotations

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.catalog import SourceObject
from landfall.lib.text import counted, enumerated

_SHOWN = 20


def extension_state(control: PgSession) -> list[SourceObject]:
    """One risk for the rows of each extension, and one for the rights on its objects."""
    rows: dict[str, list[str]] = {}
    for extension, table, condition, readable in control.rows(_TABLES):
        count = control.value(f"SELECT count(*) FROM {table} {condition}") if readable else None
        if count is None or int(count):
            words = "rows that the credential cannot read" if count is None else counted(int(count), "row")
            rows.setdefault(extension, []).append(f"{words} in {table}")
    rights: dict[str, list[str]] = {}
    for extension, name in control.rows(_RIGHTS):
        rights.setdefault(extension, []).append(name)
    return [*(_rows(e, tables) for e, tables in rows.items()), *(_rights(e, names) for e, names in rights.items())]


def _rows(extension: str, tables: list[str]) -> SourceObject:
    text = f"the data that the extension {extension} keeps for the application is not migrated: {enumerated(tables, _SHOWN)}"
    advice = "Copy it after the migration (pg_dump --data-only --table=…), or enter it on the target with the functions of the extension."
    return SourceObject("extension data", extension, detail=text, severity="high", advice=advice)


def _rights(extension: str, names: list[str]) -> SourceObject:
    text = f"rights on objects of the extension {extension} were granted or revoked, which is not migrated: {enumerated(names, _SHOWN)}"
    advice = "Run the same GRANT and REVOKE statements on the target."
    return SourceObject("extension privilege", extension, detail=text, severity="medium", advice=advice)


_TABLES = (
    "SELECT e.extname::text,format('%I.%I',n.nspname,c.relname),coalesce(u.condition,''),"
    "has_table_privilege(c.oid,'SELECT') AND has_schema_privilege(n.oid,'USAGE') AND NOT row_security_active(c.oid) FROM pg_extension e"
    " CROSS JOIN LATERAL unnest(e.extconfig,e.extcondition) u(relation,condition) JOIN pg_class c ON c.oid=u.relation"
    " JOIN pg_namespace n ON n.oid=c.relnamespace WHERE c.relkind IN ('r','p') ORDER BY 1,2"
)
_OWNED = "SELECT {0}acl AS acl,acldefault('{1}',{0}owner) AS plain FROM {2} WHERE d.classid='{2}'::regclass AND oid=d.objid"
_RIGHTS = (
    "SELECT e.extname::text,(pg_identify_object(d.classid,d.objid,0)).identity FROM pg_extension e"
    " JOIN pg_depend d ON d.refclassid='pg_extension'::regclass AND d.refobjid=e.oid AND d.deptype='e' JOIN LATERAL ("
    f"{_OWNED.format('pro', 'f', 'pg_proc')} UNION ALL {_OWNED.format('typ', 'T', 'pg_type')} UNION ALL"
    f" {_OWNED.format('nsp', 'n', 'pg_namespace')} UNION ALL {_OWNED.format('rel', 'r', 'pg_class')}) o ON true"
    " LEFT JOIN pg_init_privs i ON i.classoid=d.classid AND i.objoid=d.objid AND i.objsubid=0"
    " CROSS JOIN LATERAL (SELECT coalesce(o.acl,o.plain) AS now,coalesce(i.initprivs,o.plain) AS first) r"
    " WHERE NOT (r.now @> r.first AND r.first @> r.now) ORDER BY 1,2"
)
