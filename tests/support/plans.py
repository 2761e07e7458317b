"""A small catalog and its plan, for tests of planning that need no database."""

from __future__ import annotations

from dataclasses import replace

from landfall.engine.model.catalog import Catalog, Column, ColumnType, Index, IndexPart, Table
from landfall.engine.model.mapping import Violation
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import Plan
from landfall.engine.model.target_facts import TargetFacts
from landfall.engine.planning.planner import PlanningContext, draft_plan
from landfall.engine.planning.tables import SourceProfile

FACTS = TargetFacts("15", 150000, frozenset(), frozenset(), frozenset(), (), frozenset(), frozenset())
ENDS = (Endpoint("MariaDB", "h", 3306, "shop"), Endpoint("PostgreSQL", "t", 5432, "w"))


def column(name: str, kind: str, **more: object) -> Column:
    """A column of MariaDB."""
    return Column(
        name,
        ColumnType(kind.split("(", maxsplit=1)[0].split(maxsplit=1)[0], kind, unsigned="unsigned" in kind, charset="utf8mb4"),
        **more,
    )


ITEM = Table(
    "shop",
    "Item",
    (column("Id", "int(11)", nullable=False), column("Seen", "datetime"), column("Name", "text")),
    (Index("PRIMARY", (IndexPart("Id"),), unique=True, primary=True),),
    rows=5000,
)
CATALOG = Catalog("MariaDB", "10.11", 101100, "shop", ("shop",), (ITEM,), features=frozenset({"freeze", "fence"}))


def planned(
    catalog: Catalog = CATALOG, census: SourceProfile | None = None, facts: TargetFacts = FACTS, **options: object
) -> Plan:
    """A plan that nothing has proven yet."""
    return draft_plan(catalog, census or SourceProfile(), replace(Options(), **options), facts, ENDS, PlanningContext(catalog))


def counted(name: str, kind: Violation, rows: int = 3) -> SourceProfile:
    """A census that found this in a column of the table."""
    return SourceProfile(violations={("shop", "Item", name): {kind: rows}})
