"""The catalog of MySQL and MariaDB, from information_schema, and whether the credential sees all of it.

information_schema hides what a credential may not see instead of refusing, so the grants are read first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from landfall.engine.errors import ObjectMissingError
from landfall.engine.model.catalog import (
    Catalog,
    Check,
    Column,
    ColumnType,
    ForeignKey,
    Identity,
    Index,
    IndexPart,
    SourceObject,
    SourceRemark,
    Table,
    View,
)
from landfall.engine.model.options import Options
from landfall.engine.sources.mysql import catalog_queries as queries
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.mysql import printed, remarks, version_0_1
from landfall.engine.sources.mysql.privileges import privileges
from landfall.engine.sources.mysql.schema_version import schema_version
from landfall.engine.sources.mysql.session import MySqlSession, ResultColumn

Cell = str | None


def catalog(session: MySqlSession, database: str, options: Options) -> Catalog:
    """Everything of the schemas that the options name. Raises ObjectMissingError for a schema that is not there."""
    schemas = options.schemas
    existing = {row[0] for row in session.rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")}
    for schema in schemas:
        if schema not in existing:
            message = f"source: there is no schema {schema!r}, or the credential may not see it"
            raise ObjectMissingError(message, advice=f"Correct spec.data.source.schemas; visible are: {_listed(existing)}.")
    version = schema_version(session, schemas)  # before all that it stands for
    reader = _Reader(session, schemas)
    tables, refused = reader.tables()
    rights = privileges(session, schemas)
    reader.remarks += [*rights.remarks, *_of_server(session), *reader.accounts()]
    return Catalog(
        engine="MariaDB" if session.is_mariadb else "MySQL",
        version=session.version,
        version_number=queries.version_number(session.version),
        database=database,
        schemas=tuple(schemas),
        tables=tables,
        views=reader.views(),
        objects=(*reader.objects(), *refused),
        problems=rights.problems,
        features=rights.features,
        packet_bytes=int(session.rows("SELECT @@max_allowed_packet")[0][0] or 0),
        remarks=tuple(reader.remarks),
        former=tuple(reader.former),
        schema_version=version,
    )


def _of_server(session: MySqlSession) -> tuple[SourceRemark, ...]:
    if session.rows("SELECT @@GLOBAL.read_only")[0][0] in {"0", "OFF"}:
        return ()
    return (remarks.read_only(),)


def _listed(names: set[Cell]) -> str:
    own_schemas = sorted(n for n in names if n and n not in {"information_schema", "performance_schema", "mysql", "sys"})
    return ", ".join(own_schemas) or "none"


class _Reader:
    """Reads each part of information_schema once for all schemas."""

    def __init__(self, session: MySqlSession, schemas: Sequence[str]) -> None:
        self._session = session
        self._schemas = schemas
        self.remarks: list[SourceRemark] = []
        self.former: list[Table] = []
        self._printed_indexes: dict[tuple[str, str], tuple[Index, ...]] = {}
        self._printed_checks: dict[tuple[str, str], list[tuple[Cell, ...]]] = {}
        self._bare_backslashes = "NO_BACKSLASH_ESCAPES" in (session.rows("SELECT @@SESSION.sql_mode")[0][0] or "")
        self._in = queries.listed(schemas)

    def _by_table(self, sql: str) -> dict[tuple[str, str], list[tuple[Cell, ...]]]:
        rows_of: dict[tuple[str, str], list[tuple[Cell, ...]]] = defaultdict(list)
        for row in self._session.rows(sql.replace("{in}", self._in)):
            rows_of[(row[0] or "", row[1] or "")].append(row[2:])
        return rows_of

    def tables(self) -> tuple[tuple[Table, ...], tuple[SourceObject, ...]]:
        """The tables, and what looks like one but cannot be moved as one."""
        columns = self._by_table(queries.COLUMNS)
        indexes, keys, checks = self._indexes(), self._foreign_keys(), self._checks()
        tables, refused = [], []
        for table_id, rows in self._by_table(queries.TABLES).items():
            kind, comment, options, storage, count, size, counter = rows[0]
            if kind == "SEQUENCE":
                refused.append(self._sequence(table_id))
                continue
            if kind not in {"BASE TABLE", "SYSTEM VERSIONED"}:
                refused.append(SourceObject(f"{kind}".lower(), table_id[1], detail=f"tables of type {kind} are not understood"))
                continue
            json_columns, plain_checks = _json_checks(checks.get(table_id, []))
            column_rows = self._columns(table_id, columns[table_id])
            self.remarks += [remarks.invisible(table_id, r[0] or "") for r in column_rows if "INVISIBLE" in (r[11] or "").upper()]
            self.remarks += remarks.rows_elsewhere(table_id, storage or "")
            self.remarks += self._overlaps(table_id, indexes.get(table_id, ()), plain_checks)
            table = Table(
                schema=table_id[0],
                name=table_id[1],
                columns=tuple(_column(row, json_columns, counter) for row in column_rows),
                indexes=_visible(indexes.get(table_id, ()), {row[0] for row in column_rows}),
                foreign_keys=keys.get(table_id, ()),
                checks=tuple(Check(n or "check", e or "") for n, e in plain_checks),
                comment=comment or "",
                rows=int(count or 0),
                bytes=int(size or 0),
                notes=_notes(kind, options or ""),
            )
            tables.append(table)
            self._remember(table, columns[table_id])
        return tuple(tables), tuple(refused)

    def _remember(self, table: Table, rows: list[tuple[Cell, ...]]) -> None:
        """Keep what version 0.1 read of a table, where that differs."""
        table_id = (table.schema, table.name)
        checks = _json_checks(self._printed_checks.get(table_id, []))[1]
        former_table = version_0_1.as_read(
            table, rows, self._printed_indexes.get(table_id, ()), checks, mariadb=self._session.is_mariadb
        )
        if former_table != table:
            self.former.append(former_table)

    def _overlaps(
        self, table_id: tuple[str, str], indexes: tuple[Index, ...], checks: list[tuple[Cell, ...]]
    ) -> list[SourceRemark]:
        """The keys WITHOUT OVERLAPS: MariaDB lists the columns of a period, and the period as a check, but not the rule."""
        periods = {printed.period(clause or "") for _, clause in checks} - {None}
        suspected = [i for i in indexes if i.unique and tuple(p.column for p in reversed(i.parts[-2:])) in periods]
        if not suspected or not self._session.is_mariadb:
            return []
        ((_, create),) = self._session.raw_rows(f"SHOW CREATE TABLE {mysql.name(table_id[0])}.{mysql.name(table_id[1])}")
        names = printed.without_overlaps(create or b"")
        return [remarks.overlapping(table_id, i.name, [p.column for p in i.parts]) for i in suspected if i.name in names]

    def _columns(self, table_id: tuple[str, str], rows: list[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
        """The rows of a table's columns with the SQL in them that they stand for."""
        column_rows = [_of_mariadb(row) if self._session.is_mariadb else self._of_mysql(row) for row in rows]
        if not any(row[3] in mysql.BLOBS and _is_literal(row) for row in column_rows):
            return column_rows
        name = f"{mysql.name(table_id[0])}.{mysql.name(table_id[1])}"
        ((_, create),) = self._session.raw_rows(f"SHOW CREATE TABLE {name}")
        octets = printed.binary_defaults(create or b"")
        return [
            (row[0], octets.get(row[0] or "", row[1]), *row[2:]) if row[3] in mysql.BLOBS and _is_literal(row) else row
            for row in column_rows
        ]

    def _of_mysql(self, row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """The row of a column: MySQL prints literals of a default bare, marks expressions and escapes them."""
        default = row[1]
        if default is not None and "DEFAULT_GENERATED" in (row[11] or "").upper():
            default = self._expression(default)
        elif default is not None and not default.startswith("b'"):
            default = printed.quoted(default)
        return (row[0], default, *row[2:13], self._expression(row[13] or ""))

    def _expression(self, text: str) -> str:
        """An expression that MySQL printed, as a statement has it.

        A server in the mode `NO_BACKSLASH_ESCAPES` computes one with a backslash otherwise than it did before that mode was set, so rows
        may hold both results: it stays as it is printed, which nothing translates.
        """
        unescaped_text = printed.unescaped(text)
        return text if self._bare_backslashes and "\\" in unescaped_text else unescaped_text

    def _sequence(self, table_id: tuple[str, str]) -> SourceObject:
        name = f"{mysql.name(table_id[0])}.{mysql.name(table_id[1])}"
        row = self._session.rows(queries.SEQUENCE + name)[0]
        following, low, high, start, step, cache, cycle = (int(v or 0) for v in row)
        high = min(high, 9223372036854775806)
        sql = (
            f'CREATE SEQUENCE "{table_id[1].lower()}" INCREMENT BY {step or 1} MINVALUE {low} MAXVALUE {high}'
            f" START WITH {min(max(following, low), high)} CACHE {max(cache, 1)} {'CYCLE' if cycle else 'NO CYCLE'}"
        )
        return SourceObject("sequence", table_id[1], sql, counter=Identity(start=start, next_value=following))

    def _indexes(self) -> dict[tuple[str, str], tuple[Index, ...]]:
        rows = self._by_table(queries.indexes(self._session))
        indexes: dict[tuple[str, str], tuple[Index, ...]] = {}
        for table_id, parts in rows.items():
            grouped: dict[str, list[tuple[Cell, ...]]] = defaultdict(list)
            for part in parts:
                grouped[part[0] or ""].append(part[1:])
            indexes[table_id] = tuple(_index(name, members, self._expression) for name, members in grouped.items())
            self._printed_indexes[table_id] = tuple(_index(name, members, str) for name, members in grouped.items())
        return indexes

    def _foreign_keys(self) -> dict[tuple[str, str], tuple[ForeignKey, ...]]:
        rows = self._by_table(queries.FOREIGN_KEYS)
        keys: dict[tuple[str, str], tuple[ForeignKey, ...]] = {}
        for table_id, members in rows.items():
            grouped: dict[str, list[tuple[Cell, ...]]] = defaultdict(list)
            for member in members:
                grouped[member[0] or ""].append(member[1:])
            keys[table_id] = tuple(
                ForeignKey(
                    name,
                    tuple(m[0] or "" for m in group),
                    group[0][1] or "",
                    group[0][2] or "",
                    tuple(m[3] or "" for m in group),
                    group[0][4] or "NO ACTION",
                    group[0][5] or "NO ACTION",
                )
                for name, group in grouped.items()
            )
        return keys

    def _checks(self) -> dict[tuple[str, str], list[tuple[Cell, ...]]]:
        if self._session.is_mariadb:
            self._printed_checks = self._by_table(queries.CHECKS_OF_MARIADB)
            return self._printed_checks
        if not queries.has(self._session, queries.CHECKED):
            return {}
        check_rows = queries.checks(self._by_table)
        self.remarks += [
            remarks.unenforced(table_id, row[0] or "") for table_id, rows in check_rows.items() for row in rows if row[2] == "NO"
        ]
        self._printed_checks = {table_id: [row[:2] for row in rows] for table_id, rows in check_rows.items()}
        return {
            table_id: [(name, self._expression(clause or "")) for name, clause, enforced in rows if enforced != "NO"]
            for table_id, rows in check_rows.items()
        }

    def views(self) -> tuple[View, ...]:
        """The views with their queries."""
        rows = self._by_table(queries.VIEWS)
        return tuple(View(schema, name, definitions[0][0] or "") for (schema, name), definitions in rows.items())

    def objects(self) -> tuple[SourceObject, ...]:
        """Triggers, routines, libraries and events: named in the plan, for their language is not the target's."""
        objects = [SourceObject("trigger", row[0] or "", table=row[1] or "") for row in self._listed(queries.TRIGGERS)]
        objects += [
            SourceObject("routine", row[0] or "", signature="()", detail=f"the {(row[1] or '').lower()} is not carried")
            for row in self._listed(queries.ROUTINES)
        ]
        if queries.has(self._session, queries.LIBRARIES_SINCE):
            objects += [SourceObject("library", row[0] or "") for row in self._listed(queries.LIBRARIES)]
        return (*objects, *(SourceObject("event", row[0] or "") for row in self._listed(queries.EVENTS)))

    def accounts(self) -> list[SourceRemark]:
        """One remark for each schema on which accounts other than the credential's own have privileges, as far as it may see them."""
        grants = self._session.rows(
            " UNION ".join(
                f"SELECT TABLE_SCHEMA,GRANTEE FROM information_schema.{table} WHERE TABLE_SCHEMA IN {self._in}"
                for table in ("SCHEMA_PRIVILEGES", "TABLE_PRIVILEGES", "COLUMN_PRIVILEGES")
            )
        )
        own = str(self._session.rows("SELECT CURRENT_USER()")[0][0]).replace("'", "").split("@")
        others: dict[str, list[str]] = defaultdict(list)
        for schema, account in sorted((row[0] or "", row[1] or "") for row in grants):
            if account.replace("'", "").split("@") != own:
                others[schema].append(account)
        return [remarks.accounts(schema, names) for schema, names in others.items()]

    def _listed(self, sql: str) -> list[tuple[Cell, ...]]:
        return self._session.rows(sql.replace("{in}", self._in))


def _notes(kind: Cell, options: str) -> tuple[str, ...]:
    notes = []
    if kind == "SYSTEM VERSIONED":
        notes.append("the table is system-versioned: its current rows are moved, its history is not")
    if "partitioned" in options.lower():
        notes.append("the table is partitioned on the source and becomes one plain table")
    return tuple(notes)


def _json_checks(checks: list[tuple[Cell, ...]]) -> tuple[set[str], list[tuple[Cell, ...]]]:
    """MariaDB's JSON is a text with a check `json_valid`: the columns, and the checks that are the user's own."""
    columns: set[str] = set()
    others: list[tuple[Cell, ...]] = []
    for name, clause in checks:
        match = re.fullmatch(r"json_valid\(`((?:[^`]|``)+)`\)", clause or "")
        if match:
            columns.add(match.group(1).replace("``", "`"))
        else:
            others.append((name, clause))
    return columns, others


def _number(value: Cell) -> int | None:
    return None if value is None else int(value)


def _of_mariadb(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The row of a column: MariaDB prints defaults as SQL."""
    return (row[0], None if row[1] is None else printed.standard_literal(row[1]), *row[2:])


def _is_literal(row: tuple[Cell, ...]) -> bool:
    """Whether the default of a column is a value and no expression."""
    return (row[1] or "").startswith("'") and "DEFAULT_GENERATED" not in (row[11] or "").upper()


def _column(row: tuple[Cell, ...], json_columns: set[str], counter: Cell) -> Column:
    (name, default, nullable, kind, length, precision, scale, moment, charset, collation, text, extra, comment, generated) = row
    name, kind, text, extra = name or "", (kind or "").lower(), text or "", (extra or "").lower()
    if name in json_columns and kind == "longtext":
        kind = "json"
    identity = None
    if "auto_increment" in extra:
        identity = Identity(next_value=_number(counter))
    return Column(
        name=name,
        type=ColumnType(
            kind,
            text,
            _number(length),
            _number(moment) if moment is not None else _number(precision),
            _number(scale),
            unsigned="unsigned" in text,
            charset=charset or "",
            collation=collation or "",
            labels=printed.labels(text) if kind in {"enum", "set"} else (),
        ),
        nullable=nullable == "YES",
        default=default,
        generated=generated or None,
        stored="stored" in extra or "persistent" in extra,
        identity=identity,
        on_update_now="on update current_timestamp" in extra,
        comment=comment or "",
    )


def _visible(indexes: tuple[Index, ...], columns: set[Cell]) -> tuple[Index, ...]:
    """The indexes whose columns the credential may see."""
    return tuple(i for i in indexes if all(not p.column or p.column in columns for p in i.parts))


def _index(name: str, members: list[tuple[Cell, ...]], read: Callable[[str], str]) -> Index:
    parts = []
    for _, column, order, prefix, _, expression, _ in members:
        parts.append(IndexPart(column or "", read(expression or ""), descending=order == "D", prefix=_number(prefix)))
    first = members[0]
    return Index(
        name=name,
        parts=tuple(parts),
        unique=first[0] == "0",
        primary=name == "PRIMARY",
        method=first[4] or "BTREE",
        comment=first[6] or "",
    )


_RESULTS = {
    0: "decimal",
    246: "decimal",
    1: "tinyint",
    2: "smallint",
    9: "mediumint",
    3: "int",
    8: "bigint",
    13: "year",
    4: "float",
    5: "double",
    10: "date",
    12: "datetime",
    7: "timestamp",
    11: "time",
    16: "bit",
    245: "json",
}
_UNSIGNED = 32


def result_type(result: ResultColumn, charset: str) -> ColumnType:
    """The type of a query's column as the protocol tells it. Texts are of no known length, so they are long ones.

    The protocol has one flag for bytes and for texts in a binary collation; `charset` is what CHARSET says of the value.
    """
    kind = _RESULTS.get(result.type)
    if kind is None:
        return (
            ColumnType("longblob", "longblob") if charset == "binary" else ColumnType("longtext", "longtext", charset="utf8mb4")
        )
    if kind == "decimal":
        digits = max(result.length - (1 if result.decimals else 0) - (0 if result.flags & _UNSIGNED else 1), result.decimals, 1)
        return ColumnType(kind, f"decimal({digits},{result.decimals})", precision=digits, scale=result.decimals)
    unsigned = bool(result.flags & _UNSIGNED) and kind in {"tinyint", "smallint", "mediumint", "int", "bigint"}
    fraction = min(result.decimals, 6) if kind in {"datetime", "timestamp", "time"} else None
    text = f"{kind} unsigned" if unsigned else kind
    return ColumnType(kind, text, precision=result.length if kind == "bit" else fraction, unsigned=unsigned)
