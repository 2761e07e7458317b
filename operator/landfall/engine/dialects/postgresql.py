"""PostgreSQL, as source and as target: types, canonical text, row hashes and COPY statements.

From PostgreSQL to PostgreSQL the bytes pass through unread, in binary where both sides have the same built-in type.
"""

from __future__ import annotations

from collections.abc import Sequence

from landfall.engine.dialects.mapping import Mapping
from landfall.engine.schema.model import Column
from landfall.engine.schema.names import quoted

_BARE = ("smallint", "integer", "bigint", "numeric", "date", "timestamp")
CSV = r"(FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01', ESCAPE E'\x01', NULL '')"


def mapping(column: Column) -> Mapping:
    """The same column in another PostgreSQL."""
    c = quoted(column.name)
    return Mapping(
        target_type=column.type.text,
        copy=c,
        quoted=False,
        check_source=c if column.type.builtin else f"{c}::text",
        check_target="{c}" if column.type.builtin else "{c}::text",
        reasons=("same type",),
    )


def check_line(columns: Sequence[tuple[str, Mapping]]) -> str:
    """The canonical line of a row, as the sources of other engines compute it. Columns by their target names."""
    told = [(m, f"({m.check_target.replace('{c}', quoted(c))})", quoted(c)) for c, m in columns]
    plain = [_plain(m, value, column) for m, value, column in told if not m.measured]
    measured = [(value, m.nullable) for m, value, _ in told if m.measured]
    lengths = [
        f"coalesce(octet_length({value})::text,'~')" if nullable else f"octet_length({value})" for value, nullable in measured
    ]
    tail = [f"coalesce({value},'')" if nullable else value for value, nullable in measured]
    return "||".join([f"concat_ws('|',{','.join(plain + lengths)})", *tail])


def _plain(mapped: Mapping, value: str, column: str) -> str:
    """One plain field; `concat_ws` calls the output function of simple types itself, which spares a cast."""
    if mapped.nullable:
        return f"coalesce({value},'~')"
    bare = mapped.check_target == "{c}::text" and mapped.target_type.startswith(_BARE) and "zone" not in mapped.target_type
    return column if bare else value


def line_number(line: str) -> str:
    """The first 60 bits of the line's MD5, as a bigint."""
    return f"('x'||left(md5({line}),15))::bit(60)::bigint"


def native_line(expressions: Sequence[str]) -> str:
    """A row of one PostgreSQL as bytes that another PostgreSQL makes alike: every column in its binary form."""
    return f"record_send(ROW({','.join(expressions)}))"


def native_number(expressions: Sequence[str], *, hashed: bool) -> str:
    """A 64-bit number of a row: PostgreSQL's extended hash over its bytes, or 60 bits of MD5 before version 14."""
    line = native_line(expressions)
    if hashed:
        return f"hash_record_extended(ROW({line}),7640891576956012808)"
    return f"('x'||left(md5({line}),15))::bit(60)::bigint"


def copy_in(table: str, columns: Sequence[str], form: str) -> str:
    """The COPY statement that reads our blocks into a table. `form` is csv, text or binary."""
    names = ",".join(quoted(c) for c in columns)
    option = {"csv": CSV, "text": "(FORMAT text)", "binary": "(FORMAT binary)"}[form]
    return f"COPY {table} ({names}) FROM STDIN {option}"


def copy_out(query: str, form: str) -> str:
    """The COPY statement that reads a query."""
    return f"COPY ({query}) TO STDOUT (FORMAT {form})"
