"""The queries over a table of PostgreSQL."""

from __future__ import annotations

from landfall.engine.model.identifiers import quoted
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.postgresql import dialect as postgresql
from landfall.engine.sources.queries import QueryParts, TableQueries, columns_of


class PostgresqlSourceQueries(TableQueries):
    """SQL for PostgreSQL, whose rows pass through unread."""

    def __init__(self, shape: Shape) -> None:
        copied, compared, keys = columns_of(shape)
        parts = QueryParts(
            table=f"ONLY {quoted(shape.schema)}.{quoted(shape.name)}",
            copy=",".join(m.copy for _, m in copied),
            number=postgresql.native_number([(m.check_source, m) for _, m in compared], hashed=shape.hashed),
            key_line=f"ROW({','.join(m.check_source for _, m in keys)})::text",
        )
        super().__init__(shape, parts)
