"""Statements that make tables partitions or heirs of others. Pure."""

from __future__ import annotations

from landfall.engine.model.catalog import Table
from landfall.engine.model.plan import Severity, Stage, TablePlan
from landfall.engine.planning.tables import Draft


def into_parents(draft: Draft, table: Table, table_plan: TablePlan) -> None:
    """Add the statements that attach a table to those that it is a partition of or inherits from."""
    ddl, name = draft.target.ddl, table_plan.target
    for parent in table.parents:
        above = draft.names.get(parent)
        if above is None:
            _without_parent(draft, table, table_plan.label, ".".join(parent))
            continue
        schema = elsewhere(draft, table.schema, parent[0])
        if table.partition_of:
            attach = ddl.attach_partition(above, name, table.bound, schema)
            draft.add_statement(Stage.KEYS, "partition", name, name, attach, essential=True)
        else:
            draft.add_statement(Stage.KEYS, "inheritance", name, name, ddl.inherit(name, above, schema))


def _without_parent(draft: Draft, table: Table, label: str, parent: str) -> None:
    alone = f"{parent}, which is not part of this migration, and becomes a table of its own"
    advice = "Migrate that table as well, or approve the plan: queries of that table will not find these rows."
    if table.partition_of:
        draft.add_risk(Severity.HIGH, "Partition", label, f"it is a partition of {alone}", advice)
    else:
        draft.add_risk(Severity.HIGH, "Inheritance", label, f"it inherits from {alone}", advice)


def elsewhere(draft: Draft, schema: str, other: str) -> str:
    """A schema with which a name has to be written; empty if the search path finds it."""
    return other if draft.catalog.apart and other not in {"", schema} else ""


_AFTER = {"partition": 1, "inheritance": 1, "foreign key": 2, "validation": 2}


def partitions_in_order(draft: Draft) -> None:
    """Attach partitions when all tables have their keys, and add foreign keys after that.

    A parent adopts the keys and indexes of a partition if they match its own, and only then creates none. A foreign key to a partitioned
    table holds once the partitions are attached.
    """
    if any(s.kind == "partition" for s in draft.statements):
        draft.statements.sort(key=lambda s: _AFTER.get(s.kind, 0))
