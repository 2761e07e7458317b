"""Every object of MySQL and MariaDB is accounted for: carried, carried with a change, or named in the plan."""

from __future__ import annotations

import struct

import pytest

from landfall.engine.errors import UnreadableTableError
from landfall.engine.model.object_class import Fate
from landfall.engine.model.plan import Plan
from landfall.engine.sources.registry import engine_of
from tests.support import engine as run
from tests.support.mysql import MySql
from tests.support.servers import MariaDb, PostgreSql

_STORAGE = ("INNODB_",)
"""Tables of information_schema that begin so tell how one storage engine works."""


def _move(server: MariaDb, target: PostgreSql, name: str) -> run.Move:
    return run.Move(run.mariadb(server, name), run.postgresql(target, target.database(name)))


def _risks(plan: Plan) -> set[tuple[str, str, str]]:
    return {(r.severity.value, r.kind, r.affected) for r in plan.risks}


def test_every_table_of_the_catalog_is_accounted_for(either: MariaDb) -> None:
    sql = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='information_schema'"
    names = {line.upper() for line in either.sql(sql).stdout.decode().split() if not line.startswith(_STORAGE)}
    assert len(names) > 40
    classes = engine_of("MySQL").object_classes
    assert not names - {catalog for one in classes for catalog in one.catalogs}


def test_what_is_not_migrated_is_named(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    either.sql(
        "CREATE TABLE parts (id INT PRIMARY KEY, n VARCHAR(9)) PARTITION BY HASH (id) PARTITIONS 2;"
        "CREATE TRIGGER checked BEFORE INSERT ON parts FOR EACH ROW SET NEW.n=UPPER(NEW.n); CREATE PROCEDURE called() SELECT 1;"
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM parts;"
        f"CREATE USER reader_{fresh}@'%'; GRANT SELECT ON {fresh}.* TO reader_{fresh}@'%'; GRANT SELECT (id) ON {fresh}.parts TO reader_{fresh}@'%';"
        f"CREATE ROLE writers_{fresh}; GRANT INSERT ON {fresh}.parts TO writers_{fresh}",
        either.database(fresh),
    )
    expected = {
        ("high", "Trigger", "checked"),
        ("medium", "Routine", "called()"),
        ("medium", "Event", "nightly"),
        ("low", "Accounts", fresh),
    }
    if isinstance(either, MySql):
        either.sql(
            "CREATE LIBRARY shared LANGUAGE JAVASCRIPT AS $$ export function f(n) {return n+1} $$; CREATE TABLE items (id INT PRIMARY KEY);"
            "CREATE JSON DUALITY VIEW documents AS SELECT JSON_DUALITY_OBJECT('_id':id) FROM items",
            fresh,
        )
        expected |= {("medium", "Library", "shared"), ("high", "View", "documents")}
    plan = _move(either, pg15, fresh).plan()
    assert expected <= _risks(plan)
    (accounts,) = (r for r in plan.risks if r.kind == "Accounts")
    assert accounts.description.startswith("the privileges of 2 accounts")
    assert f"'reader_{fresh}'" in accounts.description
    assert any("partitioned" in r.description and r.affected == f"{fresh}.parts" for r in plan.risks)


def test_no_line_about_accounts_without_any(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    either.sql("CREATE TABLE t (id INT PRIMARY KEY)", either.database(fresh))
    assert not [r for r in _move(either, pg15, fresh).plan().risks if r.kind in {"Accounts", "Library", "TableFeature"}]


def test_vectors_arrive_and_tables_without_rows_of_their_own_are_said(mysql: MySql, pg15: PostgreSql, fresh: str) -> None:
    mysql.sql(
        "CREATE TABLE a (id INT NOT NULL, n INT, KEY (id)) ENGINE=MyISAM; CREATE TABLE b LIKE a; INSERT INTO a VALUES (1,1); INSERT INTO b VALUES (2,2);"
        "CREATE TABLE both_of (id INT NOT NULL, n INT, KEY (id)) ENGINE=MRG_MyISAM UNION=(a,b); CREATE TABLE nowhere (id INT) ENGINE=BLACKHOLE;"
        "CREATE TABLE v (id INT PRIMARY KEY, e VECTOR(3)); INSERT INTO v VALUES (1,STRING_TO_VECTOR('[1,-0.1,3e9]')),(2,NULL)",
        mysql.database(fresh),
    )
    move = _move(mysql, pg15, fresh)
    plan = move.plan()
    said = {(severity, affected) for severity, kind, affected in _risks(plan) if kind == "TableFeature"}
    assert said == {("high", f"{fresh}.both_of"), ("high", f"{fresh}.nowhere")}
    assert [c.confidence for t in plan.tables for c in t.columns if c.source == "e"] == [70]
    move.run()
    with pg15.connect(fresh) as target:
        assert target.execute("SELECT id,e FROM v ORDER BY id").fetchall() == [(1, struct.pack("<3f", 1, -0.1, 3e9)), (2, None)]
        assert target.execute("SELECT id,n FROM both_of ORDER BY id").fetchall() == [(1, 1), (2, 2)]


def test_a_table_that_the_source_cannot_read_is_named(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    either.sql(
        "CREATE TABLE a (id INT NOT NULL) ENGINE=MyISAM; CREATE TABLE wrong (id INT, KEY (id)) ENGINE=MRG_MyISAM UNION=(a)",
        either.database(fresh),
    )
    with pytest.raises(UnreadableTableError, match=rf"table {fresh}\.wrong cannot be read.*excludeTables"):
        _move(either, pg15, fresh).plan()


def test_the_classes_have_the_names_of_the_risks() -> None:
    named = {one.name for one in engine_of("MySQL").object_classes if one.fate is Fate.RISK and one.catalogs}
    assert {"trigger", "routine", "event", "library"} <= named
