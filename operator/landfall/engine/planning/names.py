"""Names of the source that cannot be spelled in the target as applications expect them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from landfall.engine.model.plan import Severity, TablePlan
from landfall.lib.text import counted, enumerated

if TYPE_CHECKING:
    from landfall.engine.planning.tables import Draft

_SHOWN = 5


def differ_only_in_case(names: Iterable[str]) -> frozenset[str]:
    """Return the names that another one of them equals in lower case."""
    distinct = set(names)
    times = Counter(name.lower() for name in distinct)
    return frozenset(name for name in distinct if times[name.lower()] > 1)


def add_name_risks(draft: Draft, tables: Sequence[TablePlan]) -> None:
    """Add a risk for each table or column that an application does not find by the name that it has in the source."""
    if draft.native:
        return
    lowered = []
    for table in tables:
        if (table.schema, table.name) in draft.counterparts:
            continue
        if table.name in draft.clashing:
            _clash(draft, table)
        elif table.target != table.name:
            lowered += _renamed(draft, table.label, table.name, table.target)
        for column in table.columns:
            if column.target and column.target != column.source and not _asked_for(draft, table, column.source):
                lowered += _renamed(draft, f"{table.label}.{column.source}", column.source, column.target)
    if lowered:
        names = enumerated(lowered, _SHOWN)
        text = f"{counted(len(lowered), 'name', 'have')} capital letters, which are small ones in the target: {names}"
        advice = "Write them in small letters where SQL quotes them, or set spec.data.target.identifiers: Preserve."
        draft.add_risk(Severity.LOW, "Renamed", "names", text, advice)


def _asked_for(draft: Draft, table: TablePlan, column: str) -> bool:
    decided = draft.options.decided(table.schema, table.name, column)
    return bool(decided and decided.target_column)


def _clash(draft: Draft, table: TablePlan) -> None:
    names = ", ".join(sorted(n for n in draft.clashing if n.lower() == table.name.lower() and n != table.name))
    if table.target == table.name == table.name.lower():
        return
    text = f"its name and {names} differ only in case: it is {table.target} in the target, which SQL must quote"
    advice = "Quote it in the application's SQL and approve the plan, or rename it in the source."
    draft.add_risk(Severity.HIGH, "Renamed", table.label, text, advice)


def _renamed(draft: Draft, label: str, name: str, target: str) -> list[str]:
    """The label where the name only lost its capital letters; otherwise a risk."""
    if target == name.lower():
        return [label]
    reason = (
        f"its name has more than the {draft.target.max_name_bytes} octets that the target allows"
        if len(name.encode()) > draft.target.max_name_bytes
        else "its name is taken in the target"
    )
    advice = "Use the new name in the application, or rename it in the source."
    draft.add_risk(Severity.MEDIUM, "Renamed", label, f"{reason}: it becomes {target}", advice)
    return []
