"""Matching source tables with existing tables of the target: read both catalogs, sample values, match. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from landfall.engine.matching.matcher import Entity, Field, NamedMatch, matched
from landfall.engine.matching.type_families import kind_of, most_characters
from landfall.engine.matching.value_profile import Sampled
from landfall.engine.model.catalog import Catalog, Table
from landfall.engine.model.fingerprint import selected
from landfall.engine.model.mapping import Probe
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.planning.conversions import base_type, probes
from landfall.engine.planning.existing_tables import Counterparts
from landfall.engine.planning.tables import Counterpart
from landfall.engine.sources.base import TRIAL_SECONDS, Reader
from landfall.engine.sources.registry import engine_of, source_of
from landfall.engine.targets.engine import TargetCatalog

_ROWS = 200
_CHARACTERS = 200


def counterparts(source: Endpoint, catalog: Catalog, target: TargetCatalog, existing: Catalog, options: Options) -> Counterparts:
    """Read the catalog of the target schema, like the catalog of a source."""
    tables = selected(catalog, options)
    parents = {t.name for t in existing.tables if t.kind == "partitioned"}
    unpartitioned = [t for t in existing.tables if t.partition_of not in parents]
    samples = _samples(source, catalog, tables)
    sources = [_entity(table, options, samples) for table in tables]
    readable = target.readable(options.target_schema)
    targets = [replace(_entity(t, None, {}, target.listed_values(t, existing, readable)), id=t.name) for t in unpartitioned]
    by_name = {t.name: t for t in unpartitioned}
    pairs_found = {}
    for pair in matched(sources, targets, _named_matches(tables, options)):
        schema, _, name = pair.source.partition("\0")
        existing_table = by_name[pair.target]
        occupied = existing_table.name in readable and target.has_rows(existing_table)
        fields = {f.source: f for f in pair.fields}
        pairs_found[schema, name] = Counterpart(existing_table, fields, occupied, pair.confidence, pair.reasons)
    return pairs_found


def probes_by_table(catalog: Catalog, matches: Counterparts) -> dict[tuple[str, str], list[tuple[str, Probe]]]:
    """Return the probes that profiling counts for columns that are copied into existing columns, by table, as (column, probe)."""
    more = {}
    for table in catalog.tables:
        counterpart = matches.get((table.schema, table.name))
        if counterpart:
            more[table.schema, table.name] = [
                (column.name, probe)
                for column in table.columns
                if column.name in counterpart.pairs
                for probe in probes(
                    column, counterpart.table.column(counterpart.pairs[column.name].target), engine_of(catalog.engine)
                )
            ]
    return more


def _named_matches(tables: Sequence[Table], options: Options) -> list[NamedMatch]:
    words = []
    for table in tables:
        words += [NamedMatch(_id(table), d.target) for d in options.tables if d.target and d.is_of(table.schema, table.name)]
        words += [
            NamedMatch(_id(table), d.target_column, d.column)
            for d in options.decisions
            if d.target_column and d.is_of(table.schema, table.name, d.column)
        ]
    return words


def _id(table: Table) -> str:
    return f"{table.schema}\0{table.name}"


def _entity(
    table: Table,
    options: Options | None,
    samples: dict[tuple[str, str], dict[str, tuple[str, ...]]],
    allowed: dict[str, frozenset[str]] | None = None,
) -> Entity:
    """A table in the form that the matcher uses. Excluded columns are left out."""
    primary = table.primary
    primary_column = primary.parts[0].column if primary and len(primary.parts) == 1 else ""
    unique = {i.parts[0].column for i in table.indexes if i.unique and len(i.parts) == 1}
    keys = {k.columns[0]: k for k in table.foreign_keys if len(k.columns) == 1}
    values = samples.get((table.schema, table.name), {})
    fields = []
    for column in table.columns:
        if options and (decided := options.decided(table.schema, table.name, column.name)) and decided.decision == "Exclude":
            continue
        key = keys.get(column.name)
        referenced = ""
        if key and options:
            referenced = f"{key.ref_schema or table.schema}\0{key.ref_table}"
        elif key:
            referenced = key.ref_table
        fields.append(
            Field(
                column.name,
                kind_of(base_type(column)),
                most_characters(base_type(column)),
                primary=column.name == primary_column,
                unique=column.name in unique,
                references=referenced,
                allowed=(allowed or {}).get(column.name, frozenset()),
                samples=Sampled.from_values(values.get(column.name, ())),
            )
        )
    return Entity(_id(table), table.name, tuple(fields))


def _samples(source: Endpoint, catalog: Catalog, tables: Iterable[Table]) -> dict[tuple[str, str], dict[str, tuple[str, ...]]]:
    """Some values of every column as text, by table and column."""
    if catalog.problems:
        return {}
    reader = source_of(source).reader()
    try:
        return {(t.schema, t.name): _sampled(reader, source, t) for t in tables if t.holds_rows}
    finally:
        reader.close()


def _sampled(reader: Reader, source: Endpoint, table: Table) -> dict[str, tuple[str, ...]]:
    dialect = engine_of(source.engine).dialect
    columns = [c for c in table.columns if c.type.name not in dialect.opaque]
    if not columns:
        return {}
    values = ",".join(f"substr({dialect.text(dialect.operand(c), c.type)},1,{_CHARACTERS})" for c in columns)
    with reader.trial(TRIAL_SECONDS):
        rows = reader.rows(f"SELECT {values} FROM {dialect.table_name(table)} LIMIT {_ROWS}")
    return {c.name: tuple(text for row in rows if (text := row[at]) is not None) for at, c in enumerate(columns)}
