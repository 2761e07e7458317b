"""Statements that make tables partitions or heirs of others. Pure."""

from __future__ import annotations

from landfall.engine.model.catalog import Table
from landfall.engine.model.plan import Severity, Stage, TablePlan
from landfall.engine.planning.tables import Draft


def into_parents(draft: Draft, table: Table, planned: TablePlan) -> None:
    """Add the statements that attach a table to those that it is a partition of or inherits from."""
    ddl, name = draft.target.ddl, planned.target
    if table.partition_of:
        parent = table.parents[0]
        if parent not in draft.names:
            text = f"it is a partition of {'.'.join(parent)}, which is not part of this migration; it becomes a table of its own"
            advice = "Migrate that table as well, or approve the plan."
            draft.add_risk(Severity.HIGH, "Partition", planned.label, text, advice)
            return
        attach = ddl.attach_partition(draft.names[parent], name, table.bound, elsewhere(draft, table.schema, parent[0]))
        draft.add_statement(Stage.KEYS, "partition", name, name, attach, essential=True)
        return
    for parent in table.parents:
        sql = ddl.inherit(name, draft.names.get(parent, parent[1]), elsewhere(draft, table.schema, parent[0]))
        draft.add_statement(Stage.KEYS, "inheritance", name, name, sql)


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
