"""What a plan has to say of a source that is MySQL or MariaDB, besides its objects. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.engine.model.catalog import SourceRemark
from landfall.lib.text import counted, enumerated

_ELSEWHERE = {
    "MRG_MYISAM": "of the tables that it merges",
    **dict.fromkeys(("FEDERATED", "SPIDER", "CONNECT", "S3"), "outside this server"),
    "BLACKHOLE": "nowhere: the server stores none",
}


def unenforced(table_id: tuple[str, str], name: str) -> SourceRemark:
    """A check that the source does not enforce, so that its rows may violate it."""
    return SourceRemark(
        "low",
        "Check",
        f"{table_id[0]}.{table_id[1]}.{name}",
        "the check is NOT ENFORCED in the source and is not migrated",
        "Add it manually, with NOT VALID if rows violate it.",
        table_id,
    )


def invisible(table_id: tuple[str, str], column: str) -> SourceRemark:
    """A column that `SELECT *` and an INSERT without a list of columns leave out in the source."""
    generated = "; the server has added it as the primary key" if column == "my_row_id" else ""
    return SourceRemark(
        "medium",
        "InvisibleColumn",
        f"{table_id[0]}.{table_id[1]}.{column}",
        f"the column is INVISIBLE in the source and visible in the target{generated}: SELECT * returns it, and INSERT without a list of"
        " columns has to give it a value",
        "Name the columns in such statements of the application, or exclude the column in a TablePlan.",
        table_id,
    )


def read_only() -> SourceRemark:
    """A server that takes no writes of applications, as replicas do."""
    return SourceRemark(
        "high",
        "NotQuiesced",
        "source",
        "the server is read_only, as a replica is: a write lock on it does not stop the writers of its primary",
        "Use the primary as the source, or stop the writers before the cutover and approve the plan.",
    )


def overlapping(table_id: tuple[str, str], index: str, columns: list[str]) -> SourceRemark:
    """A key whose rule about periods is lost: its last two columns are the end and the start."""
    *equal, end, start = columns
    parts = ", ".join([*(f"{c} WITH =" for c in equal), f"daterange({start},{end}) WITH &&"])
    return SourceRemark(
        "high",
        "TableFeature",
        f"{table_id[0]}.{table_id[1]}.{index}",
        "WITHOUT OVERLAPS is not migrated: the key rejects equal periods, not overlapping ones",
        f"Install btree_gist, and run ALTER TABLE {table_id[1].lower()} ADD EXCLUDE USING gist ({parts}); tsrange for periods with a time.",
        table_id,
    )


def rows_elsewhere(where: tuple[str, str], storage: str) -> list[SourceRemark]:
    """A table whose storage engine keeps no rows of its own."""
    if storage.upper() not in _ELSEWHERE:
        return []
    return [
        SourceRemark(
            "high",
            "TableFeature",
            f"{where[0]}.{where[1]}",
            f"the rows of the table are {_ELSEWHERE[storage.upper()]} (ENGINE={storage}); in the target it is a table with rows of its own, and"
            " what it returns now is copied",
            "Exclude the table in a TablePlan, and create a view or a foreign table in its place; or approve the plan.",
            where,
        )
    ]


def accounts(schema: str, names: Sequence[str]) -> SourceRemark:
    """Accounts that have privileges on a schema, or on its tables and columns."""
    return SourceRemark(
        "low",
        "Accounts",
        schema,
        f"the privileges of {counted(len(names), 'account')} on the schema are not migrated ({enumerated(names, 3)})",
        "Create roles with these privileges in the target, for the applications that will connect to it.",
    )
