"""Plans over every type of every engine, as text: what stored plans and rendered DDL of a version look like.

`python -m tests.support.type_plans` writes them to tests/unit/engine/planning/golden. A difference is a change of the plan format: runs that an older
version planned resume with what is stored there, and approvals name the digests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from landfall.engine.model.catalog import Catalog, Check, Column, ColumnType, ForeignKey, Identity, Index, IndexPart, Table, View
from landfall.engine.model.mapping import ColumnFacts, Violation
from landfall.engine.model.options import Policies
from landfall.engine.model.plan_codec import as_json
from landfall.engine.planning.conversions import probes
from landfall.engine.planning.tables import SourceProfile
from landfall.engine.sources.registry import engine_of
from landfall.engine.sources.sqlite.dialect import column_type
from landfall.engine.targets.engine import UnfitError
from landfall.engine.targets.registry import target_of
from tests.support.plans import ENDS, planned

GOLDEN = Path(__file__).parent.parent / "unit" / "engine" / "planning" / "golden"
_CASES = (
    *(("MariaDB", variant) for variant in ("clean", "proposed", "nulled", "mapped")),
    ("MySQL", "clean"),
    ("PostgreSQL", "clean"),
    *(("SQLite", variant) for variant in ("clean", "proposed", "nulled", "mapped")),
)
VARIANTS = {
    "clean": Policies(),
    "proposed": Policies(),
    "nulled": Policies(zero_dates="Null", nul_bytes="Strip", invalid_encoding="Replace", type_mismatch="Null"),
    "mapped": Policies(
        zero_dates="Map:2000-01-01",
        nul_bytes="Replace",
        invalid_encoding="Latin1",
        type_mismatch="Map:none",
    ),
}
_TEXT = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
_BLOB = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_SPATIAL = ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection")
# Mapped as another type of the same list is.
_ALIKE = frozenset({*_SPATIAL[1:], *_BLOB[1:], "tinytext", "mediumtext", "mediumint"})


def _mysql() -> Iterator[ColumnType]:
    for name, digits in (("tinyint", 4), ("smallint", 6), ("mediumint", 9), ("int", 11), ("bigint", 20)):
        yield ColumnType(name, f"{name}({digits})")
        yield ColumnType(name, f"{name}({digits}) unsigned", unsigned=True)
        yield ColumnType(name, f"{name}({digits}) unsigned zerofill", unsigned=True)
    yield ColumnType("tinyint", "tinyint(1)")
    for unsigned in ("", " unsigned"):
        yield ColumnType("decimal", f"decimal(12,4){unsigned}", precision=12, scale=4, unsigned=bool(unsigned))
        yield ColumnType("float", f"float{unsigned}", unsigned=bool(unsigned))
        yield ColumnType("double", f"double{unsigned}", unsigned=bool(unsigned))
    for size in (1, 9):
        yield ColumnType("bit", f"bit({size})", precision=size)
    yield ColumnType("date", "date")
    yield ColumnType("year", "year(4)")
    for digits in (0, 3, 6):
        for name in ("datetime", "timestamp", "time"):
            yield ColumnType(name, f"{name}({digits})" if digits else name, precision=digits)
    for charset in ("utf8mb4", "latin1"):
        for name in _TEXT:
            length = 40 if name in {"char", "varchar"} else 255
            yield ColumnType(name, f"{name}(40)" if length == 40 else name, length, charset=charset, collation=f"{charset}_bin")
    yield from _mysql_others()


def _mysql_others() -> Iterator[ColumnType]:
    yield ColumnType("char", "char(0)", 0, charset="utf8mb4")
    yield ColumnType("varchar", "varchar(0)", 0, charset="utf8mb4")
    yield ColumnType("json", "json")
    yield ColumnType("json", "longtext", charset="utf8mb4")
    for name in (*_BLOB, *_SPATIAL):
        yield ColumnType(name, name)
    for name in ("enum", "set"):
        yield ColumnType(name, f"{name}('a','it''s')", charset="utf8mb4", labels=("a", "it's"))
    for name in ("uuid", "inet6", "inet4"):
        yield ColumnType(name, name)
    yield ColumnType("vector", "vector(3)")
    yield ColumnType("hologram", "hologram(3)")


def _sqlite() -> Iterator[ColumnType]:
    words = (
        "BOOLEAN",
        "INTEGER",
        "BIGINT",
        "JSON",
        "TEXT",
        "VARCHAR(30)",
        "CLOB",
        "UUID",
        "BLOB",
        "VARBINARY(8)",
        "REAL",
        "DOUBLE",
    )
    yield from (
        column_type(word) for word in (*words, "DATE", "DATETIME", "TIMESTAMP", "NUMERIC", "DECIMAL(10,2)", "MONEY", "", "ODD")
    )


def _postgresql() -> Iterator[ColumnType]:
    words = ("smallint", "integer", "bigint", "numeric", "numeric(10,2)", "real", "double precision", "boolean", "text", "bytea")
    words += (
        "character(3)",
        "character varying(20)",
        "date",
        "timestamp without time zone",
        "timestamp(3) with time zone",
        "uuid",
    )
    words += (
        "time without time zone",
        "interval",
        "json",
        "jsonb",
        "xml",
        "inet",
        "cidr",
        "money",
        "bit(3)",
        "integer[]",
        "point",
    )
    yield from (ColumnType(word.split("(")[0], word) for word in words)
    yield ColumnType("mood", "mood", labels=("sad", "glad"), builtin=False)
    yield ColumnType("short", "short", builtin=False, underlying="character varying(9)")


_TYPES = {"MariaDB": _mysql, "MySQL": _mysql, "PostgreSQL": _postgresql, "SQLite": _sqlite}
_COUNTER = {
    "MariaDB": ColumnType("bigint", "bigint(20) unsigned", unsigned=True),
    "MySQL": ColumnType("bigint", "bigint unsigned", unsigned=True),
    "PostgreSQL": ColumnType("int8", "bigint"),
    "SQLite": column_type("INTEGER"),
}


def columns(engine: str) -> tuple[Column, ...]:
    """A column for each type of an engine, every other one NOT NULL."""
    return tuple(Column(f"c{n} {t.name}", t, nullable=bool(n % 2)) for n, t in enumerate(_TYPES[engine]()))


def _catalog(engine: str) -> Catalog:
    counter = Column("id", _COUNTER[engine], nullable=False, identity=Identity(minimum=1, maximum=900, next_value=7))
    known_columns = [c for c in columns(engine) if c.type.name != "hologram"]
    native = engine == "PostgreSQL"
    extra = (
        Column("made", known_columns[0].type, default="5", comment="It's\\made", on_update_now=False),
        Column(
            "seen",
            next(c.type for c in known_columns if c.type.name.startswith("timestamp")),
            default="CURRENT_TIMESTAMP",
            on_update_now=not native,
        ),
        Column("twice", known_columns[1].type, generated="id * 2", stored=not native),
    )
    indexes = (
        Index(
            "PRIMARY",
            (IndexPart("id"),),
            unique=True,
            primary=True,
            definition="",
            constraint="PRIMARY KEY (id)" if native else "",
        ),
        Index(
            "seen",
            (IndexPart("seen", descending=True), IndexPart("made")),
            definition="CREATE INDEX seen ON every (seen DESC, made)" if native else "",
        ),
    )
    checks = (Check("positive", "id > 0", "CHECK (id > 0)" if native else ""),)
    every = Table("shop", "Every", (counter, *known_columns, *extra), indexes, (), checks, comment="All", rows=5)
    definition = "FOREIGN KEY (id) REFERENCES every(id) ON DELETE CASCADE" if native else ""
    key = ForeignKey("parent", ("id",), "", "Every", ("id",), on_delete="CASCADE", definition=definition)
    child = Table("shop", "Child", (Column("id", _COUNTER[engine], nullable=False),), (), (key,), rows=2)
    unknown = tuple(Table("shop", "Unknown", (c,), rows=1) for c in columns(engine) if c.type.name == "hologram")
    view = View("shop", "Some", "SELECT id FROM Every WHERE id > 1", comment="few")
    return Catalog(engine, "15.1", 150001, "shop", ("shop",), (every, child, *unknown), (view,), features=frozenset({"freeze"}))


def plan_text(engine: str, variant: str) -> str:
    """The stored plan of a database with a column of each type, and its digests. `variant`: whether values violate types, and the policies."""
    catalog = _catalog(engine)
    dialect = engine_of(engine).dialect
    counts: dict[tuple[str, str, str], dict[Violation, int]] = {}
    if variant != "clean":
        for table in catalog.tables:
            for column in table.columns:
                counts_of = {probe.kind: 3 for probe in dialect.probes(column)}
                if variant in {"mapped", "nulled"}:
                    counts_of.pop(Violation.HAS_BLOB, None)
                counts[table.schema, table.name, column.name] = counts_of
    plan = planned(catalog, SourceProfile(violations=counts), policies=VARIANTS[variant], fence=False)
    document = json.loads(as_json(plan))
    digests = {f"{t.name}.{c.source}": c.digest() for t in plan.tables for c in t.columns}
    lines = [["digest", plan.digest()], *(["digest", name, digest] for name, digest in digests.items())]
    for table in document["tables"]:
        lines += [["column", table["name"], column] for column in table.pop("columns")]
    for name, value in document.items():
        lines += [[name, part] for part in value] if isinstance(value, list) else [[name, value]]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def fits_text(engine: str) -> str:
    """How each type of an engine goes into each existing type of the target: the mapping, or why there is none."""
    source, types = engine_of(engine), target_of(ENDS[1]).types
    lines = []
    for column in columns(engine):
        if column.type.name in _ALIKE:
            continue
        for existing_type in _postgresql():
            existing = Column("w", existing_type)
            try:
                mapped = types.mapping(source.dialect.mapping(column, ColumnFacts({}, {})))
            except KeyError:
                continue
            probe_rows = [[p.kind, p.predicate] for p in probes(column, existing, source)]
            try:
                fit = asdict(types.fitted(mapped, replace(column, nullable=False), existing, source))
                mapping = fit.pop("mapping")
                before = asdict(mapped)
                changed = {name: mapping[name] for name in mapping if mapping[name] != before[name]}
                result: object = {**fit, "changed": changed}
            except UnfitError as error:
                result = str(error)
            lines.append(json.dumps([column.type.text, existing_type.text, probe_rows, result], ensure_ascii=False))
    return "\n".join(lines) + "\n"


def texts() -> dict[str, str]:
    """All of them, by the name of their file."""
    by_file = {f"plan-{engine}-{variant}.jsonl": plan_text(engine, variant) for engine, variant in _CASES}
    return by_file | {f"fits-{engine}.jsonl": fits_text(engine) for engine in ("MariaDB", "PostgreSQL", "SQLite")}


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in texts().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
