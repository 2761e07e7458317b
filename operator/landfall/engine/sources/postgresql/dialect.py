"""PostgreSQL, as source and as target: types, canonical text, row hashes and COPY statements.

From PostgreSQL to PostgreSQL the bytes pass through unread, in binary where both sides have the same built-in type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from landfall.engine.model.catalog import Column
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.logical_type import Native
from landfall.engine.model.mapping import Mapping, SourceMapping
from landfall.engine.model.plan import CopyForm
from landfall.engine.sources.expressions import nested
from landfall.engine.sources.postgresql import digests

_BARE = ("smallint", "integer", "bigint", "numeric", "date", "timestamp")
_SEED = 7640891576956012808
_FIELDS = 99  # a function takes 100 arguments, and `concat_ws` has one besides the fields
_TEXTS = frozenset({"text", "character varying"})
_EXACT = frozenset(
    {
        *("smallint", "integer", "bigint", "boolean", "date", "uuid", "bytea", "oid"),
        *("timestamp without time zone", "timestamp with time zone", "time without time zone"),
    }
)
_SENT = {"numeric": "numeric_send", "double precision": "float8send", "real": "float4send"}
CSV = r"(FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01', ESCAPE E'\x01', NULL '')"


def operand(column: Column) -> str:
    """What is read for a column: itself, or the expression that a person put in its place."""
    return f"({column.expression})" if column.expression else quoted(column.name)


def mapping(column: Column) -> SourceMapping:
    """The same column in another PostgreSQL."""
    c, kind = operand(column), column.type
    return SourceMapping(Native(kind.text, kind.builtin), c, c if kind.builtin else f"{c}::text", reasons=("same type",))


def check_line(columns: Sequence[tuple[str, Mapping]]) -> str:
    """The canonical line of a row, as the sources of other engines compute it. Columns by their target names."""
    field_values = [(m, f"({m.check_target.replace('{c}', quoted(c))})", quoted(c)) for c, m in columns]
    short_texts = [_short_text(m, value, column) for m, value, column in field_values if not m.measured]
    measured = [(value, m.nullable) for m, value, _ in field_values if m.measured]
    lengths = [
        f"coalesce(octet_length({value})::text,'~')" if nullable else f"octet_length({value})" for value, nullable in measured
    ]
    head = nested(short_texts + lengths, _FIELDS, lambda fields: f"concat_ws('|',{','.join(fields)})")
    if len(measured) > _FIELDS:  # `||` would copy all texts before it once for each text
        texts = nested([value for value, _ in measured], _FIELDS, lambda some: f"concat({','.join(some)})")
        return f"{head}||{texts}"
    return "||".join([head, *(f"coalesce({value},'')" if nullable else value for value, nullable in measured)])


def _short_text(mapped: Mapping, value: str, column: str) -> str:
    """One plain field; `concat_ws` calls the output function of simple types itself, which spares a cast."""
    if mapped.nullable:
        return f"coalesce({value},'~')"
    is_direct = mapped.check_target == "{c}::text" and mapped.target_type.startswith(_BARE) and "zone" not in mapped.target_type
    return column if is_direct else value


def line_number(line: str) -> str:
    """The first 60 bits of the line's SHA2-256, as a bigint."""
    return digests.number(digests.of_text(line), 15)


def native_number(columns: Sequence[tuple[str, Mapping]], *, hashed: bool) -> str:
    """A 64-bit number of a row, from (expression, mapping) of its columns, that another PostgreSQL computes alike.

    Columns whose hash distinguishes every two values are hashed as they are, others by their binary form. PostgreSQL
    combines the columns linearly (31 times the former plus the next), so the whole is hashed once more: without that,
    a sum over rows would not notice values that changed places between rows. Before version 14: 60 bits of SHA2-256.
    """
    if not hashed:
        line = f"record_send(ROW({','.join(expression for expression, _ in columns)}))"
        return digests.number(digests.of_bytes(line), 15)
    hashed_values = ",".join(_hashable(expression, mapped) for expression, mapped in columns)
    return f"hashint8extended(hash_record_extended(ROW({hashed_values}),{_SEED}),{_SEED + 1})"


def _hashable(expression: str, mapped: Mapping) -> str:
    """What to hash of a column: equal exactly where its bytes are equal."""
    kind = re.sub(r"\(\d+(,\d+)?\)", "", mapped.target_type)
    if kind in _TEXTS or mapped.check_target.endswith("::text"):
        return f'{expression} COLLATE "C"'
    if kind in _EXACT:
        return expression
    return f"{_SENT.get(kind, 'record_send')}({expression if kind in _SENT else f'ROW({expression})'})"


def copy_in(table: str, columns: Sequence[str], form: CopyForm) -> str:
    """The COPY statement that reads our blocks into a table. `form` is csv, text or binary; no columns: a table of generated ones only."""
    names = f" ({','.join(quoted(c) for c in columns)})" if columns else ""
    option = {"csv": CSV, "text": "(FORMAT text)", "binary": "(FORMAT binary)"}[form]
    return f"COPY {table}{names} FROM STDIN {option}"


def copy_out(query: str, form: CopyForm) -> str:
    """The COPY statement that reads a query."""
    return f"COPY ({query}) TO STDOUT (FORMAT {form})"
