"""PostgreSQL as a target engine."""

from __future__ import annotations

from landfall.engine.model.catalog import Column
from landfall.engine.model.mapping import Mapping, SourceMapping
from landfall.engine.sources.engine import Dialect, SourceEngine
from landfall.engine.targets.engine import Fit, TargetEngine
from landfall.engine.targets.postgresql import fitting, types


class _Types:
    def mapping(self, column: SourceMapping) -> Mapping:
        return types.mapping(column)

    def fitted(self, mapped: Mapping, column: Column, wanted: Column, source: SourceEngine) -> Fit:
        return fitting.fitted(mapped, column, wanted, source)

    def renewed(self, mapping: Mapping, dialect: Dialect) -> Mapping:
        return types.renewed(mapping, dialect)


class _Engine(TargetEngine):
    name = "PostgreSQL"
    max_name_bytes = 63
    types = _Types()


POSTGRESQL = _Engine()
