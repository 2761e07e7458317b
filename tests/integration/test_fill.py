"""Loading tables that exist: matched, filled, compared as the source has them, and put back empty."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from landfall.engine.errors import TargetInTheWayError, WrittenSinceError
from landfall.engine.model.options import ColumnDecision, Endpoint, Mode, TableDecision
from landfall.engine.model.plan import Decision, Plan, Severity
from landfall.engine.run.rehearsal import Rehearsal
from landfall.engine.run.rollback import roll_back
from landfall.engine.sources.run_key import run_key
from tests.support import engine as run
from tests.support import filling
from tests.support.filling import FILL
from tests.support.servers import MariaDb, PostgreSql

_PEOPLE, _ORDERS = 700, 1500

_MARIA = """
CREATE TABLE tbl_customer (cust_id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, fname VARCHAR(40) NOT NULL, lname VARCHAR(40),
  mail VARCHAR(80), is_active TINYINT(1) NOT NULL, sex ENUM('f','m'), crt_dt DATETIME(3) NOT NULL, guid CHAR(36) NOT NULL,
  prefs JSON, credit DECIMAL(10,2), photo BLOB) CHARACTER SET utf8mb4 AUTO_INCREMENT=5000;
CREATE TABLE tbl_order (ord_no BIGINT PRIMARY KEY, cust_id INT UNSIGNED NOT NULL, ord_date DATE NOT NULL, stat VARCHAR(12) NOT NULL,
  tot_amt DECIMAL(12,2) NOT NULL, qty SMALLINT, CONSTRAINT o_c FOREIGN KEY (cust_id) REFERENCES tbl_customer (cust_id)) CHARACTER SET utf8mb4;
"""
_TARGET = """
CREATE TYPE order_state AS ENUM ('new','paid','shipped');
CREATE TABLE countries (code char(2) PRIMARY KEY);
INSERT INTO countries VALUES ('de'),('fr');
CREATE TABLE customers (id serial PRIMARY KEY, uuid uuid NOT NULL UNIQUE, first_name text NOT NULL, last_name varchar(60), email text,
  active boolean NOT NULL DEFAULT true, gender text CHECK (gender IN ('f','m')), created_at timestamptz NOT NULL, preferences jsonb DEFAULT '{}',
  credit_limit numeric(12,4), picture bytea, locale text NOT NULL DEFAULT 'en', country char(2) REFERENCES countries (code));
CREATE INDEX customers_prefs ON customers USING gin (preferences);
COMMENT ON COLUMN customers.email IS 'where to write to';
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  ordered_on timestamp NOT NULL, status order_state NOT NULL, total numeric(12,2) NOT NULL, quantity integer,
  gross numeric GENERATED ALWAYS AS (total * 1.19) STORED);
CREATE INDEX orders_customer ON orders (customer_id) WHERE status <> 'new';
CREATE STATISTICS orders_stats ON customer_id, status FROM orders;
CREATE VIEW spenders AS SELECT c.email, sum(o.total) AS spent FROM customers c JOIN orders o ON o.customer_id=c.id GROUP BY 1;
CREATE TABLE visits (id int PRIMARY KEY, customer_id integer REFERENCES customers (id));
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON customers FOR SELECT USING (email = current_user);
ALTER TABLE orders REPLICA IDENTITY FULL;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER note BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION noted();
CREATE FUNCTION orders_of(c customers) RETURNS SETOF orders LANGUAGE sql STABLE AS 'SELECT * FROM orders WHERE customer_id = c.id';
REVOKE ALL ON FUNCTION orders_of(customers) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION orders_of(customers) TO pg_monitor;
CREATE RULE quiet AS ON DELETE TO visits DO ALSO NOTHING;
CREATE PUBLICATION changes FOR TABLE orders;
GRANT SELECT ON customers TO PUBLIC;
CREATE TRIGGER asleep BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION noted();
ALTER TABLE orders DISABLE TRIGGER asleep;
GRANT USAGE, SELECT ON SEQUENCE customers_id_seq TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO PUBLIC;
"""
_UUID = "{:08x}-0000-4000-a000-000000000000"


def _people() -> list[tuple[Any, ...]]:
    return [
        (
            n,
            f"Änn{n}",
            f"O'Lee {n}" if n % 3 else None,
            f"a{n}@b.example",
            n % 2,
            "f" if n % 2 else "m",
            f"2024-02-{n % 28 + 1:02d} 10:11:12.{n % 1000:03d}",
            _UUID.format(n).upper() if n % 2 else _UUID.format(n),
            json.dumps({"b": n, "a": [1.50, "ü"], "": None}) if n % 4 else None,
            f"{n}.25",
            bytes([n % 256, 0, 255]),
        )
        for n in range(1, _PEOPLE + 1)
    ]


def _orders() -> list[tuple[Any, ...]]:
    states = ("new", "paid", "shipped")
    return [
        (n + 10**10, n % _PEOPLE + 1, f"2025-01-{n % 28 + 1:02d}", states[n % 3], f"{n}.99", n % 50 if n % 7 else None)
        for n in range(_ORDERS)
    ]


def _maria(maria: MariaDb, name: str) -> Endpoint:
    import MySQLdb  # noqa: PLC0415  only here

    maria.sql(_MARIA, maria.database(name))
    connection = MySQLdb.connect(unix_socket=maria.socket, user="root", db=name, charset="utf8mb4", autocommit=True)
    connection.cursor().executemany(f"INSERT INTO tbl_customer VALUES ({','.join(['%s'] * 11)})", _people())
    connection.cursor().executemany("INSERT INTO tbl_order VALUES (%s,%s,%s,%s,%s,%s)", _orders())
    connection.close()
    return run.mariadb(maria, name)


def _pairs(plan: Plan) -> dict[str, str]:
    return {f"{t.name}.{c.source}": f"{t.target}.{c.arrives[0]}" for t in plan.tables for c in t.columns}


def _decided(*decided_columns: tuple[str, str, str], **more: str) -> tuple[ColumnDecision, ...]:
    return tuple(ColumnDecision("", table, column, decision, **more) for table, column, decision in decided_columns)


def matched_filled_and_put_back(maria: MariaDb, server: PostgreSql, fresh: str) -> None:
    """The whole story in one database."""
    source, target = _maria(maria, fresh), filling.target(server, fresh, _TARGET)
    before = server.dump(fresh)
    move = run.Move(source, target, FILL)
    plan = move.plan()
    assert not plan.blockers, plan.blockers
    assert _pairs(plan) == {
        "tbl_customer.cust_id": "customers.id",
        "tbl_customer.fname": "customers.first_name",
        "tbl_customer.lname": "customers.last_name",
        "tbl_customer.mail": "customers.email",
        "tbl_customer.is_active": "customers.active",
        "tbl_customer.sex": "customers.gender",
        "tbl_customer.crt_dt": "customers.created_at",
        "tbl_customer.guid": "customers.uuid",
        "tbl_customer.prefs": "customers.preferences",
        "tbl_customer.credit": "customers.credit_limit",
        "tbl_customer.photo": "customers.picture",
        "tbl_order.ord_no": "orders.id",
        "tbl_order.cust_id": "orders.customer_id",
        "tbl_order.ord_date": "orders.ordered_on",
        "tbl_order.stat": "orders.status",
        "tbl_order.tot_amt": "orders.total",
        "tbl_order.qty": "orders.quantity",
    }
    outcome = move.run()
    assert outcome.rows == _PEOPLE + _ORDERS
    with server.connect(fresh) as target_connection:
        rows = target_connection.execute(
            b"SELECT id,first_name,last_name,email,active::int,gender,to_char(created_at AT TIME ZONE 'UTC','YYYY-MM-DD HH24:MI:SS.MS'),"
            b"uuid::text,preferences,credit_limit,picture,locale,country FROM customers ORDER BY id"
        ).fetchall()
        for row, source_row in zip(rows, _people(), strict=True):
            expected = (*source_row[:7], source_row[7].lower(), json.loads(source_row[8]) if source_row[8] else None)
            assert row[:9] == expected
            assert (float(row[9]), bytes(row[10]), row[11:]) == (float(source_row[9]), source_row[10], ("en", None))
        rows = target_connection.execute(
            b"SELECT id,customer_id,ordered_on::date::text,status::text,total,quantity,gross=total*1.19 FROM orders ORDER BY id"
        ).fetchall()
        for row, source_row in zip(rows, _orders(), strict=True):
            assert (*row[:4], str(row[4]), row[5], row[6]) == (*source_row, True)
        more = b"INSERT INTO customers (uuid,first_name,created_at) VALUES (gen_random_uuid(),'x',now()) RETURNING id,preferences"
        assert target_connection.execute(more).fetchone() == (5000, {})
        assert target_connection.execute(b"SELECT count(*) FROM spenders").fetchone() == (_PEOPLE,)
        assert target_connection.execute(b"SELECT count(o) FROM customers c, orders_of(c) o").fetchone() == (_ORDERS,)
    _same_definitions(before, server.dump(fresh))
    with pytest.raises(WrittenSinceError, match="customers: 1"):
        roll_back(source, target, FILL, run_key(source, target, FILL))
    roll_back(source, target, FILL, run_key(source, target, FILL), discard_writes=True)
    assert server.dump(fresh) == before


@pytest.mark.parametrize("version", ["pg15", "pg18"])
def test_existing_tables_are_matched_filled_and_put_back(
    maria: MariaDb, request: pytest.FixtureRequest, fresh: str, version: str
) -> None:
    matched_filled_and_put_back(maria, request.getfixturevalue(version), fresh)


def _same_definitions(before: str, after: str) -> None:
    """All but rows and counters is as it was."""

    def schema(dump: str) -> set[str]:
        lines = dump.split("\n")
        return {line.strip(" ,") for line in lines if line.startswith(("CREATE", "ALTER", "    ", "GRANT", "COMMENT"))}

    assert not {line for line in schema(before) - schema(after) if "setval" not in line}
    assert not {line for line in schema(after) - schema(before) if line.startswith(("GRANT", "ALTER TABLE"))}


# -- what a person is told, and says ----------------------------------------------------------------------------------

_SMALL = "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL, odd INTEGER)"
_SMALL_ROWS = [(n, f"n{n}", n * 2) for n in range(1, 500)]


def _small(maria: MariaDb, pg15: PostgreSql, name: str, target: str, more: str = "", **options: Any) -> run.Move:
    source = filling.source("mariadb", name, _SMALL, _SMALL_ROWS, filling.Servers(maria, pg15, Path()))
    if more:
        maria.sql(more, name)
    return run.Move(source, filling.target(pg15, name, target), replace(FILL, **options))


def _blocked(plan: Plan) -> dict[str, str]:
    return {r.kind: r.description for r in plan.blockers}


@pytest.mark.parametrize(
    ("target", "kind", "words"),
    [
        ("CREATE TABLE t (id integer PRIMARY KEY, name text)", "NoCounterpart", "no column of t matches it"),
        ("CREATE TABLE t (id integer PRIMARY KEY, name text, odd int, more int NOT NULL)", "Unfilled", "it does not allow NULL"),
        ("CREATE TABLE t (id integer PRIMARY KEY, name text, odd int); INSERT INTO t VALUES (1)", "TargetNotEmpty", "has rows"),
        (
            "CREATE TABLE t (id integer, name text, odd int) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9)",
            "Partitioned",
            "cannot be filled",
        ),
        (
            "CREATE TABLE t (id integer PRIMARY KEY, name text, odd int); CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
            "Dependant",
            "depends on t",
        ),
        (
            "CREATE TABLE t (id integer PRIMARY KEY, name text, odd jsonb)",
            "Type",
            "values of integer do not become values of jsonb",
        ),
    ],
)
def test_what_stands_in_the_way_is_named(
    maria: MariaDb, pg15: PostgreSql, fresh: str, target: str, kind: str, words: str
) -> None:
    blocked = _blocked(_small(maria, pg15, fresh, target).plan())
    assert kind in blocked
    assert words in blocked[kind]


def test_a_person_names_tables_and_columns_and_leaves_others_out(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    target = "CREATE TABLE t (x int); CREATE TABLE elsewhere (a integer PRIMARY KEY, b text, c text DEFAULT 'c')"
    move = _small(maria, pg15, fresh, target)
    decisions = (*_decided(("t", "id", "Approve"), target_column="a"), *_decided(("t", "name", "Approve"), target_column="b"))
    with_tables = replace(
        move.options, tables=(TableDecision("", "t", "elsewhere"),), decisions=(*decisions, *_decided(("t", "odd", "Exclude")))
    )
    move.options = with_tables
    plan = move.plan()
    assert not plan.blockers
    assert _pairs(plan) == {"t.id": "elsewhere.a", "t.name": "elsewhere.b", "t.odd": "elsewhere."}
    assert {c.source: c.decision for c in plan.tables[0].columns} == {
        "id": Decision.APPROVED,
        "name": Decision.APPROVED,
        "odd": Decision.EXCLUDED,
    }
    assert move.run().rows == 499
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(b"SELECT count(*),min(b),max(c) FROM elsewhere").fetchone() == (499, "n1", "c")
        assert target_connection.execute(b"SELECT count(*) FROM t").fetchone() == (0,)
    move.options = replace(with_tables, tables=(TableDecision("", "t", "nowhere"),), rerun_token="2")  # noqa: S106  a counter
    assert "which the target does not have" in _blocked(move.plan())["UnknownTable"]
    move.options = replace(with_tables, decisions=_decided(("t", "odd", "Approve"), target_column="z"), rerun_token="2")  # noqa: S106  a counter
    assert "elsewhere does not have" in _blocked(move.plan())["UnknownColumn"]
    assert f"{fresh}.t.odd" not in {r.affected for r in move.plan().blockers if r.kind == "NoCounterpart"}


def test_an_override_makes_a_value_fit(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    move = _small(maria, pg15, fresh, "CREATE TABLE t (id integer PRIMARY KEY, name varchar(2) NOT NULL, odd boolean)")
    assert set(_blocked(move.plan())) == {"Overlong", "NotBoolean"}
    decisions = (
        ColumnDecision("", "t", "name", "Override", "left(name,2)"),
        ColumnDecision("", "t", "odd", "Override", "odd % 4 = 0"),
    )
    move.options = replace(move.options, decisions=decisions)
    assert not move.plan().blockers, move.plan().blockers
    assert move.run().rows == 499
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(b"SELECT count(*) FILTER (WHERE odd),max(length(name)) FROM t").fetchone() == (249, 2)


def test_data_only_makes_nothing(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    more = "CREATE TABLE extra (id INT PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t"
    target = "CREATE TABLE t (id integer PRIMARY KEY, name text, odd int)"
    move = _small(maria, pg15, fresh, target, more, mode=Mode.DATA_ONLY)
    assert "no existing table matches it" in _blocked(move.plan())["NoCounterpart"]
    move.options = replace(move.options, exclude_tables=("extra",))
    assert not move.plan().blockers
    assert {s.kind for s in move.plan().statements} == {"table", "primary key", "constraint"}
    assert move.run().rows == 499
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(
            b"SELECT relname FROM pg_class WHERE relnamespace='public'::regnamespace AND relkind IN ('r','v')"
        ).fetchall() == [("t",)]
        assert target_connection.execute(b"SELECT sum(odd) FROM t").fetchone() == (499 * 500,)


def test_a_table_without_counterpart_is_made_if_a_person_agrees(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    more = "CREATE TABLE extra (code INT PRIMARY KEY, t_id INTEGER, FOREIGN KEY (t_id) REFERENCES t (id)); INSERT INTO extra VALUES (1,1)"
    move = _small(maria, pg15, fresh, "CREATE TABLE t (id integer PRIMARY KEY, name text, odd int)", more)
    high = [r.kind for r in move.plan().risks if r.severity is Severity.HIGH]
    assert high == ["NewTable"]
    assert move.run().rows == 500
    with pg15.connect(fresh) as target_connection, pytest.raises(psycopg.errors.ForeignKeyViolation):
        target_connection.execute(b"DELETE FROM t WHERE id=1")


# -- what happens meanwhile -------------------------------------------------------------------------------------------

_PLAIN = "CREATE TABLE t (id integer PRIMARY KEY, name text, odd jsonb)"


def test_rows_and_changes_that_come_meanwhile_are_not_run_over(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    move = _small(maria, pg15, fresh, _PLAIN, "ALTER TABLE t MODIFY odd LONGTEXT")
    before = pg15.dump(fresh)

    def write() -> None:
        with pg15.connect(fresh) as target_connection:
            target_connection.execute(b"INSERT INTO t VALUES (7,'mine','1')")

    move.at = {"comparing": write}
    with pytest.raises(TargetInTheWayError, match="rows have been written"):
        move.run()
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(b"SELECT count(*) FROM t").fetchone() == (1,)
        target_connection.execute(b"DELETE FROM t")
        target_connection.execute(b"ALTER TABLE t ADD new int")
    move.at = {}
    with pytest.raises(TargetInTheWayError, match="not as it was"):
        move.run()
    with pg15.connect(fresh) as target_connection:
        target_connection.execute(b"ALTER TABLE t DROP new")
    assert move.run().rows == 499
    roll_back(move.source, move.target, move.options, run_key(move.source, move.target, move.options))
    assert pg15.dump(fresh) == before


def test_writers_lose_nothing_and_a_run_that_was_cut_off_goes_on(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    move = _small(maria, pg15, fresh, _PLAIN, "ALTER TABLE t MODIFY odd LONGTEXT")

    class PlugError(Exception):
        pass

    def write() -> None:
        maria.sql("UPDATE t SET odd=-1 WHERE id%50=0; DELETE FROM t WHERE id%70=0; INSERT INTO t VALUES (9999,'new',1)", fresh)

    def plug(event: Any) -> None:
        if event.kind == "step" and "constraint" in event.text:
            raise PlugError

    move.at = {"indexing": write}
    move.on = plug
    with pytest.raises(PlugError):
        move.run()
    move.on, move.at = lambda _: None, {}
    assert move.run().rows == 499 - 7 + 1
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(b"SELECT count(*) FROM t WHERE odd='-1'").fetchone() == (8,)
        names = [
            r[0]
            for r in target_connection.execute(
                b"SELECT attname FROM pg_attribute WHERE attrelid='t'::regclass AND attnum>0 AND NOT attisdropped"
            )
        ]
        assert names == ["id", "name", "odd"]
        assert target_connection.execute(b"SELECT name FROM t WHERE id=9999").fetchone() == ("new",)


def test_rows_without_a_parent_of_the_existing_key_are_counted(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    more = "CREATE TABLE child (id INT PRIMARY KEY, t_id INTEGER); INSERT INTO child VALUES (1,1),(2,77777)"
    target = _PLAIN.replace("jsonb", "int") + "; CREATE TABLE child (id int PRIMARY KEY, t_id int REFERENCES t (id))"
    blocked = _blocked(_small(maria, pg15, fresh, target, more).plan())
    assert "1 row has no parent in t" in blocked["Orphans"]


def test_tables_of_others_are_passed_by(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    """A table that the credential may not read is no reason to fail, unless it is the one that is meant."""
    target = _PLAIN.replace("jsonb", "int") + "; CREATE TABLE secret (id int PRIMARY KEY, word text)"
    move = _small(maria, pg15, fresh, target)
    with pg15.connect(fresh) as target_connection:
        target_connection.execute(
            f"CREATE ROLE {fresh} LOGIN; ALTER TABLE t OWNER TO {fresh}; ALTER SCHEMA public OWNER TO {fresh}".encode()
        )
        target_connection.execute(f'ALTER DATABASE "{fresh}" OWNER TO {fresh}'.encode())
    move.target = replace(move.target, username=fresh)
    assert not move.plan().blockers, move.plan().blockers
    assert move.run().rows == 499


def test_a_rehearsal_leaves_the_existing_tables_empty(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    move = _small(maria, pg15, fresh, _PLAIN, "ALTER TABLE t MODIFY odd LONGTEXT")
    before = pg15.dump(fresh)
    rehearsal = Rehearsal(move.source, move.target, move.options, lambda _: None)
    assert rehearsal.run("test", move.plan()).rows == 499
    assert pg15.dump(fresh) == before


def test_what_of_the_source_stays_behind_has_its_line(pg15: PostgreSql, fresh: str) -> None:
    source_schema = """
    CREATE TYPE mood AS ENUM ('a'); CREATE TABLE t (id serial PRIMARY KEY, m mood);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TRIGGER w BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();
    CREATE POLICY p ON t USING (true);
    INSERT INTO t (m) VALUES ('a');
    """
    target_schema = "CREATE TYPE mood AS ENUM ('a'); CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2'; CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m mood)"
    source = filling.target(pg15, f"{fresh}s", source_schema)
    move = run.Move(source, filling.target(pg15, fresh, target_schema), FILL)
    risks = {(r.kind, r.affected) for r in move.plan().risks}
    assert {("NotCarried", "t.w"), ("NotCarried", "t.p"), ("ObjectKept", "mood"), ("ObjectKept", "g()")} <= risks
    assert not move.plan().blockers, move.plan().blockers
    assert move.run().rows == 1
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT g(),count(*) FROM pg_proc WHERE proname='f'").fetchone() == (2, 1)
        assert target.execute(
            b"SELECT count(*) FROM pg_class WHERE relkind='S' AND relnamespace='public'::regnamespace"
        ).fetchone() == (1,)
        assert target.execute(b"INSERT INTO t (m) VALUES ('a') RETURNING id").fetchone() == (2,)
    only = run.Move(source, filling.target(pg15, f"{fresh}o", target_schema), replace(FILL, mode=Mode.DATA_ONLY))
    (line,) = [r.description for r in only.plan().risks if r.kind == "NotCarried"]
    assert "2 of kind function" in line
