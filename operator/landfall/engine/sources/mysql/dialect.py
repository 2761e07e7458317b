"""MySQL and MariaDB: what the values of each type are, and the SQL that copies, checks and counts them.

Generated SQL means the same in every `sql_mode`, for sessions keep the server's own (see `session`): values are hexadecimal
literals, names stand in backticks, strings hold neither backslashes nor double quotes, and `NOT` never precedes an operator.
A field whose expression turns NULL although its column is not (an oversized value) makes the whole row NULL, and the
reader aborts on a NULL row: no such value can pass for an SQL NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from landfall.engine.matching.type_families import Kind
from landfall.engine.model.catalog import Column, ColumnType, Table
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
    Text,
    Timestamp,
    Uuid,
)
from landfall.engine.model.mapping import ColumnFacts, Mapping, Probe, SourceMapping, Violation
from landfall.engine.model.plan import TablePlan
from landfall.engine.sources.mysql.canonical import canonical_float, json_number, sha256

UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8", ""})
INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}  # bits
TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
LONG = frozenset({"mediumtext", "longtext", "mediumblob", "longblob", "json"})
BLOBS = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
DATES = frozenset({"date", "datetime", "timestamp"})
SPATIAL = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    }
)


def name(identifier: str) -> str:
    """The identifier in backticks."""
    return "`" + identifier.replace("`", "``") + "`"


def operand(column: Column) -> str:
    """What is read for a column: itself, or the expression that a person put in its place."""
    return f"({column.expression})" if column.expression else name(column.name)


def table_name(table: Table | TablePlan) -> str:
    """The table with its schema."""
    return f"{name(table.schema)}.{name(table.name)}"


def hexed(text: str) -> str:
    """A string as a hexadecimal literal that is read as utf8mb4 text."""
    return f"_utf8mb4 X'{text.encode().hex()}'" if text else "''"


def recast(column: Column, kind: Kind) -> Column:
    """The column as it is read for an existing one of this kind: sets as texts, TINYINT(1) as a number."""
    column_type = column.type
    if column_type.name == "set" and kind is Kind.TEXT:
        return replace(column, type=replace(column_type, name="varchar", text="varchar(65535)", length=65535))
    if column_type.text.startswith("tinyint(1)") and kind is not Kind.BOOLEAN:
        return replace(column, type=replace(column_type, text=column_type.text.replace("tinyint(1)", "tinyint(4)", 1)))
    return column


def chunk_literal(key: str, source_type: str) -> str:
    """SQL that yields the value of a quoted column as a literal."""
    kind = source_type.split("(", maxsplit=1)[0].lower()
    if kind in TEXTS | {"enum", "set"}:
        return f"CONCAT('_utf8mb4 X''',HEX(CONVERT({key} USING utf8mb4)),'''')"
    if kind in BLOBS:
        return f"CONCAT('X''',HEX({key}),'''')"
    if kind in DATES:  # where its mode forbids zero dates, MySQL refuses them as strings and takes them as numbers
        return f"IF(MONTH({key})*DAYOFMONTH({key})=0,CAST({key}+0 AS CHAR),CONCAT('''',{key},''''))"
    if kind.split()[0] in INTEGERS or kind.startswith(("decimal", "bit")):
        return f"CAST({key}+0 AS CHAR)"
    return f"CONCAT('''',{key},'''')"


# -- profiling ------------------------------------------------------------------------------------------------------


_LARGEST = 2**63 - 1  # of a signed integer of 64 bits
_FIRST_DAY = 366  # TO_DAYS of 0001-01-01; it is NULL where the month or the day is zero


def _zero(c: str) -> str:
    return f"(YEAR({c})=0 OR MONTH({c})=0 OR DAYOFMONTH({c})=0 OR {_impossible(c)})"


def _impossible(c: str) -> str:
    """A day that its month does not have; the mode ALLOW_INVALID_DATES stores it."""
    return f"DAYOFMONTH({c})>DAYOFMONTH(LAST_DAY({c}))"


def _no_date(c: str) -> str:
    """As `_zero`, in other words."""
    return f"YEAR({c})*MONTH({c})*DAYOFMONTH({c})=0 OR DAYOFMONTH(FROM_DAYS(TO_DAYS({c})))<>DAYOFMONTH({c})"


def probes(column: Column) -> tuple[Probe, ...]:
    """What must be counted before this column can be mapped."""
    if column.generated is not None:
        return ()
    if column.type.name in TEXTS:
        return tuple(_text_probes(column))
    probe = _value_probe(column)
    return (probe,) if probe else ()


def _value_probe(column: Column) -> Probe | None:
    """The values of a number, a date or an enumeration that decide its type or have no counterpart."""
    c, kind = operand(column), column.type.name
    if _may_be_boolean(column):
        return Probe(Violation.NOT_BOOLEAN, f"{c} NOT IN (0,1)")
    if _is_largest(column.type):
        return Probe(Violation.OUT_OF_RANGE, f"{c}>{_LARGEST}")
    if kind in DATES:
        return Probe(Violation.ZERO_DATE, f"{c} IS NOT NULL AND (IFNULL(TO_DAYS({c}),0)<{_FIRST_DAY} OR {_impossible(c)})")
    return Probe(Violation.TYPE_MISMATCH, f"{c}+0=0") if kind == "enum" else None


def _text_probes(column: Column) -> Iterator[Probe]:
    c = operand(column)
    yield Probe(Violation.NUL_BYTE, f"INSTR(CAST({_text_value(column)} AS BINARY),X'00')>0")
    if column.type.charset not in UTF8:
        back = f"CONVERT(CONVERT({c} USING utf8mb4) USING {column.type.charset})"
        yield Probe(Violation.INVALID_ENCODING, f"BINARY {back}<>BINARY {c}")


def long_octets(table: Table) -> str:
    """SQL for the octets of a row's long columns, or nothing where the table has none."""
    long = [c for c in table.columns if c.type.name in LONG | {"blob", "text"}]
    return "+".join(f"COALESCE(OCTET_LENGTH({operand(c)}),0)" for c in long)


# -- mapping --------------------------------------------------------------------------------------------------------


def mapping(column: Column, facts: ColumnFacts) -> SourceMapping:
    """What the values of a column are, and how they are copied and checked. Raises KeyError for a type without a mapping."""
    kind = column.type.name
    for types, build in _BUILDERS:
        if kind in types:
            return build(column, facts)
    raise KeyError(column.type.text)


def _unchanged(column: Column, kind: LogicalType, *, reason: str, copy: str = "") -> SourceMapping:
    copy = copy or operand(column)
    return SourceMapping(kind, copy, copy, reasons=(reason,))


def _may_be_boolean(column: Column) -> bool:
    return column.type.text.startswith("tinyint(1)") and not column.identity


def _is_largest(kind: ColumnType) -> bool:
    """Whether the type has values that no signed integer of 64 bits holds."""
    return kind.unsigned and kind.name == "bigint"


def _integer(column: Column, facts: ColumnFacts) -> SourceMapping:
    c, kind = operand(column), column.type
    members = facts.relatives or (column,)
    if all(_may_be_boolean(c) for c in members) and not facts.count_together(Violation.NOT_BOOLEAN):
        return replace(
            _unchanged(column, Boolean(), reason="TINYINT(1) that holds only 0 and 1"),
            transformation=f"{column.name} <> 0",
            confidence=97,
        )
    # The next type after 64 bits is numeric, which has no counter and is slow to join: keys need it only if a value uses the last bit.
    key = bool(facts.relatives or column.identity)
    bits = INTEGERS[kind.name] - (_is_largest(kind) and key and not facts.count_together(Violation.OUT_OF_RANGE))
    result = _unchanged(
        column, Integer(bits, not kind.unsigned), reason="every value fits", copy=f"{c}+0" if "zerofill" in kind.text else c
    )
    return replace(result, reasons=("unsigned: the next wider type, with a check",)) if kind.unsigned else result


def _decimal(column: Column, _facts: ColumnFacts) -> SourceMapping:
    kind, c = column.type, operand(column)
    copy = f"{c}+0" if "zerofill" in kind.text else c
    return _unchanged(
        column, Decimal(kind.precision, kind.scale or 0, not kind.unsigned), reason="same precision and scale", copy=copy
    )


def _float(column: Column, _facts: ColumnFacts) -> SourceMapping:
    c = operand(column)
    double = column.type.name == "double"
    wide = c if double else f"{c}*1e0"
    is_column = double and not column.expression
    # Expressions are printed in 22 characters at most, which cuts digits off: a bare column is not, nor is a number in JSON.
    # A FLOAT needs fewer digits than that.
    exact = f"CASE WHEN {c}=0 THEN '0' ELSE {c if is_column else json_number(c)} END" if double else f"{wide}+0e0"
    return SourceMapping(
        Float(64 if double else 32, not column.type.unsigned),
        copy=exact,
        check_source=canonical_float(wide, is_column=is_column),
        reasons=("same binary format; the sign of zero is dropped, as the source prints none",),
    )


def _bit(column: Column, _facts: ColumnFacts) -> SourceMapping:
    c, size = operand(column), column.type.precision or column.type.length or 1
    if size == 1:
        return replace(
            _unchanged(column, Boolean(), reason="BIT(1)", copy=f"({c}+0)"),
            transformation=f"{column.name} <> b'0'",
        )
    bits = f"LPAD(BIN({c}+0),{size},'0')"
    return _unchanged(column, Bits(size), reason="same bits", copy=bits)


def _moment(column: Column, facts: ColumnFacts) -> SourceMapping:
    c, kind = operand(column), column.type
    fraction = kind.precision or 0
    zoned = kind.name == "timestamp"
    copy, checked, note = c, c, ""
    rule = facts.rule(Violation.ZERO_DATE)
    if rule and rule.action == "Null":
        copy, note = f"IF({_zero(c)},NULL,{c})", "NULLIF zero or partial date"
        checked = f"CASE WHEN {_no_date(c)} THEN NULL ELSE {c} END"
    elif rule and rule.action == "Map":
        size = f"({fraction})" if fraction else ""
        value = f"CAST({hexed(rule.argument)} AS {'DATE' if kind.name == 'date' else 'DATETIME' + size})"
        copy, note = f"IF({_zero(c)},{value},{c})", f"zero or partial date becomes {rule.argument}"
        checked = f"CASE WHEN {_no_date(c)} THEN {value} ELSE {c} END"
    if fraction and kind.name != "date":
        checked = f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST({checked} AS CHAR)))"
    return SourceMapping(
        Date() if kind.name == "date" else Timestamp(fraction, zoned),
        copy=f"CONCAT({copy},'+00')" if zoned else copy,
        check_source=checked,
        transformation=note,
        reasons=(_MOMENT_REASONS[kind.name],),
    )


_MOMENT_REASONS = {
    "date": "same calendar",
    "datetime": "no time zone on either side",
    "timestamp": "stored as UTC on both sides",
}


def _time(column: Column, _facts: ColumnFacts) -> SourceMapping:
    c, fraction = operand(column), column.type.precision or 0
    trimmed = f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST({c} AS CHAR)))" if fraction else f"CAST({c} AS CHAR)"
    return SourceMapping(
        Interval(fraction),
        copy=c,
        check_source=trimmed,
        reasons=("TIME is negative or over 24 hours where the source allows it, so it is an interval",),
        confidence=96,
    )


def _text_value(column: Column) -> str:
    c = operand(column)
    return c if column.type.charset in UTF8 else f"CONVERT({c} USING utf8mb4)"


def _mended(value: str, facts: ColumnFacts) -> tuple[str, str]:
    rule = facts.rule(Violation.NUL_BYTE)
    if rule and rule.action == "Strip":
        return f"REPLACE({value},X'00','')", "NUL bytes removed"
    if rule and rule.action == "Replace":
        return f"REPLACE({value},X'00',X'EFBFBD')", "NUL bytes become U+FFFD"
    return value, ""


def _text(column: Column, facts: ColumnFacts) -> SourceMapping:
    kind = column.type
    limited = kind.name in {"char", "varchar"}
    value, note = _mended(_text_value(column), facts)
    checked, _ = _mended(_text_value(column), facts)
    long = kind.name in LONG
    return SourceMapping(
        Text(kind.length) if limited else Text(),
        copy=value,
        check_source=sha256(checked) if long else checked,
        form=Form.DIGEST if long else Form.PRINTED,
        quoted=True,
        measured=not long,
        transformation=note or ("" if kind.charset in UTF8 else f"CONVERT({column.name} USING utf8mb4)"),
        reasons=("lengths count characters on both sides",) if limited else ("unlimited text",),
    )


def _json(column: Column, _facts: ColumnFacts) -> SourceMapping:
    value = _text_value(column)
    if column.type.text == "json":
        value = f"CAST({operand(column)} AS CHAR CHARACTER SET utf8mb4)"
    return SourceMapping(
        Json(),
        copy=value,
        check_source=sha256(value),
        form=Form.DIGEST,
        quoted=True,
        reasons=("json keeps the text as it is; jsonb would reorder keys and drop duplicates",),
    )


def _blob(column: Column, _facts: ColumnFacts) -> SourceMapping:
    return _octets(column, "same bytes")


def _spatial(column: Column, _facts: ColumnFacts) -> SourceMapping:
    kept = _octets(column, "geometry is kept as the source stores it: four bytes of SRID, then WKB")
    return _for_review(replace(kept, check_source=sha256(f"CONCAT({operand(column)},'')")), column)


def _vector(column: Column, _facts: ColumnFacts) -> SourceMapping:
    reason = "a vector is kept as the source stores it: four bytes for each number, IEEE 754, the least significant byte first"
    return _for_review(_octets(column, reason), column)


def _octets(column: Column, reason: str) -> SourceMapping:
    """The bytes of a value as they are."""
    c = operand(column)
    return SourceMapping(Bytes(), copy=f"CONCAT(X'5C78',HEX({c}))", check_source=sha256(c), form=Form.DIGEST, reasons=(reason,))


def _for_review(mapping: SourceMapping, column: Column) -> SourceMapping:
    """The same for a type that bytes do not say everything of, so that a person approves it."""
    return replace(mapping, confidence=70, transformation=f"RAW({column.name})")


def _enum(column: Column, facts: ColumnFacts) -> SourceMapping:
    c = operand(column)
    rule = facts.rule(Violation.TYPE_MISMATCH)
    copy, checked, note = c, c, ""
    if rule and rule.action == "Null":
        copy, checked, note = (
            f"IF({c}+0=0,NULL,{c})",
            f"CASE {c}+0 WHEN 0 THEN NULL ELSE {c} END",
            "the error value '' becomes NULL",
        )
    elif rule and rule.action == "Map":
        value = hexed(rule.argument)
        copy, checked = f"IF({c}+0=0,{value},{c})", f"CASE {c}+0 WHEN 0 THEN {value} ELSE {c} END"
        note = f"the error value '' becomes {rule.argument}"
    return SourceMapping(
        Enumeration(column.type.labels),
        copy=f"CONVERT({copy} USING utf8mb4)",
        check_source=f"CONVERT({checked} USING utf8mb4)",
        quoted=True,
        measured=True,
        transformation=note,
        reasons=("an enumerated type with the same labels in the same order",),
    )


def _set(column: Column, _facts: ColumnFacts) -> SourceMapping:
    c = f"CONVERT({operand(column)} USING utf8mb4)"
    escaped = f"REPLACE(REPLACE({c},X'5C',X'5C5C'),X'22',X'5C22')"
    filled = f"CONCAT(X'7B22',REPLACE({escaped},X'2C',X'222C22'),X'227D')"
    return SourceMapping(
        LabelSet(column.type.labels),
        copy=f"IF({c}='',X'7B7D',{filled})",
        check_source=c,
        quoted=True,
        measured=True,
        transformation=f"STRING_TO_ARRAY({column.name}, ',')",
        confidence=96,
        reasons=("a set becomes an array of its members, with a check on them",),
    )


def _address(column: Column, _facts: ColumnFacts) -> SourceMapping:
    c = operand(column)
    return SourceMapping(
        Uuid() if column.type.name == "uuid" else Address(),
        copy=f"CAST({c} AS CHAR)",
        check_source=f"LOWER({c})",
        reasons=("same value",),
    )


def _year(column: Column, _facts: ColumnFacts) -> SourceMapping:
    c = operand(column)
    return _unchanged(column, Integer(16), reason="a year is a number", copy=f"{c}+0")


_Builder = Callable[[Column, ColumnFacts], SourceMapping]
_BUILDERS: tuple[tuple[frozenset[str], _Builder], ...] = (
    (frozenset(INTEGERS), _integer),
    (frozenset({"decimal"}), _decimal),
    (frozenset({"float", "double"}), _float),
    (frozenset({"bit"}), _bit),
    (DATES, _moment),
    (frozenset({"time"}), _time),
    (frozenset({"year"}), _year),
    (frozenset({"json"}), _json),
    (TEXTS, _text),
    (BLOBS, _blob),
    (SPATIAL, _spatial),
    (frozenset({"vector"}), _vector),
    (frozenset({"enum"}), _enum),
    (frozenset({"set"}), _set),
    (frozenset({"uuid", "inet6", "inet4"}), _address),
)


# -- rows as COPY input and as canonical lines ------------------------------------------------------------------------


def copy_line(columns: Sequence[tuple[str, Mapping]]) -> str:
    """One row of CSV input with control characters for delimiter and quote; NULL where a value was too large."""
    fields = [_copy_field(mapped.operand or name(column), mapped) for column, mapped in columns]
    return "CONCAT(" + ",X'02',".join(fields) + ",X'0A')"


def _copy_field(column: str, mapped: Mapping) -> str:
    if mapped.quoted:
        value = f"CONCAT(X'01',REPLACE({mapped.copy},X'01',X'0101'),X'01')"
    else:
        value = mapped.copy
    if not mapped.nullable:
        return value
    absent = f"{column} IS NULL" if "NULL" not in mapped.copy else f"({mapped.copy}) IS NULL"
    return f"IF({absent},'',{value})"


def check_line(columns: Sequence[tuple[str, Mapping]]) -> str:
    """The canonical line of a row: plain fields, then the lengths of texts, then the texts."""
    short_texts = [f"IFNULL({m.check_source},'~')" if m.nullable else m.check_source for _, m in columns if not m.measured]
    measured = [(m.check_source, m.nullable) for _, m in columns if m.measured]
    lengths = [f"IFNULL(OCTET_LENGTH({text}),'~')" if nullable else f"OCTET_LENGTH({text})" for text, nullable in measured]
    head = f"CONCAT_WS(X'7C',{','.join(short_texts + lengths)})"
    guard = [
        f"IF({m.operand or name(c)} IS NOT NULL AND ({m.check_source}) IS NULL,NULL,'')"
        for c, m in columns
        if "SHA2(" in m.check_source
    ]
    tail = [f"IFNULL({text},'')" if nullable else text for text, nullable in measured]
    if not tail and not guard:
        return head
    return f"CONCAT({','.join([head, *tail, *guard])})"
