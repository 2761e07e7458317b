"""What TablePlans say about existing tables: whose rows are set aside, and names that do not exist. Pure."""

from __future__ import annotations

from landfall.engine.model.catalog import Catalog
from landfall.engine.model.options import Options
from landfall.engine.model.plan import Risk, Severity
from landfall.engine.planning.existing_tables import Counterparts


def set_aside(options: Options, counterparts: Counterparts) -> tuple[str, ...]:
    """Return the existing tables whose rows are set aside."""
    names = [c.table.name for at, c in counterparts.items() if c.occupied and options.rows_of_existing(*at) == "SetAside"]
    return tuple(sorted(names))


def unknown_names(options: Options, catalog: Catalog, existing: Catalog, counterparts: Counterparts) -> tuple[Risk, ...]:
    """Return a risk for each decision that names a table or column that does not exist in the target."""
    tables = {t.name: t for t in existing.tables}
    risks = []
    for word in options.tables:
        if word.target and word.target not in tables:
            text = f"a TablePlan names the existing table {word.target}, which the target does not have"
            advice = f"Correct targetTable; there are {', '.join(sorted(tables)[:20])}."
            risks.append(Risk(Severity.BLOCKER, "UnknownTable", word.table, text, advice))
    for decided in options.decisions:
        for table in catalog.tables:
            counterpart = counterparts.get((table.schema, table.name))
            if not counterpart or not decided.target_column or not decided.is_of(table.schema, table.name, decided.column):
                continue
            names = [c.name for c in counterpart.table.columns]
            if decided.target_column not in names:
                text = f"a TablePlan names the column {decided.target_column}, which {counterpart.table.name} does not have"
                advice = f"Correct targetColumn; there are {', '.join(names[:40])}."
                risks.append(Risk(Severity.BLOCKER, "UnknownColumn", f"{table.name}.{decided.column}", text, advice))
    return tuple(risks)
