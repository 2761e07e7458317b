"""The version of a PostgreSQL schema: counts and transaction IDs of the system catalogs, in one query.

A statement that changes a definition inserts a row into a system catalog or deletes one. An inserted row has the ID of a transaction that
no earlier snapshot saw as committed; a deletion reduces the count. So count and transaction IDs of a catalog stay the same
only while nothing was changed. VACUUM and ANALYZE update `pg_class` in place and change neither.

Left out is what no plan depends on: statistics, large objects, the state of subscriptions, what all databases share (except this
database, its settings, and the roles), and temporary tables, which sessions of applications create all the time.
"""

from __future__ import annotations

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.identifiers import literal, quoted

_CATALOGS = (
    "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace='pg_catalog'::regnamespace AND c.relkind='r' AND c.oid<16384"
    " AND has_table_privilege(c.oid,'SELECT') AND NOT c.relname=ANY(%s)"
    " AND (NOT c.relisshared OR c.relname IN ('pg_database','pg_db_role_setting','pg_auth_members')) ORDER BY 1"
)
_UNREAD = ["pg_statistic", "pg_statistic_ext_data", "pg_largeobject", "pg_largeobject_metadata", "pg_subscription_rel"]
_TEMPORARY = (
    "WITH spaces AS MATERIALIZED (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_'),"
    " tables AS MATERIALIZED (SELECT oid FROM pg_class WHERE relpersistence='t'),"
    " types AS MATERIALIZED (SELECT oid FROM pg_type WHERE typnamespace IN (SELECT oid FROM spaces))"
)
_ROWS = {
    "pg_attrdef": "adrelid NOT IN (SELECT oid FROM tables)",
    "pg_attribute": "attrelid NOT IN (SELECT oid FROM tables)",
    "pg_class": "relpersistence<>'t'",
    "pg_constraint": "conrelid NOT IN (SELECT oid FROM tables)",
    "pg_database": "datname=current_database()",
    "pg_depend": " AND ".join(
        f"NOT ({kind}='{catalog}'::regclass AND {oid} IN (SELECT oid FROM {name}))"
        for kind, oid in (("classid", "objid"), ("refclassid", "refobjid"))
        for catalog, name in (("pg_class", "tables"), ("pg_type", "types"))
    ),
    "pg_index": "indrelid NOT IN (SELECT oid FROM tables)",
    "pg_namespace": "oid NOT IN (SELECT oid FROM spaces)",
    "pg_sequence": "seqrelid NOT IN (SELECT oid FROM tables)",
    "pg_type": "oid NOT IN (SELECT oid FROM types)",
}
"""The rows that count, by catalog."""
_IN_PLACE = {"pg_index": "indisvalid::text"}
"""What a server updates without a new version of the row: PostgreSQL 13, at the end of CREATE INDEX CONCURRENTLY."""


def schema_version(control: PgSession) -> str:
    """Return the version of everything that `catalog` reads: it differs after any change of it.

    One line for each catalog: its name, the number of its rows, and the sum of the hashes of their transaction IDs.
    """
    names = [name for (name,) in control.rows(_CATALOGS, _UNREAD)]
    parts = [_part(name) for name in names]
    parts.append("SELECT 'pg_roles',count(*),sum(hashtextextended(r::text,0)) FROM pg_roles r")
    return "\n".join(" ".join(map(str, row)) for row in control.rows(f"{_TEMPORARY} {' UNION ALL '.join(parts)} ORDER BY 1"))


def _part(name: str) -> str:
    where = f" WHERE {_ROWS[name]}" if name in _ROWS else ""
    seen = f"xmin::text||{_IN_PLACE[name]}" if name in _IN_PLACE else "xmin::text"
    return f"SELECT {literal(name)},count(*),sum(hashtextextended({seen},0)) FROM pg_catalog.{quoted(name)}{where}"
