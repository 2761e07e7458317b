"""Recognizes applications that create their own schema: their tools keep a table of the migrations that were applied. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from landfall.engine.model.catalog import Table
from landfall.engine.model.options import Mode, OnExisting
from landfall.engine.model.plan import Severity
from landfall.engine.planning.tables import Draft


@dataclass(frozen=True, slots=True)
class _Mark:
    """A table of a tool: its name in lower case, and columns that it has if the name is not enough."""

    tool: str
    table: str
    columns: frozenset[str] = frozenset()

    def is_on(self, table: Table) -> bool:
        return table.name.casefold() == self.table and self.columns <= {c.name.casefold() for c in table.columns}


def _columns(*columns: str) -> frozenset[str]:
    return frozenset(columns)


_MARKS = (
    _Mark("Rails", "ar_internal_metadata"),
    _Mark("Django", "django_migrations"),
    _Mark("Alembic", "alembic_version"),
    _Mark("Flyway", "flyway_schema_history"),
    _Mark("Liquibase", "databasechangelog"),
    _Mark("Knex", "knex_migrations"),
    _Mark("Diesel", "__diesel_schema_migrations"),
    _Mark("Prisma", "_prisma_migrations"),
    _Mark("Doctrine", "doctrine_migration_versions"),
    _Mark("Doctrine", "migration_versions", _columns("version")),
    _Mark("Sequelize", "sequelizemeta"),
    _Mark("Drizzle", "__drizzle_migrations"),
    _Mark("MikroORM", "mikro_orm_migrations"),
    _Mark("SQLx", "_sqlx_migrations"),
    _Mark("Refinery", "refinery_schema_history"),
    _Mark("Goose", "goose_db_version"),
    _Mark("Phinx", "phinxlog"),
    _Mark("Entity Framework", "__efmigrationshistory"),
    _Mark("Synapse", "applied_schema_deltas"),
    _Mark("Laravel", "migrations", _columns("migration", "batch")),
    _Mark("TypeORM", "migrations", _columns("timestamp", "name")),
    _Mark("gorp", "gorp_migrations"),
    _Mark("xorm", "migration", _columns("id", "description")),
    _Mark("xorm", "version", _columns("id", "version")),
    _Mark("a migration tool", "schema_migrations"),
    _Mark("a migration tool", "schema_version"),
    _Mark("a migration tool", "schema_info", _columns("version")),
)


def report_own_schema(draft: Draft) -> None:
    """Add a risk if new tables are created for an application that knows how to create them itself."""
    options = draft.options
    if draft.native or options.on_existing is OnExisting.FILL or options.mode is not Mode.FULL:
        return
    marked = [(mark, table) for mark in _MARKS for table in draft.catalog.tables if mark.is_on(table)]
    if not marked:
        return
    mark, table = marked[0]
    text = (
        f"an application seems to create this schema itself with {mark.tool}; the new tables get types that keep the source's values, which"
        " may differ from the types that the application uses on the target"
    )
    advice = (
        "Let the application create its tables in the target, then set spec.data.target.onExisting: Fill, which keeps its types, defaults"
        " and keys. Otherwise test the application before the cutover."
    )
    draft.add_risk(Severity.MEDIUM, "OwnSchema", table.name, text, advice)
