"""Columns that foreign keys connect, directly or through others: they get one type, because a target joins columns of one type. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Counts
from dataclasses import dataclass

from landfall.engine.model.catalog import Column, ForeignKey, Table
from landfall.engine.model.mapping import Violation
from landfall.engine.planning.overrides import Place


@dataclass(frozen=True, slots=True)
class KeyFamily:
    """The columns of one relation, each by schema, table and name. `counts`: what profiling counted in all of them together."""

    columns: Counts[Place, Column]
    counts: Counts[Violation, int]

    @property
    def number(self) -> Place:
        """What tells it from other families: its first column."""
        return min(self.columns)

    def other_columns(self, place: Place) -> str:
        """The columns besides one, for a message."""
        return ", ".join(".".join(name[1:]) for name in sorted(self.columns) if name != place)


def key_families(tables: Iterable[Table], violations: Counts[Place, Counts[Violation, int]]) -> dict[Place, KeyFamily]:
    """Return the family of each column that a foreign key between these tables connects with another one."""
    by_name = {(t.schema, t.name): t for t in tables}
    group: dict[Place, set[Place]] = {}
    for lower, upper in (
        pair for table in by_name.values() for key in table.foreign_keys for pair in _pairs(table, key, by_name)
    ):
        merged = group.get(lower, {lower}) | group.get(upper, {upper})
        group.update(dict.fromkeys(merged, merged))
    families: dict[frozenset[Place], KeyFamily] = {}
    for places in group.values():
        members = frozenset(places)
        if members not in families:
            columns = {place: by_name[place[:2]].column(place[2]) for place in members}
            families[members] = KeyFamily(columns, _sum(violations.get(place, {}) for place in members))
    return {place: family for members, family in families.items() for place in members}


def _pairs(table: Table, key: ForeignKey, by_name: Counts[tuple[str, str], Table]) -> Iterator[tuple[Place, Place]]:
    parent = by_name.get((key.ref_schema or table.schema, key.ref_table))
    if parent is None:
        return
    parent_columns = key.columns_in(parent)
    own_columns, referenced_columns = {c.name for c in table.columns}, {c.name for c in parent.columns}
    for column, other in zip(key.columns, parent_columns, strict=False):
        if column in own_columns and other in referenced_columns:
            yield (table.schema, table.name, column), (parent.schema, parent.name, other)


def _sum(counts: Iterable[Counts[Violation, int]]) -> dict[Violation, int]:
    total: dict[Violation, int] = {}
    for column_counts in counts:
        for kind, count in column_counts.items():
            total[kind] = total.get(kind, 0) + count
    return total
