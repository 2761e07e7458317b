"""Target types of unsigned counters: every value that the source may store fits."""

from __future__ import annotations

import pytest

from landfall.engine.model.catalog import Column, ColumnType, Identity
from landfall.engine.model.mapping import ColumnFacts
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.postgresql import types

# Type, target type without a counter, target type with one. PostgreSQL has no counters of type numeric.
_ROWS = [
    ("tinyint", "smallint", "smallint"),
    ("smallint", "integer", "integer"),
    ("mediumint", "integer", "integer"),
    ("int", "bigint", "bigint"),
    ("bigint", "numeric(20,0)", "bigint"),
]


@pytest.mark.parametrize("engine", ["MySQL", "MariaDB"])
@pytest.mark.parametrize(("name", "target", "counter"), _ROWS)
def test_an_unsigned_counter_gets_the_next_wider_type(engine: str, name: str, target: str, counter: str) -> None:
    kind = ColumnType(name, f"{name} unsigned", unsigned=True)

    def target_type(identity: Identity | None) -> str:
        column = Column("id", kind, nullable=False, identity=identity)
        return types.mapping(engine_of(engine).dialect.mapping(column, ColumnFacts({}, {}))).target_type

    assert (target_type(None), target_type(Identity(minimum=1, maximum=2**63 - 1, next_value=7))) == (target, counter)
