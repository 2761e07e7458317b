"""The catalog of a SQLite file: pragmas for what they tell, the parsed CREATE statement for what they leave out."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from landfall.engine.errors import EngineError, SpecError
from landfall.engine.model.catalog import (
    Catalog,
    Check,
    Column,
    ForeignKey,
    Identity,
    Index,
    IndexPart,
    SourceObject,
    Table,
    View,
)
from landfall.engine.model.options import Endpoint
from landfall.engine.sources.sqlite import dialect as sqlite
from landfall.engine.sources.sqlite.schema_version import schema_version
from landfall.engine.sources.sqlite.session import SqliteSession
from landfall.engine.sources.sqlite.statements import TableStatement, index_statement, table_statement
from landfall.engine.sources.sqlite.virtual_tables import unfenced, virtual_table

_HIDDEN_VIRTUAL, _HIDDEN_STORED = "2", "3"
_FOLDING = frozenset({"NOCASE"})

# The schema of a file's own tables.
SCHEMA = "main"


def catalog(session: SqliteSession, endpoint: Endpoint) -> Catalog:
    """Everything in the file. Raises SpecError where its text is UTF-16, whose octets SQLite cannot count as UTF-8."""
    encoding = session.rows("PRAGMA encoding")[0][0]
    if encoding != "UTF-8":
        message = f"source: the file keeps its text in {encoding}, which this version does not read"
        raise SpecError(message, advice="Make a copy in UTF-8: sqlite3 old.db .dump | sqlite3 new.db")
    schema = schema_version(session)  # before all that it stands for
    version = session.rows("SELECT sqlite_version()")[0][0] or ""
    tables, objects, remarks = [], [], []
    size = int(session.rows("SELECT page_count*page_size FROM pragma_page_count,pragma_page_size")[0][0] or 0)
    listed = session.rows(
        "SELECT name,type,wr FROM pragma_table_list WHERE schema='main' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    for name, kind, without_rowid in listed:
        if kind == "table":
            tables.append(_table(session, name or "", without_rowid=without_rowid == "1"))
        elif kind == "virtual":
            virtual = virtual_table(session, name or "")
            if isinstance(virtual, SourceObject):
                objects.append(virtual)
            else:
                tables.append(virtual)
                remarks.append(unfenced(virtual.name))
    rows = sum(t.rows for t in tables) or 1
    tables = [_sized(t, size * max(t.rows, 1) // rows) for t in tables]
    objects += [
        SourceObject("trigger", row[0] or "", table=row[1] or "")
        for row in session.rows("SELECT name,tbl_name FROM sqlite_master WHERE type='trigger' ORDER BY name")
    ]
    return Catalog(
        engine="SQLite",
        version=version,
        version_number=0,
        database=endpoint.path,
        schemas=(SCHEMA,),
        tables=tuple(tables),
        views=_views(session),
        objects=tuple(objects),
        features=frozenset({"freeze", "fence"} if _writable(endpoint) else ()),
        remarks=tuple(remarks),
        schema_version=schema,
    )


def _writable(endpoint: Endpoint) -> bool:
    try:
        session = SqliteSession(endpoint, write=True)
        session.close()
    except EngineError:
        return False
    return True


def _sized(table: Table, size: int) -> Table:
    fields = {name: getattr(table, name) for name in Table.__slots__}
    return Table(**{**fields, "bytes": size})


def _views(session: SqliteSession) -> tuple[View, ...]:
    views = []
    for name, sql in session.rows("SELECT name,sql FROM sqlite_master WHERE type='view' ORDER BY name"):
        query = sql or ""
        try:
            tree = sqlglot.parse_one(query, read="sqlite")
            if isinstance(tree, exp.Create) and tree.expression is not None:
                query = tree.expression.sql(dialect="sqlite")
        except SqlglotError:
            pass  # the translation of the query fails in the same place and reports it as a risk
        views.append(View("", name or "", query))
    return tuple(views)


def _table(session: SqliteSession, name: str, *, without_rowid: bool) -> Table:
    literal = "'" + name.replace("'", "''") + "'"
    sql = session.rows(f"SELECT sql FROM sqlite_master WHERE type='table' AND name={literal}")[0][0] or ""
    stated = table_statement(sql)
    info = session.rows(f'SELECT name,type,"notnull",dflt_value,pk,hidden FROM pragma_table_xinfo({literal}) ORDER BY cid')
    primary = [row[0] or "" for row in sorted((r for r in info if r[4] != "0"), key=lambda r: int(r[4] or 0))]
    types = {row[0]: (row[1] or "").upper() for row in info}
    alias = primary[0] if len(primary) == 1 and types[primary[0]] == "INTEGER" and not without_rowid else ""
    if alias and session.rows(f"SELECT 1 FROM pragma_index_list({literal}) WHERE origin='pk'"):
        alias = ""  # INTEGER PRIMARY KEY DESC has an index of its own: it is not the rowid, and may hold NULL
    columns = tuple(_column(row, stated, alias, primary, without_rowid=without_rowid) for row in info)
    rows = int(session.rows(f"SELECT count(*) FROM {sqlite.name(name)}")[0][0] or 0)
    read = stated.columns == tuple((row[0] or "").lower() for row in info)
    return Table(
        schema="",
        name=name,
        columns=columns,
        indexes=_indexes(session, literal, primary, stated),
        foreign_keys=_foreign_keys(session, literal),
        checks=tuple(Check(f"check_{n}", text) for n, text in enumerate(stated.checks, 1)),
        rows=rows,
        rowid=not without_rowid,
        notes=() if read else ("its CREATE TABLE statement cannot be read: checks and generated columns are not carried",),
    )


def _column(
    row: tuple[str | None, ...], stated: TableStatement, alias: str, primary: list[str], *, without_rowid: bool
) -> Column:
    name, kind, notnull, default, _, hidden = row
    name = name or ""
    required = notnull == "1" or name == alias or (without_rowid and name in primary)
    generated = stated.generated.get(name.lower()) if hidden in {_HIDDEN_VIRTUAL, _HIDDEN_STORED} else None
    return Column(
        name=name,
        type=sqlite.column_type(kind or ""),
        nullable=not required,
        default=_string(default) if default else default,
        generated=generated,
        stored=True,
        identity=Identity() if name == alias else None,
        folded=stated.collations.get(name.lower()) in _FOLDING,
    )


def _string(default: str) -> str:
    """A default that is a text in double quotes, as the string that SQLite takes it for: a default refers to no column."""
    text = default.strip()
    inside = text[1:-1].replace('""', "")
    if len(text) > 1 and text[0] == text[-1] == '"' and '"' not in inside:
        return "'" + text[1:-1].replace('""', '"').replace("'", "''") + "'"
    return default


def _indexes(session: SqliteSession, literal: str, primary: list[str], stated: TableStatement) -> tuple[Index, ...]:
    indexes = []
    if primary:
        parts = tuple(IndexPart(c, folded=stated.collations.get(c.lower()) in _FOLDING) for c in primary)
        indexes.append(Index("PRIMARY", parts, unique=True, primary=True))
    listed = session.rows(f'SELECT name,"unique",origin,partial FROM pragma_index_list({literal}) ORDER BY name')
    for name, unique, origin, partial in listed:
        if origin == "pk":
            continue
        quoted = "'" + (name or "").replace("'", "''") + "'"
        sql = session.rows(f"SELECT sql FROM sqlite_master WHERE type='index' AND name={quoted}")
        statement = index_statement((sql[0][0] if sql else "") or "", stated.columns)
        members = session.rows(f'SELECT name,"desc",coll FROM pragma_index_xinfo({quoted}) WHERE key=1 ORDER BY seqno')
        parts = tuple(
            IndexPart(
                column or "",
                "" if column is not None else statement.parts[at],
                descending == "1",
                folded=(coll or "").upper() in _FOLDING,
            )
            for at, (column, descending, coll) in enumerate(members)
        )
        label = name or ""
        if label.startswith("sqlite_autoindex"):
            label = "_".join([*(p.column for p in parts), "key"])
        condition = statement.where if partial == "1" else ""
        indexes.append(Index(label, parts, unique=unique == "1", where=condition, collations=tuple(m[2] or "" for m in members)))
    return tuple(indexes)


def _foreign_keys(session: SqliteSession, literal: str) -> tuple[ForeignKey, ...]:
    rows = session.rows(
        f'SELECT id,"table","from","to",on_update,on_delete FROM pragma_foreign_key_list({literal}) ORDER BY id,seq'
    )
    grouped: dict[str, list[tuple[str | None, ...]]] = {}
    for row in rows:
        grouped.setdefault(row[0] or "", []).append(row[1:])
    return tuple(
        ForeignKey(
            "",
            tuple(m[1] or "" for m in members),
            "",
            members[0][0] or "",
            tuple(m[2] or "" for m in members if m[2]),
            members[0][3] or "NO ACTION",
            members[0][4] or "NO ACTION",
        )
        for members in grouped.values()
    )
