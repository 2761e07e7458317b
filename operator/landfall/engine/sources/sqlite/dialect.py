"""SQLite: values carry their own types, so a column's type in the target follows from what profiling counted.

Functions named `lf_…` are registered by `connect.sqlite`; SQLite computes in our process, so they are its checksum
functions. Text goes to them as a blob, for it need not be valid UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from landfall.engine.model.catalog import Column, ColumnType, Table
from landfall.engine.model.logical_type import (
    Boolean,
    Bytes,
    Date,
    Decimal,
    Float,
    Form,
    Integer,
    Json,
    LogicalType,
    Text,
)
from landfall.engine.model.mapping import ColumnFacts, Mapping, Probe, SourceMapping, Violation
from landfall.engine.model.plan import TablePlan
from landfall.engine.sources.expressions import chained
from landfall.engine.sources.sqlite.canonical import canonical_float, sha256
from landfall.engine.sources.sqlite.moments import READINGS, MomentReading, reading
from landfall.lib.text import counted


def name(identifier: str) -> str:
    """The identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def operand(column: Column) -> str:
    """What is read for a column: itself, or the expression that a person put in its place."""
    return f"({column.expression})" if column.expression else name(column.name)


def table_name(table: Table | TablePlan) -> str:
    """The table in the main database."""
    return name(table.name)


def column_type(declared: str) -> ColumnType:
    """Read a declared type: its words, and length or precision and scale in parentheses."""
    match = re.match(r"\s*([^(]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$", declared)
    word = match.group(1).lower() if match else declared.lower()
    first = int(match.group(2)) if match and match.group(2) else None
    second = int(match.group(3)) if match and match.group(3) else None
    return ColumnType(word, declared, length=first, precision=first, scale=second)


def family(kind: ColumnType) -> str:  # noqa: C901, PLR0911  a table of words, in SQLite's own order of precedence
    """The group of types that the declaration means: SQLite's affinity, refined by words that people use."""
    word = kind.name.partition("(")[0].strip()
    if word in {"enum", "set"}:
        return "label"
    if "bool" in word:
        return "boolean"
    if "int" in word:
        return "integer"
    if "json" in word:
        return "json"
    if "char" in word or "clob" in word or "text" in word or "uuid" in word:
        return "text"
    if "blob" in word or "binary" in word:
        return "blob"
    if "real" in word or "floa" in word or "doub" in word:
        return "real"
    if word == "date":
        return "date"
    if "date" in word or "timestamp" in word:
        return "timestamp"
    if "dec" in word or "num" in word or "money" in word:
        return "numeric"
    return "untyped"


@dataclass(frozen=True, slots=True)
class _Family:
    """How one family is held: its type and what it is called, the test that every value must pass, and how it is copied and checked."""

    type: LogicalType
    type_name: str
    fact: Violation
    misfit: str
    copy: str
    check_source: str
    form: Form = Form.PRINTED
    quoted: bool = False
    reason: str = ""


_NUMBER = "typeof({c}) NOT IN ('integer','real','null')"
# SQLite's own conversions between text and REAL are off by one unit in the last place now and then. But the quotient of
# two integers below 2**53 is rounded correctly, so `m/10000.0 IS c` proves that c is the double nearest to m/10000.
_FOUR = "CAST(round({c}*10000.0) AS INTEGER)"
_COPY_DECIMAL = (
    "CASE WHEN {c} IS NULL THEN NULL WHEN typeof({c})='integer' THEN CAST({c} AS TEXT)"
    f" WHEN abs({{c}})<900000000000.0 AND {_FOUR}/10000.0 IS {{c}}"
    f" THEN iif({{c}}<0,'-','')||CAST(abs({_FOUR})/10000 AS TEXT)||'.'||printf('%04d',abs({_FOUR})%10000)"
    " ELSE lf_real({c}) END"
)


def _hexadecimal(scale: int) -> str:
    """A double that is a whole number of 2**-scale, as C writes it: the division proves that nothing was lost."""
    whole = f"CAST({{c}}*{2.0**scale!r} AS INTEGER)"
    fits = f"abs({{c}})<{2.0 ** (63 - scale)!r} AND {whole}/{2.0**scale!r} IS {{c}}"
    return f"WHEN {fits} THEN printf('%s0x%llxp-{scale}',iif({{c}}<0,'-',''),abs({whole}))"


# `float8in` reads what C's `strtod` reads, so a power of two spares both sides the conversion to decimals.
_COPY_REAL = (
    "CASE WHEN {c} IS NULL THEN NULL WHEN typeof({c})='integer' THEN CAST({c} AS TEXT)"
    f" {' '.join(_hexadecimal(scale) for scale in (43, 53, 62, 33, 23))} ELSE lf_real({{c}}) END"
)
_TWO = "CAST(round({c}*100.0) AS INTEGER)"
_CHECK_DECIMAL = (
    "CASE WHEN {c}=0 THEN '0' WHEN typeof({c})='integer' THEN printf('%d',{c})"
    f" WHEN abs({{c}})<90000000000000.0 AND {_TWO}/100.0 IS {{c}} THEN rtrim(rtrim("
    f"printf('%s%d.%02d',iif({{c}}<0,'-',''),abs({_TWO})/100,abs({_TWO})%100),'0'),'.')"
    " ELSE lf_decimal({c}) END"
)
_ARGUMENTS = 100
_FAMILIES = {
    "boolean": _Family(
        Boolean(),
        "boolean",
        Violation.NOT_BOOLEAN,
        "{c} IS NOT NULL AND (typeof({c})<>'integer' OR {c} NOT IN (0,1))",
        "CAST({c} AS TEXT)",
        "{c}",
        reason="only 0 and 1 are stored",
    ),
    "integer": _Family(
        Integer(64),
        "bigint",
        Violation.NOT_INTEGER,
        "typeof({c}) NOT IN ('integer','null')",
        "CAST({c} AS TEXT)",
        "{c}",
        reason="integers of up to eight bytes",
    ),
    "real": _Family(
        Float(64),
        "double precision",
        Violation.NOT_NUMBER,
        _NUMBER,
        _COPY_REAL,
        canonical_float("{c}"),
        reason="same binary format",
    ),
    "numeric": _Family(
        Decimal(),
        "numeric",
        Violation.NOT_NUMBER,
        _NUMBER,
        _COPY_DECIMAL,
        _CHECK_DECIMAL,
        Form.SHORTEST,
        reason="the shortest decimal that reads back as the stored number",
    ),
    "json": _Family(
        Json(),
        "json",
        Violation.NOT_JSON,
        "{c} IS NOT NULL AND (typeof({c})<>'text' OR NOT json_valid({c}))",
        "{c}",
        sha256("CAST({c} AS BLOB)"),
        Form.DIGEST,
        quoted=True,
        reason="every value is valid JSON",
    ),
    "blob": _Family(
        Bytes(),
        "bytea",
        Violation.NOT_BLOB,
        "typeof({c}) NOT IN ('blob','null')",
        "iif({c} IS NULL,NULL,'\\x'||hex({c}))",
        sha256("{c}"),
        Form.DIGEST,
        reason="same bytes",
    ),
}

_HAS_BLOB = "typeof({c})='blob'"
_NUL = "typeof({c})='text' AND instr(CAST({c} AS BLOB),X'00')>0"
# Text of printable ASCII is valid; only the rest is decoded. GLOB stops at a NUL byte, so texts with one are decoded too.
_BAD_TEXT = (
    "CASE WHEN typeof({c})<>'text' THEN 0 WHEN NOT {c} GLOB '*[^ -~]*' AND instr(CAST({c} AS BLOB),X'00')=0 THEN 0"
    " ELSE NOT lf_utf8(CAST({c} AS BLOB)) END"
)


def probes(column: Column) -> tuple[Probe, ...]:
    """What must be counted before this column can be mapped."""
    if column.generated is not None:
        return ()
    kind = family(column.type)
    rules: list[tuple[Violation, str]] = []
    if kind == "untyped":
        rules = [(f.fact, f.misfit) for f in (_FAMILIES["integer"], _FAMILIES["real"], _FAMILIES["blob"])]
        rules.append((Violation.HELD, "{c} IS NOT NULL"))
    elif kind in READINGS:
        rules = [(way.fact, way.misfit) for way in READINGS[kind]]
    elif kind in _FAMILIES:
        rules = [(_FAMILIES[kind].fact, _FAMILIES[kind].misfit)]
    if kind == "numeric" and column.type.precision is not None:
        rules.append((Violation.OUT_OF_RANGE, unfit(column.type.precision, column.type.scale or 0)))
    if kind == "text" and column.type.length:
        rules.append((Violation.TOO_LONG, f"length({{c}})>{column.type.length}"))
    rules += [(Violation.HAS_BLOB, _HAS_BLOB), (Violation.NUL_BYTE, _NUL), (Violation.INVALID_ENCODING, _BAD_TEXT)]
    if kind in {"integer", "boolean", "real"}:
        rules = rules[:1] + rules[-3:]
    c = operand(column)
    return tuple(Probe(fact, predicate.replace("{c}", c)) for fact, predicate in rules)


def fact(column: Column, facts: ColumnFacts) -> Violation | None:
    """The kind of violation that a value outside the column's declared family is; None if all values are read in another way."""
    kind = family(column.type)
    if kind in READINGS:
        return None if _reading(column, facts) else READINGS[kind][0].fact
    type_family = _FAMILIES.get(kind)
    return type_family.fact if type_family else None


def _reading(column: Column, facts: ColumnFacts) -> MomentReading | None:
    """How a date or time is read; a person who chose a policy for values of another type is not asked for another way."""
    rule = facts.rules.get(Violation.TYPE_MISMATCH)
    is_chosen = rule is not None and rule.chosen
    if is_chosen and rule is not None and rule.action == "Text" and facts.count(READINGS[family(column.type)][0].fact):
        return None
    return reading(family(column.type), facts.counts, ask=not is_chosen)


def misfit(column: Column) -> str | None:
    """SQL that is true for rows with a value that is not of the column's family; None where the family itself is in question.

    Cheaper than the probes, for it only says whether they are needed. Numbers sort before texts, and texts before blobs.
    """
    c, kind = operand(column), family(column.type)
    if kind == "untyped":
        return None
    if kind == "integer":
        return f"({c}>='' OR {c}<>CAST({c} AS INTEGER))"
    if kind == "boolean":
        return f"{c} NOT IN (0,1)"
    if kind == "real":
        return f"{c}>=''"
    other = {Violation.NUL_BYTE, Violation.INVALID_ENCODING, *(way.fact for way in READINGS.get(kind, ())[1:])}
    tests = [p.predicate for p in probes(column) if p.kind not in other]
    tests = [f"{c}>=x''" if test == _HAS_BLOB.replace("{c}", c) else test for test in tests]
    return " OR ".join(f"coalesce({test},0)" for test in tests)


def screened(columns: Sequence[Column]) -> str:
    """SQL for all of a row's texts as one, to look for invalid encodings and NUL bytes; empty where no column holds texts."""
    texts = [operand(c) for c in columns if family(c.type) in {"text", "json", "label"}]
    return chained([f"coalesce({text},'')" for text in texts], "||'\n'||")


def unfit(precision: int, scale: int) -> str:
    """A number that numeric(precision, scale) would round or refuse."""
    return (
        f"CASE WHEN {{c}} IS NULL OR abs({{c}})<{10 ** (precision - scale)} AND round({{c}},{scale}) IS {{c}} THEN 0"
        f" ELSE NOT lf_fits({{c}},{precision},{scale}) END"
    )


def long_octets(table: Table) -> str:
    """SQL for the octets of a row's texts and blobs, or nothing where the table has none."""
    long = [c for c in table.columns if family(c.type) in {"text", "blob", "json", "untyped", "label"} and c.generated is None]
    return chained([f"coalesce(length(CAST({operand(c)} AS BLOB)),0)" for c in long], "+")


def mapping(column: Column, facts: ColumnFacts) -> SourceMapping:
    """What the values of a column are, by what its rows hold, and how they are copied and checked."""
    kind = family(column.type)
    if kind in READINGS:
        return _moment(column, facts)
    if kind == "untyped":
        if not facts.count(Violation.HELD):
            return _unknown(column, facts)
        kind = _untyped_family(facts)
    type_family = _FAMILIES.get(kind)
    if type_family is None:
        return _text(column, facts, confidence=100 if not facts.count(Violation.HAS_BLOB) else 80)
    return _of_family(column, facts, kind, type_family)


def _of_family(column: Column, facts: ColumnFacts, kind: str, type_family: _Family) -> SourceMapping:
    if not facts.count(type_family.fact):
        fitting = _fitting(column, type_family)
        if kind == "numeric" and column.type.precision is not None and not facts.count(Violation.OUT_OF_RANGE):
            return replace(fitting, type=Decimal(column.type.precision, column.type.scale or 0))
        return fitting
    rule = facts.rules.get(Violation.TYPE_MISMATCH)
    if rule and rule.action == "Null":
        return _nulled(column, type_family)
    if kind == "blob" or facts.count(Violation.HAS_BLOB):
        return _bytes(column)
    return _something_else(column, facts, facts.count(type_family.fact))


def _something_else(column: Column, facts: ColumnFacts, rows: int) -> SourceMapping:
    fallback = _text(column, facts, confidence=80)
    note = f"declared {column.type.text or 'without a type'}, but {counted(rows, 'row', 'hold')} something else"
    return replace(fallback, reasons=(note,), transformation=f"CAST({column.name} AS TEXT)", type=Text())


def _unknown(column: Column, facts: ColumnFacts) -> SourceMapping:
    """A column that is declared with no known type and holds no value: text takes every value that may come."""
    declared = (
        f"declared {column.type.text}, which says nothing about the values" if column.type.text else "declared without a type"
    )
    as_text = _text(column, facts, confidence=95 if column.type.text else 80)
    return replace(as_text, reasons=(f"{declared}, and no row holds a value: text takes all",))


def _moment(column: Column, facts: ColumnFacts) -> SourceMapping:
    """A date or time, by what its values can all be read as."""
    ways, way = READINGS[family(column.type)], _reading(column, facts)
    rule = facts.rules.get(Violation.TYPE_MISMATCH)
    if way is None and rule and rule.action == "Null":
        type_name = "date" if ways[0].type == Date() else "timestamp"
        return _without_misfits(_read(column, ways[0]), ways[0].misfit.replace("{c}", operand(column)), type_name)
    if way is None:
        blob = facts.count(Violation.HAS_BLOB)
        return _bytes(column) if blob else _something_else(column, facts, facts.count(ways[0].fact))
    return _read(column, way)


def _read(column: Column, way: MomentReading) -> SourceMapping:
    c = operand(column)
    return SourceMapping(
        way.type,
        copy=way.copy.replace("{c}", c),
        check_source=way.check_source.replace("{c}", c),
        reasons=(way.reason,),
        transformation=way.transformation,
        confidence=80 if way.transformation else 100,
    )


def _untyped_family(facts: ColumnFacts) -> str:
    for kind in ("integer", "real", "blob"):
        if not facts.count(_FAMILIES[kind].fact):
            return kind
    return "blob" if facts.count(Violation.HAS_BLOB) else "text"


def _fitting(column: Column, type_family: _Family) -> SourceMapping:
    c = operand(column)
    return SourceMapping(
        type_family.type,
        copy=type_family.copy.replace("{c}", c),
        check_source=type_family.check_source.replace("{c}", c),
        form=type_family.form,
        quoted=type_family.quoted,
        reasons=(type_family.reason,),
    )


def _nulled(column: Column, type_family: _Family) -> SourceMapping:
    return _without_misfits(
        _fitting(column, type_family), type_family.misfit.replace("{c}", operand(column)), type_family.type_name
    )


def _without_misfits(fitting: SourceMapping, misfit: str, type_name: str) -> SourceMapping:
    """The mapping with NULL for the values of a predicate. `type_name`: what the other values are."""
    return replace(
        fitting,
        copy=f"CASE WHEN {misfit} THEN NULL ELSE {fitting.copy} END",
        check_source=f"iif({misfit},NULL,{fitting.check_source})",
        transformation=f"values that are not {type_name} become NULL",
        confidence=60,
    )


def _bytes(column: Column) -> SourceMapping:
    c = operand(column)
    return SourceMapping(
        Bytes(),
        copy=f"CASE WHEN {c} IS NOT NULL THEN '\\x'||hex(CAST({c} AS BLOB)) END",
        check_source=sha256(f"CAST({c} AS BLOB)"),
        form=Form.DIGEST,
        transformation=f"CAST({column.name} AS BLOB)",
        reasons=("rows hold texts and blobs: kept as bytes",),
        confidence=75,
    )


def _text(column: Column, facts: ColumnFacts, *, confidence: int) -> SourceMapping:
    if facts.count(Violation.HAS_BLOB):
        return _bytes(column)
    c = operand(column)
    value, checked, note = f"lf_text({c})", f"CAST({c} AS TEXT)", ""
    if family(column.type) == "text":
        value = c
    else:
        checked = f"CASE typeof({c}) WHEN 'real' THEN lf_shortest({c}) ELSE CAST({c} AS TEXT) END"
    value, checked, note = _mended(c, value, checked, facts)
    return SourceMapping(
        _text_type(column, facts),
        copy=value,
        check_source=checked,
        quoted=True,
        measured=True,
        transformation=note,
        reasons=("same text",),
        confidence=confidence,
    )


def _mended(c: str, value: str, checked: str, facts: ColumnFacts) -> tuple[str, str, str]:
    notes = []
    encoding = facts.rule(Violation.INVALID_ENCODING)
    if encoding and encoding.action in {"Replace", "Latin1"}:
        way = encoding.action.lower()
        value, checked = f"lf_{way}(CAST({c} AS BLOB))", f"lf_{way}(CAST({checked} AS BLOB))"
        notes.append("invalid UTF-8 becomes U+FFFD" if way == "replace" else "invalid UTF-8 is read as Latin-1")
    nul = facts.rule(Violation.NUL_BYTE)
    if nul and nul.action in {"Strip", "Replace"}:
        way = "lf_strip" if nul.action == "Strip" else "lf_nulmark"
        value, checked = f"{way}(CAST({value} AS BLOB))", f"{way}(CAST({checked} AS BLOB))"
        notes.append("NUL bytes removed" if nul.action == "Strip" else "NUL bytes become U+FFFD")
    return value, checked, "; ".join(notes)


def _text_type(column: Column, facts: ColumnFacts) -> Text:
    limited = "char" in column.type.name and column.type.length and not facts.count(Violation.TOO_LONG)
    return Text(column.type.length) if limited else Text()


def page(rows: str, key: str, line: str, between: str) -> str:
    """A page of a range as one value: (rows, lines, largest key). `rows` is FROM and WHERE, with the range as ?1 and ?2; ?3 is how many."""
    return (
        f"SELECT count(*),group_concat(l,'{between}'),max(k) FROM (SELECT {key} AS k,{line} AS l {rows} ORDER BY {key} LIMIT ?3)"
    )


def copy_line(columns: Sequence[tuple[str, Mapping]]) -> str:
    """One row of CSV input with control characters for delimiter and quote. NULL prints as nothing."""
    fields = []
    for _, mapped in columns:
        value = mapped.copy
        if mapped.quoted:
            value = f"'\x01'||replace({value},'\x01','\x01\x01')||'\x01'"
        fields.append(value)
    return _printed([("%s", field) for field in fields], "\x02", "\n")


def check_line(columns: Sequence[tuple[str, Mapping]]) -> str:
    """The canonical line of a row: plain fields, then the lengths of texts, then the texts."""
    short_texts = [f"coalesce({m.check_source},'~')" for _, m in columns if not m.measured]
    measured = [m.check_source for _, m in columns if m.measured]
    lengths = [f"coalesce(length(CAST({text} AS BLOB)),'~')" for text in measured]
    head = _printed([("%s", value) for value in short_texts + lengths], "|", "")
    return "||".join([head, _printed([("%s", text) for text in measured], "", "")]) if measured else head


def _printed(fields: Sequence[tuple[str, str]], between: str, end: str) -> str:
    """All fields by one call of `printf`, or by as many as its limit on arguments asks for."""
    calls = []
    for at in range(0, len(fields), _ARGUMENTS):
        some = fields[at : at + _ARGUMENTS]
        last = at + _ARGUMENTS >= len(fields)
        calls.append(f"printf('{between.join(f for f, _ in some)}{end if last else between}',{','.join(v for _, v in some)})")
    return "||".join(calls)
