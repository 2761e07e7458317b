"""Sequences of the target that no column owns, when existing tables are filled: set past the rows where their column is known.

A sequence belongs to a column if the column's default counts with it, or if it is named after exactly one filled integer column.
"""

from __future__ import annotations

import re

from landfall.engine.matching.name_similarity import words
from landfall.engine.matching.type_families import Kind, kind_of
from landfall.engine.model.catalog import Catalog, Column, Table
from landfall.engine.model.plan import Severity, Stage
from landfall.engine.planning.conversions import base_type
from landfall.engine.planning.tables import Draft

_SUFFIX = re.compile(r"(?i)_?(seq|sequence)$")
_DEFAULT = re.compile(r"nextval\('(?:\"?[^'\"]+\"?\.)?\"?([^'\"]+)\"?'::regclass\)")
_Place = tuple[Table, Column]


def plan_free_sequences(draft: Draft) -> None:
    """Add a statement of the cutover for each sequence whose column is known, and a risk for each other one."""
    if draft.existing is None or not draft.counterparts:
        return
    owned = {o.name for o in draft.existing.objects if o.kind == "ownership"}
    filled = [(c.table, c.table.column(p.target)) for c in draft.counterparts.values() for p in c.pairs.values()]
    places = [(t, c) for t, c in filled if kind_of(base_type(c)) is Kind.INTEGER and not c.identity and c.generated is None]
    for thing in draft.existing.objects:
        if thing.kind != "sequence" or thing.name in owned:
            continue
        if thing.name in {name for _, name in draft.followed}:
            text = "no column owns this sequence; it is set as far as that of the source with this name"
            draft.add_risk(
                Severity.INFO, "SequenceSet", thing.name, text, "No action is required; a rollback does not set it back."
            )
            continue
        candidates = _counted_with(thing.name, places) or _named_after(thing.name, places)
        if len(candidates) == 1:
            _set(draft, thing.name, *candidates[0])
        else:
            _report(draft, thing.name, candidates)


def followed_sequences(source: Catalog, target: Catalog) -> list[tuple[str, str]]:
    """Return the sequences that no column owns and that both sides have, as (full name in the source, name)."""
    owned = {o.name for catalog in (source, target) for o in catalog.objects if o.kind == "ownership"}
    target_sequences = {o.name for o in target.objects if o.kind == "sequence"} - owned
    return [(o.detail, o.name) for o in source.objects if o.kind == "sequence" and o.detail and o.name in target_sequences]


def _counted_with(sequence: str, places: list[_Place]) -> list[_Place]:
    """The columns whose default takes numbers from the sequence."""
    return [(t, c) for t, c in places if (match := _DEFAULT.search(c.default or "")) and match.group(1) == sequence]


def _named_after(sequence: str, places: list[_Place]) -> list[_Place]:
    """The columns whose table and name are those of the sequence; of only a table, the only column of its primary key."""
    stem = words(_SUFFIX.sub("", sequence))
    exact = [(t, c) for t, c in places if stem == (*words(t.name), *words(c.name)) or (stem == words(t.name) and _is_key(t, c))]
    if exact:
        return exact
    return [(t, c) for t, c in places if len(stem) > len(words(t.name)) and (*words(t.name), *words(c.name))[: len(stem)] == stem]


def _is_key(table: Table, column: Column) -> bool:
    primary = table.primary
    return primary is not None and [p.column for p in primary.parts] == [column.name]


def _set(draft: Draft, sequence: str, table: Table, column: Column) -> None:
    sql = draft.target.ddl.advance_sequence(sequence, table.name, column.name)
    draft.add_statement(Stage.SWAP, "sequence value", sequence, table.name, sql, essential=True)
    text = f"no column owns this sequence of the target; the cutover sets it past the largest {table.name}.{column.name}"
    draft.add_risk(Severity.INFO, "SequenceSet", sequence, text, "No action is required; a rollback does not set it back.")


def _report(draft: Draft, sequence: str, candidates: list[_Place]) -> None:
    first_words = {words(c.table.name)[0] for c in draft.counterparts.values()}
    grave = words(sequence)[0] in first_words
    several = f"; it could be of {', '.join(f'{t.name}.{c.name}' for t, c in candidates[:3])}" if candidates else ""
    text = f"no column owns this sequence of the target, and the run does not set it{several}"
    advice = f"If the application takes numbers from it, run after the cutover: SELECT setval('{sequence}', (SELECT max(COLUMN) FROM TABLE))."
    draft.add_risk(Severity.HIGH if grave else Severity.LOW, "Sequence", sequence, text, advice)
