"""The estimate of the write lock counts objects, not only rows: measured numbers of databases with hardly any row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.engine.model.catalog import Column, ForeignKey, Table, View
from tests.support.plans import CATALOG, column, planned


def _tables(number: int, columns: int, keys: int = 0) -> tuple[Table, ...]:
    fields: list[Column] = [column("id", "int(11)", nullable=False), *(column(f"c{n}", "int(11)") for n in range(columns))]
    tables = []
    for n in range(number):
        parents = [f"t{(n + k) % number}" for k in range(keys)]
        foreign = tuple(ForeignKey(f"f{n}_{k}", ("c0",), "shop", parent, ("id",)) for k, parent in enumerate(parents))
        tables.append(Table("shop", f"t{n}", tuple(fields), foreign_keys=foreign, rows=1))
    return tuple(tables)


@pytest.mark.parametrize(
    ("tables", "views", "measured"),
    [
        (_tables(1500, 5), 0, 12.0),
        (_tables(500, 5), 0, 3.8),
        (_tables(500, 5, keys=2), 0, 48.5),
        (_tables(500, 5), 1000, 24.6),
        (_tables(100, 201), 0, 5.9),
    ],
)
def test_the_write_lock_is_estimated_from_objects_too(tables: tuple[Table, ...], views: int, measured: float) -> None:
    view_list = tuple(View("shop", f"v{n}", "SELECT id FROM t0") for n in range(views))
    plan = planned(replace(CATALOG, tables=tables, views=view_list))
    assert 0.6 * measured <= plan.freeze_seconds <= 1.6 * measured + 1


def test_a_small_database_still_takes_about_two_seconds() -> None:
    assert planned().freeze_seconds == 2
