"""Counting orphans: rows whose foreign key has no parent row. The target would refuse the key at the end, when all rows are copied.

A key that the source has validated can have them as well: rows are loaded with triggers disabled, and as a replica.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from landfall.engine.model.catalog import Catalog, ForeignKey, Table
from landfall.engine.sources.base import Source
from landfall.engine.sources.engine import Dialect
from landfall.engine.sources.registry import engine_of

_DEFAULT_COLLATION = 'COLLATE pg_catalog."default"'


def count_orphans(source: Source, catalog: Catalog, chosen: Sequence[Table]) -> dict[tuple[str, str, int], int]:
    """Rows without a parent row if values are compared as the target does.

    Args:
        source: The source.
        catalog: Its catalog.
        chosen: The tables that are migrated. Keys that point at others, and keys that the source does not validate, are left out.

    Returns:
        By schema, table and position of the key in the table; keys without such rows are left out.
    """
    engine = engine_of(catalog.engine)
    found: dict[tuple[str, str, int], int] = {}
    migrated = {(t.schema, t.name) for t in chosen}
    tables = KeyTables(engine.dialect, chosen)
    reader = source.reader()
    try:
        for table in chosen:
            for at, key in enumerate(table.foreign_keys):
                parent = catalog.referenced(table, key)
                if parent is None or (parent.schema, parent.name) not in migrated or not _countable(key, parent):
                    continue
                query = orphan_query(tables, table, parent, key, alike=engine.capabilities.speaks_target_sql)
                count = int(reader.rows(query)[0][0] or 0)
                if count:
                    found[(table.schema, table.name, at)] = count
    finally:
        reader.close()
    return found


class KeyTables:
    """The rows that a foreign key has to do with on the target: those of migrated tables.

    Args:
        dialect: The source's.
        chosen: The tables that are migrated.
    """

    def __init__(self, dialect: Dialect, chosen: Sequence[Table]) -> None:
        self.dialect = dialect
        self._partitions: dict[tuple[str, str], list[Table]] = {}
        for table in chosen:
            if table.partition_of:
                self._partitions.setdefault(table.parents[0], []).append(table)

    def rows(self, table: Table, columns: Sequence[str]) -> str:
        """What stands in a FROM. The rows of a partitioned table are in its partitions; those of an inheriting table are not its parent's."""
        if table.holds_rows:
            return self.dialect.scanned(table)
        listed = ",".join(self.dialect.name(c) for c in columns)
        each = [f"SELECT {listed} FROM {self.dialect.scanned(leaf)}" for leaf in self._leaves(table)]
        return f"({' UNION ALL '.join(each) or f'SELECT {listed} FROM {self.dialect.table_name(table)} WHERE 1=0'})"

    def _leaves(self, table: Table) -> Iterator[Table]:
        for partition in self._partitions.get((table.schema, table.name), ()):
            if partition.holds_rows:
                yield partition
            else:
                yield from self._leaves(partition)


def _countable(key: ForeignKey, parent: Table) -> bool:
    """Whether a join finds its orphans. A key over a period is satisfied by several rows together."""
    return (
        key.validated
        and all(key.operators)
        and len(key.columns_in(parent)) == len(key.columns)
        and ", PERIOD " not in key.definition
    )


def orphan_query(tables: KeyTables, table: Table, parent: Table, key: ForeignKey, *, alike: bool) -> str:
    """The query that counts the orphans of one key.

    The join compares as the source does. Unless the target compares `alike`, rows that match only without regard to case or accents
    are orphans as well.
    """
    dialect, others = tables.dialect, key.columns_in(parent)
    collated = [_collated(table, c, parent, o) if alike else "" for c, o in zip(key.columns, others, strict=True)]
    pairs = [
        (f"c.{dialect.name(c)}{how}", f"p.{dialect.name(o)}") for c, o, how in zip(key.columns, others, collated, strict=True)
    ]
    operators = key.operators or ("=",) * len(pairs)
    joined = " AND ".join(f"{p} {o} {c}" for (c, p), o in zip(pairs, operators, strict=True))
    either = " OR " if " MATCH FULL" in key.definition else " AND "
    filled = either.join(f"{c} IS NOT NULL" for c, _ in pairs)
    loose = "" if alike else "".join(f" OR {dialect.as_bytes(p)}<>{dialect.as_bytes(c)}" for c, p in pairs)
    return (
        f"SELECT COUNT(*) FROM {tables.rows(table, key.columns)} c LEFT JOIN {tables.rows(parent, others)} p ON {joined}"
        f" WHERE ({filled}) AND ({pairs[0][1]} IS NULL{loose})"
    )


def _collated(table: Table, column: str, parent: Table, other: str) -> str:
    """How a column is compared with one of another collation: by that of the referenced column, as the key compares them."""
    own, its = (next(c.collate for c in t.columns if c.name == name) for t, name in ((table, column), (parent, other)))
    return "" if own == its else f" {its or _DEFAULT_COLLATION}"
