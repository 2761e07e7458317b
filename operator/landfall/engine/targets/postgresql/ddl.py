"""DDL of the target, as text. No statement names a schema: the staging schema is first on the search path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.model.plan import ColumnPlan, TablePlan
from landfall.engine.sources import translate

_NOW = re.compile(r"(?i)^(current_timestamp|now|localtimestamp|localtime)(\(\d*\))?$")
_NUMBER = re.compile(r"^'?([+-]?\d+(\.\d+)?([eE][+-]?\d+)?)'?$")
_STRING = re.compile(r"^'((?:[^']|'')*)'$", re.DOTALL)
_BITS = re.compile(r"^b'([01]+)'$")
_HEX = re.compile(r"^(?:x'([0-9a-fA-F]+)'|0x([0-9a-fA-F]+))$")
_ZERO_DATE = re.compile(r"^'?(0000-\d\d-\d\d|\d{4}-00-\d\d|\d{4}-\d\d-00)")


@dataclass(frozen=True, slots=True)
class Translated:
    """An expression in the target's SQL, or why there is none."""

    sql: str = ""
    problem: str = ""


def translated(engine: str, text: str, rename: translate.Rename, widen: frozenset[str] = frozenset()) -> Translated:
    """Translate one scalar expression of another engine."""
    try:
        return Translated(translate.expression(text, engine, rename, widen))
    except translate.UntranslatableError as error:
        return Translated(problem=str(error))


def names(columns: Sequence[str]) -> str:
    """A list of quoted names."""
    return ", ".join(quoted(c) for c in columns)


def column_clause(column: ColumnPlan) -> str:
    """One line of a CREATE TABLE."""
    words = [quoted(column.target), column.target_type]
    if column.collate:
        words.append(column.collate)
    if column.generated:
        kind = "STORED" if column.stored else "VIRTUAL"
        words.append(f"GENERATED ALWAYS AS ({column.generated}) {kind}")
    if not column.nullable:
        words.append("NOT NULL")
    if column.identity:
        words.append(column.identity)
    return " ".join(words)


def create_table(table: TablePlan, tail: str = "") -> str:
    """CREATE TABLE with columns only; checks, defaults and keys are statements of their own."""
    lines = ",\n  ".join(column_clause(c) for c in table.columns if c.compared)
    return f"CREATE TABLE {quoted(table.target)} (\n  {lines}\n){tail}"


def default_of(engine: str, text: str, column: ColumnPlan, rename: translate.Rename) -> Translated:  # noqa: C901, PLR0911  a table of literal forms
    """The default of a column of another engine, as the target's type wants it."""
    text, kind = text.strip(), column.target_type
    if text.upper() == "NULL":
        return Translated()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    if _NOW.match(text):
        return Translated(_now(kind))
    if _ZERO_DATE.match(text) and (kind.startswith("timestamp") or kind == "date"):
        return Translated(problem="a zero date")
    number, string = _NUMBER.match(text), _STRING.match(text)
    bits, hexed = _BITS.match(text), _HEX.match(text)
    if bits:
        return Translated(_bit_default(bits.group(1), kind))
    if kind == "boolean" and number:
        return Translated("true" if float(number.group(1)) else "false")
    if kind == "boolean" and text.lower() in {"true", "false"}:
        return Translated(text.lower())
    if number and not string:
        return Translated(number.group(1))
    if string:
        return _string_default(string.group(1).replace("''", "'"), kind)
    if hexed and kind == "bytea":
        return Translated(f"'\\x{hexed.group(1) or hexed.group(2)}'::bytea")
    return translated(engine, text, rename)


def _now(kind: str) -> str:
    if kind == "date":
        return "CURRENT_DATE"
    precision = re.search(r"\((\d)\)", kind)
    size = f"({precision.group(1)})" if precision else ""
    if "with time zone" in kind:
        return f"CURRENT_TIMESTAMP{size}"
    return f"LOCALTIMESTAMP{size}" if kind.startswith("timestamp") else "CURRENT_TIMESTAMP::text"


def _bit_default(bits: str, kind: str) -> str:
    if kind == "boolean":
        return "true" if int(bits, 2) else "false"
    size = re.search(r"\((\d+)\)", kind)
    return f"B'{bits.zfill(int(size.group(1)) if size else 1)}'" if kind.startswith("bit") else str(int(bits, 2))


def _string_default(value: str, kind: str) -> Translated:
    if "\0" in value:
        return Translated(problem="a text with a NUL byte")
    if kind == "text[]":
        members = ",".join(literal(m) for m in value.split(",") if m)
        return Translated(f"ARRAY[{members}]::text[]")
    if kind == "bytea":
        return Translated(f"'\\x{value.encode().hex()}'::bytea")
    return Translated(literal(value))


def comment(kind: str, name: str, text: str, column: str = "") -> str:
    """COMMENT ON a table, view or column."""
    target = f"{quoted(name)}.{quoted(column)}" if column else quoted(name)
    clean = text.replace("\0", "")
    return f"COMMENT ON {kind} {target} IS {literal(clean)}"


def touch_function(name: str, column: str, now: str) -> str:
    """The trigger function behind ON UPDATE CURRENT_TIMESTAMP: set unless the statement set it."""
    c = quoted(column)
    return (
        f"CREATE FUNCTION {quoted(name)}() RETURNS trigger LANGUAGE plpgsql AS $body$\n"
        f"BEGIN\n  IF NEW.{c} IS NOT DISTINCT FROM OLD.{c} AND NEW IS DISTINCT FROM OLD THEN\n"
        f"    NEW.{c} := {now};\n  END IF;\n  RETURN NEW;\nEND $body$"
    )


def touch_trigger(name: str, table: str, function: str) -> str:
    """The trigger itself."""
    return f"CREATE TRIGGER {quoted(name)} BEFORE UPDATE ON {quoted(table)} FOR EACH ROW EXECUTE FUNCTION {quoted(function)}()"
