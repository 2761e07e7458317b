"""Which columns a query can name, and the tables of the source with their counterparts in the target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from landfall.engine.model.identifiers import quoted
from landfall.engine.sources.mysql.views.values import Case, Value, ValueKind
from landfall.engine.sources.view_relations import Relation, RelationColumn

_KINDS = (
    (re.compile(r"boolean"), ValueKind.BOOL),
    (re.compile(r"smallint|integer|bigint"), ValueKind.INT),
    (re.compile(r"numeric.*"), ValueKind.NUM),
    (re.compile(r"real|double precision"), ValueKind.FLOAT),
    (re.compile(r"(?:varchar|char|text|character).*(?<!\])"), ValueKind.TEXT),
    (re.compile(r"date"), ValueKind.DATE),
    (re.compile(r"timestamp.* with time zone"), ValueKind.ZONED),
    (re.compile(r"timestamp.*"), ValueKind.MOMENT),
    (re.compile(r"interval.*"), ValueKind.TIME),
    (re.compile(r"json"), ValueKind.JSON),
    (re.compile(r"bytea"), ValueKind.BYTES),
    (re.compile(r"text\[\]"), ValueKind.LIST),
    (re.compile(r'".*'), ValueKind.ENUM),
)
_DIGITS = re.compile(r"\((?:\d+,\s*)?(\d+)\)")

Columns = Mapping[str, Value]


@dataclass(slots=True)
class Scope:
    """The tables of one FROM, by their names there, and the query around it."""

    around: Scope | None = None
    tables: dict[str, Columns] = field(default_factory=dict)

    def add(self, alias: str, columns: Columns) -> None:
        """Add a table."""
        self.tables[alias] = columns

    def tables_named(self, table: str) -> list[Columns]:
        """The tables that a query calls so."""
        if table in self.tables:
            return [self.tables[table]]
        return [columns for alias, columns in self.tables.items() if alias.lower() == table.lower()]

    def find(self, node: exp.Column) -> Value:
        """The column that a query names. Raises ValueError where there is none."""
        name, table = node.name.lower(), node.table
        scope: Scope | None = self
        while scope is not None:
            places = scope.tables_named(table) if table else list(scope.tables.values())
            for columns in places:
                if name in columns:
                    return columns[name]
            scope = scope.around
        message = f"the column {node.name} is not migrated"
        raise ValueError(message)


def value_of(column: RelationColumn, alias: str) -> Value:
    """A column of a table as an expression."""
    sql = f"{alias}.{quoted(column.target)}"
    if column.kind:
        return Value(sql, ValueKind[column.kind], column.scale, Case[column.case], stored=True, foreign=column.foreign)
    kind = next((k for form, k in _KINDS if form.fullmatch(column.target_type)), ValueKind.OTHER)
    digits = _DIGITS.search(column.target_type)
    scale = int(digits.group(1)) if digits and kind in {ValueKind.NUM, ValueKind.MOMENT, ValueKind.ZONED, ValueKind.TIME} else 0
    if kind is ValueKind.NUM and digits and "," not in column.target_type:
        scale = 0
    return Value(sql, kind, scale, Case.EXACT if column.exact else Case.LOOSE, stored=True, foreign=column.foreign)


def columns_of(relation: Relation, alias: str) -> Columns:
    """The columns of a table or view under an alias."""
    return {c.source.lower(): value_of(c, alias) for c in relation.columns}
