"""What becomes of values in existing columns of other types: equal by the source's own measure, or refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landfall.engine.errors import PlanBlockedError
from landfall.engine.model.options import Mode, OnExisting
from landfall.engine.model.plan import Decision
from tests.support import checker, filling, kinds
from tests.support import engine as run
from tests.support.filling import Servers
from tests.support.servers import MariaDb, PostgreSql


@pytest.fixture
def servers(maria: MariaDb, pg15: PostgreSql, tmp_path: Path) -> Servers:
    return Servers(maria, pg15, tmp_path)


# Column, type in the source, values, type in the target, what is there afterwards as text.
_INTO = {
    "mariadb": [
        ("a1", "INT", ["1", "-2147483648", None], "bigint", ["1", "-2147483648", None]),
        ("a2", "BIGINT UNSIGNED", ["1", "9223372036854775807", None], "bigint", ["1", "9223372036854775807", None]),
        ("a3", "INT", ["7", "-3", None], "numeric(12,2)", ["7.00", "-3.00", None]),
        ("a4", "INT", ["7", "-3", None], "double precision", ["7", "-3", None]),
        ("a5", "INT", ["7", "-3", None], "text", ["7", "-3", None]),
        ("a6", "INT", ["0", "1", None], "boolean", ["false", "true", None]),
        ("a7", "TINYINT(1)", ["0", "1", None], "smallint", ["0", "1", None]),
        ("b1", "DECIMAL(10,2)", ["1.50", "-99999999.99", None], "numeric", ["1.50", "-99999999.99", None]),
        ("b2", "DECIMAL(10,2)", ["1.50", "-7.25", None], "double precision", ["1.5", "-7.25", None]),
        ("b3", "FLOAT", ["1.5", "0.1", None], "double precision", ["1.5", "0.10000000149011612", None]),
        ("b4", "DOUBLE", ["1.5", "0.1", None], "numeric", ["1.5", "0.1", None]),
        ("c1", "VARCHAR(20)", ["ä ", "", None], "text", ["ä ", "", None]),
        ("c2", "LONGTEXT", ["ä", "", None], "varchar(5)", ["ä", "", None]),
        ("c3", "CHAR(4)", ["ab", "abcd", None], "varchar(10)", ["ab", "abcd", None]),
        ("c4", "ENUM('x','y')", ["x", "y", None], "text", ["x", "y", None]),
        ("c5", "SET('x','y')", ["x,y", "", None], "text", ["x,y", "", None]),
        ("c6", "LONGTEXT", ['{"b":1,"a":2}', "[]", None], "jsonb", ['{"a": 2, "b": 1}', "[]", None]),
        ("c7", "LONGTEXT", ['{"b":1}', "[ ]", None], "json", ['{"b":1}', "[ ]", None]),
        ("c8", "BINARY(16)", ["\x01" * 16, "z" * 16, None], "uuid", ["01010101-0101-0101-0101-010101010101", "7a7a7a7a-7a7a-7a7a-7a7a-7a7a7a7a7a7a", None]),
        ("d1", "DATE", ["2024-02-29", "1000-01-01", None], "timestamp", ["2024-02-29 00:00:00", "1000-01-01 00:00:00", None]),
        ("d2", "DATETIME(6)", ["2024-02-29 01:02:03.100000", "1999-12-31 00:00:00", None], "timestamp(3)", ["2024-02-29 01:02:03.1", "1999-12-31 00:00:00", None]),
        ("d3", "DATETIME", ["2024-02-29 01:02:03", "1999-12-31 00:00:00", None], "timestamptz", ["2024-02-29 01:02:03+00", "1999-12-31 00:00:00+00", None]),
        ("d4", "TIMESTAMP NULL", ["2024-02-29 01:02:03", "1999-12-31 00:00:00", None], "timestamp", ["2024-02-29 01:02:03", "1999-12-31 00:00:00", None]),
        ("d5", "TIME", ["10:11:12", "00:00:00", None], "time", ["10:11:12", "00:00:00", None]),
        ("d6", "DATETIME", ["2024-02-29 01:02:03", "1999-12-31 00:00:00", None], "text", ["2024-02-29 01:02:03", "1999-12-31 00:00:00", None]),
    ],
    "postgresql": [
        ("a1", "integer", ["1", "-2147483648", None], "bigint", ["1", "-2147483648", None]),
        ("a2", "bigint", ["1", "-3", None], "integer", ["1", "-3", None]),
        ("a3", "integer", ["7", "-3", None], "numeric(12,2)", ["7.00", "-3.00", None]),
        ("b1", "numeric", ["1.5", "-3.0", None], "numeric(12,4)", ["1.5000", "-3.0000", None]),
        ("b2", "real", ["1.5", "0.1", None], "double precision", ["1.5", "0.1", None]),
        ("c1", "varchar(20)", ["ä ", "", None], "text", ["ä ", "", None]),
        ("c2", "text", ["ä", "", None], "varchar(5)", ["ä", "", None]),
        ("c3", "char(4)", ["ab", "abcd", None], "varchar(10)", ["ab", "abcd", None]),
        ("c4", "text", ["0" * 8 + "-0000-4000-A000-" + "0" * 12, "1" * 8 + "-0000-4000-a000-" + "0" * 12, None], "uuid", ["0" * 8 + "-0000-4000-a000-" + "0" * 12, "1" * 8 + "-0000-4000-a000-" + "0" * 12, None]),
        ("c5", "json", ['{"b":1,"a":2}', "[]", None], "jsonb", ['{"a": 2, "b": 1}', "[]", None]),
        ("c6", "jsonb", ['{"b":1}', "[]", None], "text", ['{"b": 1}', "[]", None]),
        ("d1", "date", ["2024-02-29", "0044-03-15", None], "timestamp", ["2024-02-29 00:00:00", "0044-03-15 00:00:00", None]),
        ("d2", "timestamp", ["2024-02-29 01:02:03.1", "infinity", None], "timestamp(3)", ["2024-02-29 01:02:03.1", "infinity", None]),
        ("d3", "timestamp", ["2024-02-29 01:02:03", "1999-12-31 00:00:00", None], "timestamptz", ["2024-02-29 01:02:03+00", "1999-12-31 00:00:00+00", None]),
        ("d4", "timestamptz", ["2024-02-29 01:02:03+02", "1999-12-31 00:00:00Z", None], "timestamp", ["2024-02-28 23:02:03", "1999-12-31 00:00:00", None]),
    ],
    "sqlite": [
        ("a1", "INTEGER", [1, -5, None], "smallint", ["1", "-5", None]),
        ("a2", "INTEGER", [0, 1, None], "boolean", ["false", "true", None]),
        ("a3", "NUMERIC", [1.5, 2, None], "numeric(10,2)", ["1.50", "2.00", None]),
        ("a4", "REAL", [1.5, 0.1, None], "double precision", ["1.5", "0.1", None]),
        ("c1", "TEXT", ["ä", "", None], "varchar(5)", ["ä", "", None]),
        ("c2", "TEXT", ['{"b":1,"a":2}', "[]", None], "jsonb", ['{"a": 2, "b": 1}', "[]", None]),
        ("c3", "TEXT", ["0" * 8 + "-0000-4000-a000-" + "0" * 12, None, None], "uuid", ["0" * 8 + "-0000-4000-a000-" + "0" * 12, None, None]),
        ("d1", "TEXT", ["2024-02-29 01:02:03", "1999-12-31 00:00:00", None], "timestamptz", ["2024-02-29 01:02:03+00", "1999-12-31 00:00:00+00", None]),
        ("d2", "TEXT", ["2024-02-29", "1999-12-31", None], "date", ["2024-02-29", "1999-12-31", None]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", list(_INTO))
def test_values_arrive_in_columns_of_other_types(servers: Servers, fresh: str, kind: str) -> None:
    cases = _INTO[kind]
    create_table = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY," + ",".join(f"{name} {source_type}" for name, source_type, *_ in cases) + ")"
    )
    rows = [(n + 1, *(values[n] for _, _, values, *_ in cases)) for n in range(3)]
    source = filling.source(kind, fresh, create_table, rows, servers)
    columns = ",".join(f"{name} {target_type}" for name, _, _, target_type, _ in cases)
    target = filling.target(servers.pg, fresh, f"CREATE TABLE t (id integer PRIMARY KEY,{columns})")
    move = run.Move(source, target, filling.FILL)
    assert not move.plan().blockers, move.plan().blockers
    assert move.run().rows == 3
    with servers.pg.connect(fresh) as target_connection:
        target_connection.execute(b"SET TimeZone='UTC'")
        for name, _, _, _, target_type in cases:
            column_values = [r[0] for r in target_connection.execute(f"SELECT {name}::text FROM t ORDER BY id".encode())]
            assert (name, column_values) == (name, target_type)


@pytest.mark.parametrize(
    "case",
    [
        ("mariadb", "BIGINT", "2147483648", "integer", "cannot store exactly"),
        ("mariadb", "BIGINT UNSIGNED", "9223372036854775808", "bigint", "cannot store exactly"),
        ("mariadb", "DECIMAL(10,3)", "1.005", "numeric(10,2)", "cannot store exactly"),
        ("mariadb", "DECIMAL(10,2)", "1.50", "integer", "do not become values of integer without a rule"),
        ("mariadb", "DOUBLE", "1.5", "numeric(10,2)", "without a rule"),
        ("mariadb", "DECIMAL(20,2)", "1.50", "double precision", "without a rule"),
        ("mariadb", "INT", "2", "boolean", "neither 0 nor 1"),
        ("mariadb", "VARCHAR(20)", "äöüßä!", "varchar(5)", "more characters"),
        ("mariadb", "VARCHAR(20)", "Y", "boolean", "without a rule"),
        ("mariadb", "VARCHAR(20)", "X", "order_state", "does not list"),
        ("mariadb", "ENUM('new','gone')", "gone", "order_state", "does not list"),
        ("mariadb", "CHAR(36)", "{0}", "uuid", "not in the format of uuid"),
        ("mariadb", "LONGTEXT", "{", "jsonb", "not in the format of jsonb"),
        ("mariadb", "DATETIME(6)", "2024-02-29 01:02:03.000001", "timestamp(3)", "cannot store exactly"),
        ("mariadb", "TIME", "25:00:00", "time", "cannot store exactly"),
        ("mariadb", "INT", None, "integer NOT NULL", "holds NULL"),
        ("mariadb", "BLOB", "x", "text", "without a rule"),
        ("postgresql", "bigint", "2147483648", "integer", "cannot store exactly"),
        ("postgresql", "numeric", "1.005", "numeric(10,2)", "cannot store exactly"),
        ("postgresql", "text", "äöüßä!", "varchar(5)", "more characters"),
        ("postgresql", "text", "x", "order_state", "does not list"),
        ("postgresql", "text", "x", "uuid", "not in the format of uuid"),
        ("postgresql", "timestamp", "2024-02-29 01:02:03.000001", "timestamp(3)", "cannot store exactly"),
        ("postgresql", "integer", None, "integer NOT NULL", "holds NULL"),
        ("postgresql", "boolean", "true", "integer", "without a rule"),
        ("sqlite", "INTEGER", 40000, "smallint", "cannot store exactly"),
        ("sqlite", "NUMERIC", 1.005, "numeric(10,2)", "cannot store exactly"),
        ("sqlite", "TEXT", "äöüßä!", "varchar(5)", "more characters"),
        ("sqlite", "TEXT", "soon", "uuid", "not in the format of uuid"),
        ("sqlite", "TEXT", None, "text NOT NULL", "holds NULL"),
        ("sqlite", "INTEGER", 2, "boolean", "without a rule"),
    ],
    ids=lambda case: "-".join(map(str, case[:4])),
)
def test_values_that_would_not_survive_stop_the_plan_by_name(servers: Servers, fresh: str, case: tuple[Any, ...]) -> None:
    kind, source_type, value, target_type, words = case
    source = filling.source(kind, fresh, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {source_type})", [(1, value)], servers)
    make = f"CREATE TYPE order_state AS ENUM ('new'); CREATE TABLE t (id integer PRIMARY KEY, v {target_type})"
    move = run.Move(source, filling.target(servers.pg, fresh, make), filling.FILL)
    blockers = [(r.affected.split(".")[-1], r.description) for r in move.plan().blockers]
    assert [affected for affected, _ in blockers] == ["v"], blockers
    assert words in blockers[0][1]
    with pytest.raises(PlanBlockedError, match=words):
        move.run()


def test_every_type_of_postgresql_goes_into_the_same_schema(servers: Servers, fresh: str) -> None:
    """As between two installations of one application: the schema is there, and the rows follow."""
    server = servers.pg
    kinds.fill_postgresql(server, server.database(fresh), 6)
    ends = run.postgresql(server, fresh), run.postgresql(server, server.database(f"{fresh}b"))
    without_partitions = replace(filling.FILL, exclude_tables=("events*",))  # partitions are not filled
    run.Move(*ends, replace(without_partitions, on_existing=OnExisting.FAIL, mode=Mode.SCHEMA_ONLY)).run()
    with server.connect(f"{fresh}b") as target:  # it keeps rows, and is in the way
        target.execute(b"DROP MATERIALIZED VIEW totals")
    move = run.Move(*ends, replace(without_partitions, mode=Mode.DATA_ONLY))
    assert not move.plan().blockers, move.plan().blockers
    assert {c.decision for t in move.plan().tables for c in t.columns} == {Decision.AUTO}
    move.run()
    with server.connect(fresh) as source, server.connect(f"{fresh}b") as target:
        for table in (t for t in kinds.POSTGRESQL if not t.startswith("events")):
            query = f"SELECT t::text FROM {table} t ORDER BY 1".encode()
            assert source.execute(query).fetchall() == target.execute(query).fetchall(), table


def test_every_type_of_mariadb_goes_into_what_a_move_made(servers: Servers, fresh: str) -> None:
    """The types that a new table gets are among those that fit."""
    kinds.fill_mariadb(servers.maria, servers.maria.database(fresh), 6)
    ends = run.mariadb(servers.maria, fresh), run.postgresql(servers.pg, servers.pg.database(fresh))
    first_move = run.Move(*ends, replace(filling.FILL, on_existing=OnExisting.FAIL))
    first_move.run()
    with servers.pg.connect(fresh) as target:
        names = [kinds.target_name(table) for table in kinds.MARIADB]
        target.execute(f"TRUNCATE {','.join(names)}".encode())
        target.execute(b"DROP SCHEMA landfall CASCADE")
    move = run.Move(*ends, replace(filling.FILL, mode=Mode.DATA_ONLY))
    assert not move.plan().blockers, move.plan().blockers
    move.run()
    with servers.pg.connect(fresh) as target:
        for table, (left, right) in kinds.MARIADB.items():
            source_rows = checker.mariadb(servers.maria.socket, fresh, table, left)
            assert checker.difference(source_rows, checker.postgresql(target, kinds.target_name(table), right)) == "", table
