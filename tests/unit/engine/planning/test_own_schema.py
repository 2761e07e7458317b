"""Applications that create their own schema are recognized by the tables of their tools, and only where it matters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.engine.model.catalog import Table
from landfall.engine.model.options import Mode
from landfall.engine.model.plan import Plan, Severity
from tests.support.plans import CATALOG, ITEM, column, planned


def _with(name: str, *columns: str, **options: object) -> Plan:
    other = Table("shop", name, tuple(column(c, "varchar(40)") for c in columns), rows=1)
    return planned(replace(CATALOG, tables=(ITEM, other)), **options)


def _told(plan: Plan) -> list[str]:
    return [r.affected for r in plan.risks if r.kind == "OwnSchema"]


@pytest.mark.parametrize(
    ("name", "columns", "tool"),
    [
        ("django_migrations", ("id", "app", "name", "applied"), "Django"),
        ("alembic_version", ("version_num",), "Alembic"),
        ("flyway_schema_history", ("installed_rank", "version"), "Flyway"),
        ("DATABASECHANGELOG", ("ID", "AUTHOR"), "Liquibase"),
        ("knex_migrations", ("id", "name", "batch"), "Knex"),
        ("__diesel_schema_migrations", ("version", "run_on"), "Diesel"),
        ("ar_internal_metadata", ("key", "value"), "Rails"),
        ("_prisma_migrations", ("id", "checksum"), "Prisma"),
        ("doctrine_migration_versions", ("version",), "Doctrine"),
        ("applied_schema_deltas", ("version", "file"), "Synapse"),
        ("SequelizeMeta", ("name",), "Sequelize"),
        ("migrations", ("id", "migration", "batch"), "Laravel"),
        ("migrations", ("id", "timestamp", "name"), "TypeORM"),
        ("version", ("id", "version"), "xorm"),
        ("schema_migrations", ("version",), "a migration tool"),
    ],
)
def test_tools_are_recognized(name: str, columns: tuple[str, ...], tool: str) -> None:
    plan = _with(name, *columns)
    (risk,) = [r for r in plan.risks if r.kind == "OwnSchema"]
    assert (risk.affected, risk.severity) == (name, Severity.MEDIUM)
    assert f"with {tool};" in risk.description
    assert "onExisting: Fill" in risk.mitigation


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("version", ("id", "document", "changed")),
        ("migrations", ("id", "bird", "destination")),
        ("migration", ("person", "country")),
        ("django_posts", ("id",)),
    ],
)
def test_tables_that_only_sound_alike_are_not(name: str, columns: tuple[str, ...]) -> None:
    assert not _told(_with(name, *columns))


def test_nothing_is_said_where_types_do_not_change() -> None:
    assert not _told(_with("django_migrations", "id", mode=Mode.DATA_ONLY))
    assert not _told(_with("django_migrations", "id", mode=Mode.SCHEMA_ONLY))
    assert not _told(planned())
