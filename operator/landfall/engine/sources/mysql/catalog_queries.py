"""The queries of the catalog, each of one view of information_schema and without a column that a write changes, except at the end.

`{in}` is the list of the schemas. The catalog is made of their rows, and the version of a schema is a digest of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.mysql.session import MySqlSession

ByTable = dict[tuple[str, str], list[tuple[str | None, ...]]]
CHECKED = 80016
LIBRARIES_SINCE = 90200
_INDEXED_EXPRESSIONS = 80013

COLUMNS = (
    "SELECT TABLE_SCHEMA,TABLE_NAME,COLUMN_NAME,COLUMN_DEFAULT,IS_NULLABLE,DATA_TYPE,CHARACTER_MAXIMUM_LENGTH,"
    "NUMERIC_PRECISION,NUMERIC_SCALE,DATETIME_PRECISION,CHARACTER_SET_NAME,COLLATION_NAME,COLUMN_TYPE,EXTRA,"
    "COLUMN_COMMENT,GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN {in}"
    " ORDER BY TABLE_SCHEMA,TABLE_NAME,ORDINAL_POSITION"
)
_TABLES = (
    "SELECT TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE,TABLE_COMMENT,CREATE_OPTIONS,ENGINE{counts} FROM information_schema.TABLES"
    " WHERE TABLE_SCHEMA IN {in} AND TABLE_TYPE NOT IN ('VIEW','SYSTEM VIEW') ORDER BY TABLE_SCHEMA,TABLE_NAME"
)
TABLES = _TABLES.replace("{counts}", ",TABLE_ROWS,DATA_LENGTH,AUTO_INCREMENT")
STEADY_TABLES = _TABLES.replace("{counts}", "")
FOREIGN_KEYS = (
    "SELECT k.TABLE_SCHEMA,k.TABLE_NAME,k.CONSTRAINT_NAME,k.COLUMN_NAME,k.REFERENCED_TABLE_SCHEMA,"
    "k.REFERENCED_TABLE_NAME,k.REFERENCED_COLUMN_NAME,r.UPDATE_RULE,r.DELETE_RULE"
    " FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r"
    " ON r.CONSTRAINT_SCHEMA=k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME=k.CONSTRAINT_NAME"
    " AND r.TABLE_NAME=k.TABLE_NAME WHERE k.TABLE_SCHEMA IN {in} AND k.REFERENCED_TABLE_NAME IS NOT NULL"
    " ORDER BY k.TABLE_SCHEMA,k.TABLE_NAME,k.CONSTRAINT_NAME,k.ORDINAL_POSITION"
)
CHECKS_OF_MARIADB = (
    "SELECT CONSTRAINT_SCHEMA,TABLE_NAME,CONSTRAINT_NAME,CHECK_CLAUSE FROM"
    " information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA IN {in} ORDER BY 1,2,3"
)
CLAUSES = (
    "SELECT CONSTRAINT_SCHEMA,CONSTRAINT_NAME,CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS"
    " WHERE CONSTRAINT_SCHEMA IN {in} ORDER BY 1,2"
)
CHECKS = (
    "SELECT CONSTRAINT_SCHEMA,TABLE_NAME,CONSTRAINT_NAME,ENFORCED FROM information_schema.TABLE_CONSTRAINTS"
    " WHERE CONSTRAINT_SCHEMA IN {in} AND CONSTRAINT_TYPE='CHECK' ORDER BY 1,2,3"
)
VIEWS = "SELECT TABLE_SCHEMA,TABLE_NAME,VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA IN {in} ORDER BY 1,2"
TRIGGERS = (
    "SELECT TRIGGER_NAME,EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN {in} ORDER BY TRIGGER_NAME"
)
ROUTINES = "SELECT ROUTINE_NAME,ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA IN {in} ORDER BY ROUTINE_NAME"
LIBRARIES = "SELECT LIBRARY_NAME FROM information_schema.LIBRARIES WHERE LIBRARY_SCHEMA IN {in} ORDER BY LIBRARY_NAME"
EVENTS = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA IN {in} ORDER BY EVENT_NAME"
SEQUENCE = "SELECT next_not_cached_value,minimum_value,maximum_value,start_value,increment,cache_size,cycle_option FROM "


def checks(read: Callable[[str], ByTable]) -> ByTable:
    """Read the checks of a MySQL: name, clause and `ENFORCED` by (schema, table), without those whose clause the credential may not see.

    The server would join the two views in a time that grows with the square of their rows: 9 s for 1,000 checks.

    Args:
        read: Runs a query; its rows by the first two columns.
    """
    clauses = {key: rows[0][0] for key, rows in read(CLAUSES).items()}
    return {
        where: [(name, clauses[key], enforced) for name, enforced in rows if (key := (where[0], name or "")) in clauses]
        for where, rows in read(CHECKS).items()
    }


def indexes(session: MySqlSession) -> str:
    """The query of the indexes, with the expressions of a server that has them."""
    expression = "EXPRESSION" if has(session, _INDEXED_EXPRESSIONS) else "NULL"
    return (
        "SELECT TABLE_SCHEMA,TABLE_NAME,INDEX_NAME,NON_UNIQUE,COLUMN_NAME,COLLATION,SUB_PART,INDEX_TYPE,"
        f"{expression},INDEX_COMMENT FROM information_schema.STATISTICS WHERE TABLE_SCHEMA IN {{in}}"
        " ORDER BY TABLE_SCHEMA,TABLE_NAME,INDEX_NAME<>'PRIMARY',INDEX_NAME,SEQ_IN_INDEX"
    )


def listed(schemas: Sequence[str]) -> str:
    """Return what stands for `{in}`."""
    return "(" + ",".join(mysql.hexed(s) for s in schemas) + ")"


def has(session: MySqlSession, version: int) -> bool:
    """Whether the server is a MySQL of at least this version, as 80013."""
    return not session.is_mariadb and version_number(session.version) >= version


def version_number(text: str) -> int:
    """Return a version of a server as a number, as 80013 for 8.0.13."""
    parts = [int(p) for p in re.findall(r"\d+", text.split("-")[-1 if text.startswith("5.5.5-") else 0])[:3]]
    return sum(p * m for p, m in zip(parts, (10000, 100, 1), strict=False))
