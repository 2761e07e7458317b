"""DDL of the target, as text. No statement names a schema: the staging schema is first on the search path."""

from __future__ import annotations

import re
from collections.abc import Mapping as FormsByType
from collections.abc import Sequence
from types import MappingProxyType

from landfall.engine.model.catalog import OWN_SCHEMA, ForeignKey, Identity, Table
from landfall.engine.model.default_value import DefaultValue
from landfall.engine.model.identifiers import PATH_ITEM, literal, quoted
from landfall.engine.model.plan import ColumnPlan, TablePlan
from landfall.engine.sources import translate
from landfall.engine.sources.view_relations import Relations, Rename, WrittenView
from landfall.engine.targets.engine import Translated
from landfall.engine.targets.postgresql.default_values import rendered

_GRAMMAR = "postgres"
_SCALAR_OCTETS = 24
other_forms: FormsByType[str, str] = MappingProxyType(
    {
        "boolean": "drivers return true and false, and SQL compares with these, not with 1 and 0",
        "text[]": "drivers return a list, as {a,b} in text, not a,b; FIND_IN_SET becomes = ANY(column)",
    }
)
max_index_octets = 2600  # an entry of a B-tree has at most 2,704 octets, with its header
_PLAIN = translate.ColumnTraits()
_ACTIONS = frozenset({"CASCADE", "RESTRICT", "SET NULL", "SET DEFAULT"})
_NOW = re.compile(r"(?i)^(current_timestamp|now|localtimestamp|localtime)(\(\d*\))?$")
_NUMBER = re.compile(r"^'?([+-]?\d+(\.\d+)?([eE][+-]?\d+)?)'?$")
_STRING = re.compile(r"^'((?:[^']|'')*)'$", re.DOTALL)
_BITS = re.compile(r"^b'([01]+)'$")
_HEX = re.compile(r"^(?:x'([0-9a-fA-F]+)'|0x([0-9a-fA-F]+))$")
_ZERO_DATE = re.compile(r"^'?(0000-\d\d-\d\d|\d{4}-00-\d\d|\d{4}-\d\d-00)")


def translated(engine: str, text: str, rename: Rename, traits: translate.ColumnTraits = _PLAIN) -> Translated:
    """Translate one scalar expression of another engine."""
    try:
        return Translated(translate.expression(text, engine, _GRAMMAR, rename, traits))
    except translate.UntranslatableError as error:
        return Translated(problem=str(error))


def translated_query(engine: str, text: str, rename: Rename, relations: Relations) -> WrittenView:
    """Translate the query of a view. Raises UntranslatableError."""
    return translate.query(text, engine, _GRAMMAR, rename, relations)


def advance_sequence(sequence: str, table: str, column: str) -> str:
    """Set a sequence to the largest value of a column, unless it is past it already."""
    largest = f"max({quoted(column)})"
    return (
        f"SELECT setval({literal(quoted(sequence))}::regclass,{largest}) FROM {quoted(table)}"
        f" HAVING {largest}>=(SELECT last_value FROM {quoted(sequence)})"
    )


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


def create_table(table: TablePlan, source: Table | None = None) -> str:
    """CREATE TABLE with columns only; checks, defaults and keys are statements of their own. `source`: whose partitioning it gets."""
    tail = f" PARTITION BY {source.partition_by}" if source and source.kind == "partitioned" else ""
    if source and source.options:
        tail += f" WITH ({source.options})"
    lines = ",\n  ".join(column_clause(c) for c in table.columns if c.compared)
    word = "UNLOGGED TABLE" if source and source.unlogged else "TABLE"
    return f"CREATE {word} {quoted(table.target)} (\n  {lines}\n){tail}"


def default_of(engine: str, text: str, column: ColumnPlan, rename: Rename) -> Translated:  # noqa: C901, PLR0911  a table of literal forms
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


def create_extension(name: str, schema: str) -> tuple[str, ...]:
    """CREATE SCHEMA and CREATE EXTENSION, with the extensions that it needs."""
    place = quoted(schema)
    return (f"CREATE SCHEMA IF NOT EXISTS {place}", f"CREATE EXTENSION IF NOT EXISTS {quoted(name)} SCHEMA {place} CASCADE")


def moved_path(path: str, schemas: Sequence[str], target: str) -> str:
    """A search path with the target schema in place of those that are migrated into it; an empty one as `''`."""
    items = [item for item in PATH_ITEM.findall(path) if item != '""']
    if not schemas:
        return ", ".join(items) or "''"
    own_schemas = {name for schema in schemas for name in (schema, quoted(schema))}
    return ", ".join(dict.fromkeys(quoted(target) if item in own_schemas else item for item in items)) or "''"


def default_value(value: DefaultValue, column: ColumnPlan) -> Translated:
    """A default that computes the time or a random value, as the type of the column wants it."""
    return rendered(value, column.target_type)


def now(column: ColumnPlan) -> str:
    """The current time as the type of a column."""
    return _now(column.target_type)


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


def _table(name: str) -> str:
    return f"ALTER TABLE {quoted(name)}"


def attach_partition(parent: str, table: str, bound: str, schema: str = "") -> str:
    """Make a table a partition of another one, which is in `schema` if that is another schema."""
    return f"ALTER TABLE {_place(parent, schema)} ATTACH PARTITION {quoted(table)} {bound}"


def inherit(table: str, parent: str, schema: str = "") -> str:
    """Make a table inherit from another one, which is in `schema` if that is another schema."""
    return f"{_table(table)} INHERIT {_place(parent, schema)}"


def create_schema(name: str) -> str:
    """CREATE SCHEMA."""
    return f"CREATE SCHEMA IF NOT EXISTS {quoted(name)}"


def with_create(statement: str, schema: str, role: str) -> str:
    """GRANT, the statement, REVOKE."""
    right = f"CREATE ON SCHEMA {quoted(schema)}"
    return f"GRANT {right} TO {quoted(role)}; {statement}; REVOKE {right} FROM {quoted(role)}"


def _place(name: str, schema: str) -> str:
    return f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)


def set_default(table: str, column: str, expression: str) -> str:
    """Set the default of a column."""
    return f"{_table(table)} ALTER COLUMN {quoted(column)} SET DEFAULT {expression}"


def check_clause(expression: str) -> str:
    """What makes a check constraint of an expression."""
    return f"CHECK ({expression})"


def of_column(rule: str, column: str) -> str:
    """A rule of a mapping for a column."""
    return rule.replace("{c}", quoted(column))


def of_type(text: str, name: str) -> str:
    """A type or a statement of a mapping with the name of the type that the column gets."""
    return text.replace("{type}", quoted(name))


def add_constraint(table: str, name: str, clause: str, *, only: bool = False, unvalidated: bool = False) -> str:
    """Add a constraint. `only`: not to partitions; `unvalidated`: without looking at the rows that are there."""
    head = f"ALTER TABLE ONLY {quoted(table)}" if only else _table(table)
    return f"{head} ADD CONSTRAINT {quoted(name)} {clause}{' NOT VALID' if unvalidated else ''}"


def validate_constraint(table: str, name: str) -> str:
    """Validate a constraint for the rows that are there."""
    return f"{_table(table)} VALIDATE CONSTRAINT {quoted(name)}"


def constraint_by_index(table: str, name: str, word: str, tail: str = "") -> str:
    """Make a key of the index of the same name. `word`: PRIMARY KEY or UNIQUE."""
    return add_constraint(table, name, f"{word} USING INDEX {quoted(name)}{tail}")


def create_index(name: str, table: str, parts: str, *, unique: bool, condition: str = "", method: str = "") -> str:
    """CREATE INDEX. `parts`: as `index_parts` yields them; `method`: the default one, or `hash`, which takes values of every length."""
    head = f"CREATE {'UNIQUE ' if unique else ''}INDEX {quoted(name)} ON {quoted(table)}"
    return f"{head}{f' USING {method}' if method else ''} ({parts}){f' WHERE {condition}' if condition else ''}"


def index_octets(column: ColumnPlan, length: int | None) -> int:
    """The most octets that a value takes in an index. `length`: characters of a text, octets of a bytea, as the source declares them."""
    if column.target_type == "bytea":
        return length if length is not None else max_index_octets + 1
    if column.target_type.startswith(("varchar", "char", "text")):
        return 4 * length + 4 if length is not None else max_index_octets + 1
    return _SCALAR_OCTETS


def index_column(column: ColumnPlan, prefix: int | None) -> str:
    """A column as an element of an index, or so many of its first characters or octets."""
    name = quoted(column.target)
    if not prefix:
        return name
    if column.target_type == "bytea":
        return f"substring({name} from 1 for {prefix})"
    return f'"left"({name}::text, {prefix})'


def index_expression(expression: str) -> str:
    """An expression as an element of an index."""
    return f"({expression})"


def index_folded(element: str) -> str:
    """An element of an index without regard to the case of ASCII letters, and of no others."""
    return f'lower({element} COLLATE "C")'


def index_part(expression: str, *, descending: bool) -> str:
    """An element of an index with its direction."""
    return f"{expression}{' DESC' if descending else ''}"


def index_parts(parts: Sequence[str]) -> str:
    """The elements of an index."""
    return ", ".join(parts)


def attach_index(parent: str, name: str, schema: str = "") -> str:
    """Make an index a partition of another one, which is in `schema` if that is another schema."""
    return f"ALTER INDEX {_place(parent, schema)} ATTACH PARTITION {quoted(name)}"


def foreign_key_clause(key: ForeignKey, columns: Sequence[str], table: str, referenced: Sequence[str]) -> str:
    """What makes a foreign key to a table. `columns`, `referenced`: names in the target."""
    if key.definition:
        return key.definition.replace(" NOT VALID", "")
    clause = f"FOREIGN KEY ({_names(columns)}) REFERENCES {quoted(table)}" + (f" ({_names(referenced)})" if referenced else "")
    for event, action in (("UPDATE", key.on_update), ("DELETE", key.on_delete)):
        if action in _ACTIONS:
            clause += f" ON {event} {action}"
    return clause


def _names(columns: Sequence[str]) -> str:
    return ", ".join(quoted(c) for c in columns)


def create_view(name: str, query: str, *, materialized: bool, options: str = "") -> str:
    """CREATE VIEW. A query that names its own schema is completed on the target, for a stage has another name."""
    kind = "MATERIALIZED VIEW" if materialized else "VIEW"
    sql = f"CREATE {kind} {quoted(name)}{f' WITH ({options})' if options else ''} AS\n{query.rstrip().rstrip(';')}"
    if OWN_SCHEMA not in sql:
        return sql
    body = f"BEGIN EXECUTE replace({literal(sql)},{literal(OWN_SCHEMA)},quote_ident(current_schema())||'.')"
    return f"DO {literal(body)[:-1]}{_END}"


_END = "; END'"


def unfilled(sql: str) -> str:
    """What `create_view` returned for a materialized view, so that its query is not executed."""
    return f"{sql} WITH NO DATA" if sql.startswith("CREATE") else f"{sql.removesuffix(_END)}||'' WITH NO DATA''{_END}"


def identity_clause(identity: Identity, target_type: str) -> str:
    """How a column is filled by a counter; empty for a type that cannot be."""
    if target_type.startswith("numeric") or target_type in {"real", "double precision"}:
        return ""
    words = [f"INCREMENT BY {identity.increment}", f"START WITH {identity.start}"]
    if identity.minimum is not None:
        words.append(f"MINVALUE {identity.minimum}")
    if identity.maximum is not None:
        words.append(f"MAXVALUE {identity.maximum}")
    words += [f"CACHE {identity.cache}", "CYCLE" if identity.cycle else "NO CYCLE"]
    return f"GENERATED {'ALWAYS' if identity.always else 'BY DEFAULT'} AS IDENTITY ({' '.join(words)})"


def converted(column: str, kind: str) -> str:
    """A column as a value of another type."""
    return f"{quoted(column)}::{kind}"


def settle_converted(table: str, column: str, staged: str, default: str) -> tuple[str, ...]:
    """What makes a column that was computed from a staged one an ordinary one, and drops the staged one."""
    changes = [f"ALTER COLUMN {quoted(column)} DROP EXPRESSION", f"DROP COLUMN {quoted(staged)} RESTRICT"]
    statements = [f"{_table(table)} {change}" for change in changes]
    return (*statements, *((set_default(table, column, default),) if default else ()))
