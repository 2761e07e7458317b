"""Virtual tables of SQLite: those that keep rows of their own are moved as tables, the others are objects that are not carried.

Full-text and R-tree tables keep their rows in shadow tables, from which only their modules can read them.
"""

from __future__ import annotations

import re

from landfall.engine.errors import EngineError
from landfall.engine.model.catalog import Column, Identity, Index, IndexPart, SourceObject, SourceRemark, Table
from landfall.engine.sources.sqlite import dialect as sqlite
from landfall.engine.sources.sqlite.session import SqliteSession

_MODULE = re.compile(r"(?is)\bUSING\s+[\"'`\[]?(\w+)[\"'`\]]?\s*(?:\((.*)\))?\s*;?\s*$")
_CONTENT = re.compile(r"(?i)(?:^|,)\s*content\s*=\s*([\"']?)([^,\"']*)\1")
_TEXT_SEARCH = frozenset({"fts3", "fts4", "fts5"})
_SPATIAL = frozenset({"rtree", "rtree_i32", "geopoly"})
_DERIVED = frozenset({"fts5vocab", "fts4aux", "fts3tokenize", "dbstat", "sqlite_dbpage"})
_KEYS = ("rowid", "_rowid_", "oid")


def virtual_table(session: SqliteSession, name: str) -> Table | SourceObject:
    """Read a virtual table: as a table if it keeps rows of its own, otherwise as an object that is not carried."""
    literal = "'" + name.replace("'", "''") + "'"
    sql = session.rows(f"SELECT sql FROM sqlite_master WHERE type='table' AND name={literal}")[0][0] or ""
    match = _MODULE.search(sql)
    module, arguments = (match.group(1).lower(), match.group(2) or "") if match else ("", "")
    content = _CONTENT.search(arguments) if module in _TEXT_SEARCH else None
    if content is not None:
        return _index_only(name, content.group(2).strip())
    if module in _DERIVED:
        text = f"it only shows what another table holds (module {module}) and has no rows of its own"
        return SourceObject("virtual table", name, detail=text, severity="low", advice="No action is required.")
    if module not in _TEXT_SEARCH | _SPATIAL:
        return _unread(name, f"only its own module {module or '(unknown)'} can read it")
    try:
        return _stored(session, name, module)
    except EngineError as error:
        return _unread(name, error.message.removeprefix("source: "))


def unfenced(name: str) -> SourceRemark:
    """A virtual table, on which SQLite has no triggers, so that nothing can refuse its writers.

    Triggers on its shadow tables are no way: an error in them can crash the writer's process (seen with FTS5 in SQLite 3.40).
    """
    return SourceRemark(
        "medium",
        "FencePassed",
        name,
        "it is a virtual table, on which SQLite has no triggers: after the cutover, the source accepts writers of this table, and what they"
        " write is missing in the target",
        "Stop the writers of this table before the cutover, or make the file read-only for them.",
        ("", name),
    )


def _index_only(name: str, table: str) -> SourceObject:
    over = f"over the table {table}, which is migrated by itself" if table else "without content"
    advice = "Create a GIN index on to_tsvector(…) over the texts if queries need it."
    return SourceObject("virtual table", name, detail=f"it is a full-text index {over}", severity="low", advice=advice)


def _unread(name: str, reason: str) -> SourceObject:
    text = f"its rows cannot be read and are not migrated: {reason}"
    advice = "Copy its rows into an ordinary table in the source if they are needed."
    return SourceObject("virtual table", name, detail=text, severity="high", advice=advice)


def _stored(session: SqliteSession, name: str, module: str) -> Table:
    literal = "'" + name.replace("'", "''") + "'"
    info = session.rows(f"SELECT name,type FROM pragma_table_xinfo({literal}) WHERE hidden=0 ORDER BY cid")
    columns = [Column(n or "", sqlite.column_type(kind or "")) for n, kind in info]
    existing_names = {c.name.lower() for c in columns}
    if module in _SPATIAL - {"geopoly"}:
        columns[0] = Column(columns[0].name, sqlite.column_type("INTEGER"), nullable=False, identity=Identity())
    else:  # full-text search finds a document by its rowid, so other tables refer to it
        key = next(k for k in _KEYS if k not in existing_names)
        columns.insert(0, Column(key, sqlite.column_type("INTEGER"), nullable=False, identity=Identity()))
    rows = int(session.rows(f"SELECT count(*) FROM {sqlite.name(name)}")[0][0] or 0)
    queries = "MATCH queries" if module in _TEXT_SEARCH else "queries of areas"
    index = "a GIN index on to_tsvector(…)" if module in _TEXT_SEARCH else "a GiST index over box(point(…), point(…))"
    return Table(
        schema="",
        name=name,
        columns=tuple(columns),
        indexes=(Index("PRIMARY", (IndexPart(columns[0].name),), unique=True, primary=True),),
        rows=rows,
        rowid=True,
        notes=(f"a virtual table of the module {module}: its rows become an ordinary table, and {queries} need {index}",),
        note_severity="medium",
    )
