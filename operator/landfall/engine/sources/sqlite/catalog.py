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
from landfall.engine.sources.sqlite.session import SqliteSession

_HIDDEN_VIRTUAL, _HIDDEN_STORED = "2", "3"


def catalog(session: SqliteSession, endpoint: Endpoint) -> Catalog:
    """Everything in the file. Raises SpecError where its text is UTF-16, whose octets SQLite cannot count as UTF-8."""
    encoding = session.rows("PRAGMA encoding")[0][0]
    if encoding != "UTF-8":
        message = f"source: the file keeps its text in {encoding}, which this version does not read"
        raise SpecError(message, advice="Make a copy in UTF-8: sqlite3 old.db .dump | sqlite3 new.db")
    version = session.rows("SELECT sqlite_version()")[0][0] or ""
    tables, objects = [], []
    size = int(session.rows("SELECT page_count*page_size FROM pragma_page_count,pragma_page_size")[0][0] or 0)
    listed = session.rows(
        "SELECT name,type,wr FROM pragma_table_list WHERE schema='main' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    for name, kind, without_rowid in listed:
        if kind == "table":
            tables.append(_table(session, name or "", without_rowid=without_rowid == "1"))
        elif kind == "virtual":
            objects.append(SourceObject("virtual table", name or "", detail="a virtual table has no rows of its own to move"))
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
        schemas=("main",),
        tables=tuple(tables),
        views=_views(session),
        objects=tuple(objects),
        features=frozenset({"freeze", "fence"} if _writable(endpoint) else ()),
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
    found = []
    for name, sql in session.rows("SELECT name,sql FROM sqlite_master WHERE type='view' ORDER BY name"):
        query = sql or ""
        try:
            tree = sqlglot.parse_one(query, read="sqlite")
            if isinstance(tree, exp.Create) and tree.expression is not None:
                query = tree.expression.sql(dialect="sqlite")
        except SqlglotError:
            pass  # the translation of the query fails in the same place and reports it as a risk
        found.append(View("", name or "", query))
    return tuple(found)


def _table(session: SqliteSession, name: str, *, without_rowid: bool) -> Table:
    literal = "'" + name.replace("'", "''") + "'"
    sql = session.rows(f"SELECT sql FROM sqlite_master WHERE type='table' AND name={literal}")[0][0] or ""
    parsed = _Parsed(sql)
    info = session.rows(f'SELECT name,type,"notnull",dflt_value,pk,hidden FROM pragma_table_xinfo({literal}) ORDER BY cid')
    primary = [row[0] or "" for row in sorted((r for r in info if r[4] != "0"), key=lambda r: int(r[4] or 0))]
    types = {row[0]: (row[1] or "").upper() for row in info}
    alias = primary[0] if len(primary) == 1 and types[primary[0]] == "INTEGER" and not without_rowid else ""
    columns = tuple(_column(row, parsed, alias, primary, without_rowid=without_rowid) for row in info)
    indexes = _indexes(session, literal, primary, parsed)
    rows = int(session.rows(f"SELECT count(*) FROM {sqlite.name(name)}")[0][0] or 0)
    return Table(
        schema="",
        name=name,
        columns=columns,
        indexes=indexes,
        foreign_keys=_foreign_keys(session, literal),
        checks=tuple(Check(f"check_{n}", text) for n, text in enumerate(parsed.checks, 1)),
        rows=rows,
        rowid=not without_rowid,
        notes=parsed.notes,
    )


def _column(row: tuple[str | None, ...], parsed: _Parsed, alias: str, primary: list[str], *, without_rowid: bool) -> Column:
    name, kind, notnull, default, _, hidden = row
    name = name or ""
    required = notnull == "1" or name == alias or (without_rowid and name in primary)
    generated = parsed.generated.get(name.lower()) if hidden in {_HIDDEN_VIRTUAL, _HIDDEN_STORED} else None
    return Column(
        name=name,
        type=sqlite.column_type(kind or ""),
        nullable=not required,
        default=default,
        generated=generated,
        stored=True,
        identity=Identity() if name == alias else None,
    )


def _indexes(session: SqliteSession, literal: str, primary: list[str], parsed: _Parsed) -> tuple[Index, ...]:
    found = []
    if primary:
        found.append(Index("PRIMARY", tuple(IndexPart(c) for c in primary), unique=True, primary=True))
    listed = session.rows(f'SELECT name,"unique",origin,partial FROM pragma_index_list({literal}) ORDER BY name')
    for name, unique, origin, partial in listed:
        if origin == "pk":
            continue
        quoted = "'" + (name or "").replace("'", "''") + "'"
        sql = session.rows(f"SELECT sql FROM sqlite_master WHERE type='index' AND name={quoted}")
        own = _ParsedIndex((sql[0][0] if sql else "") or "")
        members = session.rows(f'SELECT name,"desc",coll FROM pragma_index_xinfo({quoted}) WHERE key=1 ORDER BY seqno')
        parts = []
        for at, (column, descending, _) in enumerate(members):
            expression = "" if column is not None else own.part(at)
            parts.append(IndexPart(column or "", expression, descending=descending == "1"))
        label = name or ""
        if label.startswith("sqlite_autoindex"):
            label = "_".join([*(p.column for p in parts), "key"])
        where = own.where if partial == "1" else ""
        found.append(Index(label, tuple(parts), unique=unique == "1", where=where, collations=tuple(m[2] or "" for m in members)))
    del parsed
    return tuple(found)


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


class _Parsed:
    """What only the CREATE TABLE statement knows: checks and generated columns."""

    def __init__(self, sql: str) -> None:
        self.checks: list[str] = []
        self.generated: dict[str, str] = {}
        self.notes: tuple[str, ...] = ()
        try:
            tree = sqlglot.parse_one(sql, read="sqlite")
        except SqlglotError:
            self.notes = ("its CREATE TABLE statement cannot be parsed: checks and generated columns are not carried",)
            return
        for check in tree.find_all(exp.CheckColumnConstraint, exp.Check):
            self.checks.append(check.this.sql(dialect="sqlite"))
        for column in tree.find_all(exp.ColumnDef):
            for kind in (exp.ComputedColumnConstraint, exp.GeneratedAsIdentityColumnConstraint):
                found = column.find(kind)
                if found is not None:
                    inner = found.args.get("expression") or found.this
                    if isinstance(inner, exp.Expression):
                        self.generated[column.name.lower()] = inner.sql(dialect="sqlite")


class _ParsedIndex:
    """What only the CREATE INDEX statement knows: expressions and the condition."""

    def __init__(self, sql: str) -> None:
        self.where = ""
        self._parts: list[str] = []
        if not sql:
            return
        try:
            tree = sqlglot.parse_one(sql, read="sqlite")
        except SqlglotError:
            return
        where = tree.find(exp.Where)
        if where is not None:
            self.where = where.this.sql(dialect="sqlite")
        parameters = tree.find(exp.IndexParameters)
        for column in (parameters.args.get("columns") or []) if parameters is not None else []:
            inner = column.this if isinstance(column, exp.Ordered) else column
            self._parts.append(inner.sql(dialect="sqlite"))

    def part(self, at: int) -> str:
        """The expression at a position; one that the target refuses where it could not be parsed."""
        return self._parts[at] if at < len(self._parts) else "unparsed()"
