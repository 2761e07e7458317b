"""What version 0.1 read of a table, so that the plans that it stored are not taken for plans of a changed source. Pure.

It kept expressions of MySQL and labels as the catalog prints them, with their escapes, and checks that are not enforced.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from landfall.engine.model.catalog import Check, Column, Index, Table

Cell = str | None
_LABEL = re.compile(r"'((?:[^']|'')*)'")


def as_read(
    table: Table,
    rows: Sequence[tuple[Cell, ...]],
    indexes: tuple[Index, ...],
    checks: Sequence[tuple[Cell, ...]],
    *,
    mariadb: bool,
) -> Table:
    """Return the table as version 0.1 read it.

    Args:
        table: The table as it is read today.
        rows: What the catalog prints of its columns: name, default, …, `EXTRA` at 11, the generation expression at 13.
        indexes: All of its indexes, with their expressions as they are printed.
        checks: Name and clause of all of its checks, as they are printed.
        mariadb: Whether the server is a MariaDB.
    """
    columns = tuple(_column(c, row, mariadb=mariadb) for c, row in zip(table.columns, rows, strict=True))
    return replace(table, columns=columns, indexes=indexes, checks=tuple(Check(n or "check", e or "") for n, e in checks))


def _column(column: Column, row: tuple[Cell, ...], *, mariadb: bool) -> Column:
    default, extra = row[1], (row[11] or "").upper()
    if not (mariadb or default is None or "DEFAULT_GENERATED" in extra or default.startswith("b'")):
        default = "'" + default.replace("'", "''") + "'"
    kind = column.type
    if kind.labels:
        kind = replace(kind, labels=tuple(part.replace("''", "'") for part in _LABEL.findall(kind.text)))
    return replace(column, type=kind, default=default, generated=row[13] or None)
