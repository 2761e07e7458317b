"""How PostgreSQL stores logical types, and how it prints their values as the canonical text that a source computes."""

from __future__ import annotations

from dataclasses import replace

from landfall.engine.model.identifiers import literal
from landfall.engine.model.logical_type import (
    Address,
    Bits,
    Boolean,
    Bytes,
    Date,
    Decimal,
    Enumeration,
    Float,
    Form,
    Integer,
    Interval,
    Json,
    LabelSet,
    LogicalType,
    Native,
    Text,
    Timestamp,
    Uuid,
)
from landfall.engine.model.mapping import Mapping, SourceMapping
from landfall.engine.sources.engine import Dialect
from landfall.engine.sources.postgresql import digests
from landfall.engine.targets.postgresql.fitting import fitted
from landfall.engine.targets.postgresql.floats import canonical_float
from landfall.engine.targets.postgresql.row_size import MAX_COLUMNS, OUTSIDE, field_octets, padded_octets, row_octets

__all__ = ["MAX_COLUMNS", "OUTSIDE", "field_octets", "fitted", "mapping", "of_view", "padded_octets", "renewed", "row_octets"]

_OLD = "md5("  # what version 0.1 wrote into plans
_INTEGERS = ((15, "smallint"), (31, "integer"), (63, "bigint"))
_TEXT = "{c}::text"


def mapping(column: SourceMapping) -> Mapping:
    """The column in a new table. `{type}` stands for the name of a type that `type_statement` creates."""
    return Mapping(
        target_type=type_name(column.type),
        copy=column.copy,
        quoted=column.quoted,
        check_source=column.check_source,
        check_target=canonical(column.type, column.form),
        measured=column.measured,
        confidence=column.confidence,
        reasons=column.reasons,
        transformation=column.transformation,
        type_statement=_type_statement(column.type),
        checks=_checks(column.type),
    )


def of_view(column: SourceMapping) -> Mapping:
    """The column of a view: its type may be another one of the same family, so the canonical text is that of a cast."""
    base = mapping(column)
    match column.type:
        case Decimal(_, scale, _):
            number = f"CASE {_TEXT} WHEN 'true' THEN '1' WHEN 'false' THEN '0' ELSE {_TEXT} END"
            check = f"round(({number})::numeric,{scale})::text"
        case Text():
            check = base.check_target.replace("{c}", f"({_TEXT})")
        case Timestamp(_, False):
            check = "({c}::timestamp)::text"
        case _:
            check = base.check_target
    return replace(base, check_target=check)


def type_name(kind: LogicalType) -> str:  # noqa: C901, PLR0911, PLR0912  a table of types
    """The type of a column, as PostgreSQL prints it or a short form of it."""
    match kind:
        case Boolean():
            return "boolean"
        case Integer():
            return next(
                (name for bits, name in _INTEGERS if bits >= kind.magnitude), f"numeric({len(str(2**kind.magnitude - 1))},0)"
            )
        case Decimal(precision, scale, _):
            return "numeric" if precision is None else f"numeric({precision},{scale})"
        case Float(bits, _):
            return "real" if bits == 32 else "double precision"
        case Bits(size):
            return f"bit({size})"
        case Text(limit):
            return _text_name(limit)
        case Json():
            return "json"
        case Bytes():
            return "bytea"
        case Date():
            return "date"
        case Timestamp(digits, zoned):
            return f"timestamp{'' if digits is None else f'({digits})'}{' with time zone' if zoned else ''}"
        case Interval(digits):
            return f"interval({digits})"
        case Uuid():
            return "uuid"
        case Address():
            return "inet"
        case Enumeration():
            return "{type}"
        case LabelSet():
            return "text[]"
        case Native(name, _):
            return name


def _text_name(limit: int | None) -> str:
    """No type takes zero characters only. `char` is none: it reads and compares texts with the blanks that pad them."""
    if limit is None:
        return "text"
    return f"varchar({limit})" if limit else "varchar"


def canonical(kind: LogicalType, form: Form) -> str:
    """SQL for the canonical text of the value `{c}` of a type; NULL of NULL."""
    match form:
        case Form.DIGEST:
            return _digest(kind)
        case Form.SHORTEST:
            return "trim_scale({c})::text"
        case Form.PRINTED:
            return _printed(kind)


def _digest(kind: LogicalType) -> str:
    if isinstance(kind, Bytes):
        return digests.of_bytes("{c}")
    return digests.of_text("{c}" if isinstance(kind, Text) else _TEXT)


def _printed(kind: LogicalType) -> str:  # noqa: PLR0911  a table of types
    match kind:
        case Boolean():
            return "{c}::int::text"
        case Float(bits, _):
            return canonical_float("({c}::float8)" if bits == 32 else "{c}")
        case Timestamp(_, True):
            return "({c} AT TIME ZONE 'UTC')::text"
        case LabelSet():
            return "array_to_string({c},',')"
        case Address():
            return "host({c})"
        case Native(_, True):
            return "{c}"
        case Integer() | Decimal() | Bits() | Text() | Json() | Bytes() | Date() | Timestamp() | Interval() | Uuid():
            return _TEXT
        case Enumeration() | Native():
            return _TEXT


def _labels(labels: tuple[str, ...]) -> str:
    return ",".join(literal(label) for label in labels)


def _type_statement(kind: LogicalType) -> str:
    return f"CREATE TYPE {{type}} AS ENUM ({_labels(kind.labels)})" if isinstance(kind, Enumeration) else ""


def _checks(kind: LogicalType) -> tuple[tuple[str, str], ...]:
    """Named checks that values of the type pass: the type of the target takes others as well."""
    match kind:
        case Integer(_, False) | Decimal(_, _, False) | Float(_, False):
            return (("unsigned", "{c} >= 0"),)
        case LabelSet(labels):
            return (("members", f"{{c}} <@ ARRAY[{_labels(labels)}]::text[]"),)
        case Integer() | Decimal() | Float() | Boolean() | Bits() | Text() | Json() | Bytes() | Date() | Timestamp():
            return ()
        case Interval() | Uuid() | Address() | Enumeration() | Native():
            return ()


def renewed(mapping: Mapping, dialect: Dialect) -> Mapping:
    """A mapping of a plan that version 0.1 made, with SHA2-256 on both sides in place of MD5; others as they are."""
    source, target = dialect.renewed_check(mapping.check_source), mapping.check_target
    if source == mapping.check_source or not target.startswith(_OLD):
        return mapping
    value = target.removeprefix(_OLD).removesuffix(")")
    digest_of = digests.of_text if mapping.quoted else digests.of_bytes
    return replace(mapping, check_source=source, check_target=digest_of(value))
