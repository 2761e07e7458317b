"""The classes of objects of SQLite. Columns get their types by what the rows hold, not by what was declared."""

from __future__ import annotations

from landfall.engine.model.object_class import Fate, ObjectClass

_FILE = "tests/integration/test_sqlite_sources.py"
_TYPES = "tests/integration/test_exact.py::test_every_type_of_sqlite_arrives_equal"

OBJECT_CLASSES = (
    ObjectClass(
        "values of several types in a column",
        Fate.CHANGED,
        "text, or bytea where blobs are among them",
        "requires approval",
        _TYPES,
    ),
    ObjectClass(
        "DATE, DATETIME, TIMESTAMP",
        Fate.CHANGED,
        "timestamp, date, or timestamp with time zone if every value has a zone or an offset",
        "integers like seconds or milliseconds since 1970, Julian days, and values with and without a zone: timestamp with time zone, requires"
        " approval; otherwise text",
        f"{_FILE}::test_dates_are_read_by_what_every_value_of_the_column_is",
    ),
    ObjectClass(
        "a column without a known type and without values",
        Fate.CHANGED,
        "text",
        "requires approval if it is declared without a type",
        _TYPES,
    ),
    ObjectClass(
        "PRIMARY KEY with NULL in rows",
        Fate.CHANGED,
        "a unique constraint",
        "requires approval",
        f"{_FILE}::test_null_in_a_primary_key_is_counted_and_a_unique_constraint_takes_its_place",
    ),
    ObjectClass(
        "COLLATE NOCASE",
        Fate.CHANGED,
        "compared exactly; unique keys get a second unique index over lower(…)",
        "risk with the names of the columns",
        f"{_FILE}::test_unique_without_case_stays_unique_without_case",
    ),
    ObjectClass(
        "WITHOUT ROWID, STRICT",
        Fate.CHANGED,
        "ordinary tables with all checks and generated columns",
        "",
        f"{_FILE}::test_options_and_types_of_several_words_lose_nothing",
    ),
    ObjectClass(
        "FTS3, FTS4, FTS5, R-tree tables",
        Fate.CHANGED,
        "ordinary tables with their rows and rowids",
        "full-text indexes over another table or without content: risk",
        f"{_FILE}::test_virtual_tables_with_rows_of_their_own_become_tables",
    ),
    ObjectClass(
        "defaults with the current time, random values, UUIDs",
        Fate.CHANGED,
        "the same value in PostgreSQL, in UTC, in the form of the column's type",
        "",
        f"{_FILE}::test_defaults_of_sqlite_give_what_sqlite_gives",
    ),
    ObjectClass(
        "views",
        Fate.CHANGED,
        "translated views",
        "created in the dry run; what cannot be translated: risk",
        "tests/integration/test_plan_proof.py::test_each_loss_is_told_once_and_takes_nothing_else_with_it",
    ),
    ObjectClass(
        "triggers",
        Fate.RISK,
        shown_by="tests/unit/engine/planning/test_planner.py::test_everything_that_is_not_carried_has_a_line",
    ),
)
