"""Probing of overrides: before the plan is shown, each expression is tried on the source to find its type, its errors and some results."""

from __future__ import annotations

from dataclasses import replace

from landfall.engine.clients.refusals import refused
from landfall.engine.errors import EngineError
from landfall.engine.model.catalog import Catalog, Column, Table
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.planning.overrides import Override, Place, accepted, masked, overridden
from landfall.engine.sources.base import TRIAL_SECONDS, Reader
from landfall.engine.sources.registry import engine_of, source_of

_SHOWN = 3
_SAMPLE = 1000
_COUNT_SECONDS = 3600  # every row is read


def probe_overrides(source: Endpoint, catalog: Catalog, options: Options) -> tuple[Catalog, dict[Place, Override]]:
    """Return the catalog with every override that the source accepts, and the result of each probe."""
    overrides = [d for d in options.decisions if d.decision == "Override"]
    if not overrides:
        return catalog, {}
    reader = source_of(source).reader()
    results: dict[Place, Override] = {}
    tables = []
    try:
        for table in catalog.tables:
            columns = []
            for column in table.columns:
                decided = next((d for d in overrides if d.is_of(table.schema, table.name, column.name)), None)
                if decided is None:
                    columns.append(column)
                    continue
                expression, problem = _judged(source, table, column, decided.expression)
                result = Override(refused=problem) if problem else _tried(reader, source, table, column, expression)
                results[(table.schema, table.name, column.name)] = result
                columns.append(column if result.refused else overridden(column, expression, result))
            tables.append(replace(table, columns=tuple(columns)))
    finally:
        reader.close()
    return replace(catalog, tables=tuple(tables)), results


def _judged(source: Endpoint, table: Table, column: Column, expression: str) -> tuple[str, str]:
    if column.generated is not None:
        return "", "it is a generated column; override the columns that it is computed from"
    return accepted(expression, source.engine, table)


def _tried(reader: Reader, source: Endpoint, table: Table, column: Column, expression: str) -> Override:
    engine, value = engine_of(source.engine), f"({expression})"
    table_name = engine.dialect.table_name(table)
    try:
        kind = engine.type_of(source, value, table_name)
        with reader.trial(TRIAL_SECONDS):
            results = reader.rows(
                f"SELECT {engine.dialect.text(value, kind)} FROM {table_name} WHERE {value} IS NOT NULL LIMIT {_SAMPLE}"
            )
        with reader.trial(_COUNT_SECONDS):
            count = f"SELECT COUNT(*) FROM {table_name} WHERE {value} IS NULL"
            nulls = 0 if column.nullable else int(reader.rows(count)[0][0] or 0)
    except EngineError as error:
        return Override(refused=refused(error))
    return Override(tuple(dict.fromkeys(masked(text or "") for (text, *_) in results[:_SHOWN])), nulls, kind)
