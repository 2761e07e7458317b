"""Tables that exist in the target, as the matching looks at them."""

from __future__ import annotations

import re

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.catalog import Catalog, Table
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.options import Options
from landfall.engine.model.target_facts import TargetFacts
from landfall.engine.sources.postgresql.catalog import catalog
from landfall.engine.targets.postgresql import catalog as target_catalog

_LISTED = 1000
_READABLE = (
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=%s AND c.relkind IN ('r','p')"
    " AND has_table_privilege(c.oid,'SELECT') AND NOT row_security_active(c.oid)"
)
_MEMBER = re.compile(r"'((?:[^']|'')*)'")


class PostgresqlCatalog:
    """What is in the target already."""

    def __init__(self, control: PgSession, port: int) -> None:
        self._control = control
        self._port = port

    def facts(self, options: Options, relations: frozenset[tuple[str, str]], schemas: tuple[str, ...] = ()) -> TargetFacts:
        """Everything that planning needs to know of the target."""
        return target_catalog.facts(self._control, options, relations, self._port, schemas)

    def existing(self, schema: str) -> Catalog:
        """The catalog of a schema."""
        target_catalog.check_schema(self._control, schema)
        return catalog(self._control, Options(schemas=(schema,)))

    def readable(self, schema: str) -> frozenset[str]:
        """The tables whose rows the credential may read, all of them."""
        return frozenset(r[0] for r in self._control.rows(_READABLE, schema))

    def has_rows(self, table: Table) -> bool:
        """Whether a table has rows."""
        return bool(self._control.value(f"SELECT EXISTS (SELECT 1 FROM {place(table)})"))

    def listed_values(self, table: Table, existing: Catalog, readable: frozenset[str]) -> dict[str, frozenset[str]]:
        """The values that columns take, where they are listed."""
        return listed_values(self._control, table, existing, readable)


def place(table: Table) -> str:
    """The name of a table with its schema."""
    return f"{quoted(table.schema)}.{quoted(table.name)}"


def listed_values(control: PgSession, table: Table, existing: Catalog, readable: frozenset[str]) -> dict[str, frozenset[str]]:
    """The values that a column accepts, if they are listed: by its type, a check, or the rows of a referenced table."""
    values = {c.name: frozenset(c.type.labels) for c in table.columns if c.type.labels}
    for check in table.checks:
        listed = re.fullmatch(r"CHECK \(\(?\"?(\w+)\"?(?:::\w+)? = ANY \(.*?ARRAY\[(.*)\].*", check.definition, re.DOTALL)
        if listed:
            values[listed.group(1)] = frozenset(m.replace("''", "'") for m in _MEMBER.findall(listed.group(2)))
    for key in table.foreign_keys:
        parent = next((t for t in existing.tables if t.name == key.ref_table and key.ref_schema in {"", t.schema}), None)
        if parent and len(key.columns) == 1 and parent.name != table.name and parent.name in readable:
            query = f"SELECT {quoted(key.ref_columns[0])}::text FROM {place(parent)} LIMIT {_LISTED + 1}"
            rows = control.rows(query)
            if 0 < len(rows) <= _LISTED:
                values[key.columns[0]] = frozenset(r[0] for r in rows if r[0] is not None)
    return values
