"""What an application finds after a migration from MySQL or MariaDB: keys, types, defaults, rules and names. One database has all of them."""

from __future__ import annotations

import math
import random
import struct
from dataclasses import replace

import psycopg
import pytest

from landfall.engine.model.options import Options
from landfall.engine.model.plan import Plan
from tests.support import checker
from tests.support import engine as run
from tests.support.mysql import MySql
from tests.support.servers import MariaDb, PostgreSql

_KEYS = """
CREATE TABLE users (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), boss BIGINT UNSIGNED,
  FOREIGN KEY (boss) REFERENCES users(id) ON DELETE SET NULL);
CREATE TABLE posts (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NOT NULL,
  CONSTRAINT posts_user_id_foreign FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE);
CREATE TABLE role_user (user_id BIGINT UNSIGNED NOT NULL, role INT UNSIGNED NOT NULL, PRIMARY KEY (user_id,role), FOREIGN KEY (user_id) REFERENCES users(id));
INSERT INTO users VALUES (1,'a',NULL),(9223372036854775806,'b',1); INSERT INTO posts VALUES (1,1),(2,9223372036854775806); INSERT INTO role_user VALUES (1,1);
CREATE TABLE flags (f TINYINT(1) PRIMARY KEY, e ENUM('x','it''s') NOT NULL UNIQUE); INSERT INTO flags VALUES (0,'x'),(5,'it''s');
CREATE TABLE flagged (f TINYINT(1), e ENUM('x','it''s'), FOREIGN KEY (f) REFERENCES flags(f), FOREIGN KEY (e) REFERENCES flags(e)); INSERT INTO flagged VALUES (0,'it''s');
"""


def _migrated(server: MariaDb, target: PostgreSql, name: str, text: str) -> tuple[Plan, psycopg.Connection]:
    """The plan of a migration that completed, and a connection with its result."""
    server.sql(text, server.database(name))
    options = Options(batch_rows=50, parallelism=2, fence=False)  # tests write to both sides afterwards
    plans: list[Plan] = []
    move = run.Move(run.mariadb(server, name), run.postgresql(target, target.database(name)), options)
    move.change = lambda plan: plans.append(plan) or plan
    move.run()
    return plans[0], target.connect(name)


def _types(target: psycopg.Connection) -> dict[str, str]:
    rows = target.execute(
        "SELECT c.relname||'.'||a.attname,format_type(a.atttypid,a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid=a.attrelid"
        " WHERE c.relnamespace='public'::regnamespace AND c.relkind='r' AND a.attnum>0 AND NOT a.attisdropped"
    ).fetchall()
    return dict(rows)


def test_related_columns_have_one_type_and_keep_their_foreign_keys(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    plan, target = _migrated(either, pg15, fresh, _KEYS)
    assert {r.kind for r in plan.risks} <= {"Superuser", "Collation", "NoRowKey"}
    with target:
        types = _types(target)
        assert {types[name] for name in ("users.id", "users.boss", "posts.id", "posts.user_id", "role_user.user_id")} == {
            "bigint"
        }
        assert (types["flags.f"], types["flagged.f"]) == ("smallint", "smallint")
        assert target.execute(
            "SELECT count(*) FROM pg_constraint WHERE contype='f' AND convalidated AND connamespace='public'::regnamespace"
        ).fetchone() == (5,)
        assert target.execute("INSERT INTO users(name) VALUES ('c') RETURNING id").fetchone() == (2**63 - 1,)


@pytest.mark.parametrize("policy", ["Fail", "Widen"])
def test_counters_past_the_largest_integer_are_counted(either: MariaDb, pg15: PostgreSql, fresh: str, policy: str) -> None:
    either.sql(
        "CREATE TABLE p (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT); INSERT INTO p VALUES (18446744073709551614),(1);"
        "CREATE TABLE c (id INT PRIMARY KEY, p BIGINT UNSIGNED, FOREIGN KEY (p) REFERENCES p(id)); INSERT INTO c VALUES (1,1)",
        either.database(fresh),
    )
    options = Options(policies=replace(Options().policies, out_of_range=policy))
    move = run.Move(run.mariadb(either, fresh), run.postgresql(pg15, pg15.database(fresh)), options)
    plan = move.plan()
    (risk,) = (r for r in plan.risks if r.kind == "OutOfRange")
    assert (risk.affected, bool(plan.blockers)) == (f"{fresh}.p.id", policy == "Fail")
    if policy == "Widen":
        move.run()
        with pg15.connect(fresh) as target:
            assert _types(target) == {"p.id": "numeric(20,0)", "c.id": "integer", "c.p": "numeric(20,0)"}
            assert target.execute("SELECT max(id)::text FROM p").fetchone() == ("18446744073709551614",)


_RULES = r"""
CREATE TABLE g (id INT PRIMARY KEY, a INT, st VARCHAR(10) COLLATE utf8mb4_unicode_ci, js JSON, act TINYINT(1) AS (st = 'on') STORED, s INT AS (a*2) VIRTUAL,
  jv VARCHAR(20) AS (json_unquote(json_extract(js,'$.a'))) VIRTUAL, s2 INT AS (s+1) VIRTUAL, lab VARCHAR(60) AS (concat(st,' it''s C:\\x ',a)) STORED,
  cc VARCHAR(9) AS (cast(a AS CHAR(3) CHARSET utf8mb4)) STORED, two INT AS ((a IS NULL)+(st IS NULL)) STORED, CHECK (st IN ('on','OFF')),
  CONSTRAINT one CHECK ((a IS NULL) + (st IS NULL) <= 1), CONSTRAINT lk CHECK (st NOT LIKE '%\\\\%'), CONSTRAINT rx CHECK (st REGEXP '^[a-z]+$'));
INSERT INTO g(id,a,st,js) VALUES (1,5,'ON','{"a":"q"}'),(2,NULL,'off',NULL),(3,-7,'On','{"a":null}');
CREATE TABLE dflt (id INT PRIMARY KEY, a VARCHAR(20) DEFAULT 'C:\\d', b VARCHAR(20) DEFAULT 'it''s', d VARBINARY(4) NOT NULL DEFAULT x'00ff', e BINARY(3) DEFAULT 'ab',
  f VARBINARY(9) DEFAULT x'275c0a', h VARBINARY(4) DEFAULT '', i ENUM('a\\b','tab\tx','it''s') DEFAULT 'a\\b', j SET('f\\g','h') DEFAULT 'f\\g', k VARCHAR(9) DEFAULT 'x\ny');
INSERT INTO dflt(id) VALUES (1); INSERT INTO dflt(id,i,j) VALUES (2,'tab\tx','f\\g,h'),(3,'it''s','h');
CREATE TABLE pre (id INT PRIMARY KEY, k VARCHAR(255), t TEXT, b VARBINARY(500), KEY k(k(191)), KEY t(t(50)), KEY b(b(10)), UNIQUE KEY u(k(20)));
INSERT INTO pre VALUES (1,'a',repeat('x',9000),'b'),(2,NULL,NULL,NULL);
CREATE TABLE pk (host INT, arg VARCHAR(512), PRIMARY KEY (host,arg(187))); INSERT INTO pk VALUES (1,'a'),(1,'b');
CREATE TABLE fixed (id INT PRIMARY KEY, hash CHAR(60), nothing CHAR(0)); INSERT INTO fixed VALUES (1,'$6$x  ',''),(2,NULL,NULL);
CREATE TABLE d (id INT PRIMARY KEY, d DOUBLE, n DOUBLE NOT NULL, f FLOAT);
INSERT INTO d VALUES (1,-1.9275499886897107e-11,-3.3789686162786515e-301,-1.17549435e-38),(2,5e-324,-1.7976931348623157e308,1e-45),(3,NULL,-0e0,-0e0),
  (4,-6.457374231841371e150,-1.2345678901234567e-100,-3.4028e38),(5,1e15,123456789012345678,0.1);
"""
_ONLY_MYSQL = "CREATE TABLE loose (id INT PRIMARY KEY, g INT, CONSTRAINT ne CHECK (g <> 5) NOT ENFORCED, UNIQUE KEY low((g+1))); INSERT INTO loose VALUES (1,5);"


def test_rules_defaults_and_values_are_those_of_the_source(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    plan, target = _migrated(either, pg15, fresh, _RULES + (_ONLY_MYSQL if isinstance(either, MySql) else ""))
    not_carried = {
        r.affected.rpartition(f"{fresh}.")[2]
        for r in plan.risks
        if r.kind in {"GeneratedColumn", "Check", "NotCarried", "Default"}
    }
    assert not_carried == {"g.jv", "g.s2", *(["loose.ne"] if isinstance(either, MySql) else [])}
    with target:
        rows = target.execute("SELECT id,act,s,jv,s2,lab,cc,two FROM g ORDER BY id").fetchall()
        assert rows == [
            (1, True, 10, "q", 11, "ON it's C:\\x 5", "5", 0),
            (2, False, None, None, None, None, None, 1),
            (3, True, -14, "null", -13, "On it's C:\\x -7", "-7", 0),
        ]
        assert target.execute("INSERT INTO g(id,a,st) VALUES (4,1,'oN') RETURNING act,s").fetchone() == (True, 2)
        for bad in ("(5,1,'x')", "(5,NULL,NULL)"):
            with pytest.raises(psycopg.errors.CheckViolation):
                target.execute(f"INSERT INTO g(id,a,st) VALUES {bad}".encode())
        target.execute("INSERT INTO dflt(id) VALUES (9)")
        either.sql("INSERT INTO dflt(id) VALUES (9)", fresh)
        columns = ["a", "b", "hex(d)", "hex(e)", "hex(f)", "hex(h)", "i", "j", "k"]
        target_columns = [*("a", "b"), *(f"upper(encode({c},'hex'))" for c in "defh"), "i::text", "array_to_string(j,',')", "k"]
        source_rows = checker.mariadb(either.socket, fresh, "dflt", columns)
        assert checker.difference(source_rows, checker.postgresql(target, "dflt", target_columns)) == ""
        index_definitions = dict(
            target.execute(
                "SELECT indexname,split_part(indexdef,' USING ',2) FROM pg_indexes WHERE tablename IN ('pre','pk')"
            ).fetchall()
        )
        assert index_definitions["pre_k"] == index_definitions["pre_u_whole"] == "btree (k)"
        assert (index_definitions["pre_t"], index_definitions["pre_b"], index_definitions["pk_pkey"]) == (
            "hash (t)",
            "btree (b)",
            "btree (host, arg)",
        )
        assert index_definitions["pk_primary"].endswith('"left"((arg)::text, 187))')
        target.execute("SET enable_seqscan=off")
        assert "Index" in str(target.execute("EXPLAIN SELECT 1 FROM pre WHERE t='x'").fetchall())
        target.execute("SET enable_seqscan=on")
        assert target.execute("SELECT hash,length(hash) FROM fixed WHERE id=1").fetchone() == ("$6$x", 4)
        values = target.execute("SELECT d,n,f FROM d ORDER BY id").fetchall()
        assert [v[0] for v in values] == [-1.9275499886897107e-11, 5e-324, None, -6.457374231841371e150, 1e15]
        assert [v[1] for v in values] == [
            -3.3789686162786515e-301,
            -1.7976931348623157e308,
            0,
            -1.2345678901234567e-100,
            123456789012345678.0,
        ]


def test_random_doubles_arrive_to_the_last_bit(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    generator = random.Random(7)
    values = [struct.unpack("d", generator.randbytes(8))[0] for _ in range(3000)]
    values = [v for v in values if math.isfinite(v)] + [
        generator.uniform(-1, 1) * 10 ** generator.randint(-30, 30) for _ in range(3000)
    ]
    rows = ",".join(
        f"({n},{v!r},{struct.unpack('f', struct.pack('f', max(-3e38, min(v, 3e38))))[0]!r})" for n, v in enumerate(values)
    )
    text = f"CREATE TABLE d (id INT PRIMARY KEY, d DOUBLE, f FLOAT); INSERT INTO d VALUES {rows}"
    _, target = _migrated(either, pg15, fresh, text)
    with target:
        assert [v for (v,) in target.execute("SELECT d FROM d ORDER BY id").fetchall()] == values


_NAMES = """
CREATE TABLE Item (id INT PRIMARY KEY, userName VARCHAR(9)); CREATE TABLE item (id INT PRIMARY KEY, user_name VARCHAR(9)); CREATE TABLE ITEM (id INT PRIMARY KEY, f INT,
  FOREIGN KEY (f) REFERENCES Item(id));
INSERT INTO Item VALUES (1,'a'); INSERT INTO item VALUES (2,'b'); INSERT INTO ITEM VALUES (3,1);
CREATE VIEW both_items AS SELECT Item.id AS a, item.id AS b FROM Item, item;
CREATE TABLE `a_table_whose_name_has_sixty_four_characters_and_one_is_too_many` (id INT PRIMARY KEY, `a_column_whose_name_has_sixty_four_characters_and_one_too_many_x` INT);
CREATE TABLE Caps (id INT PRIMARY KEY, hidden INT INVISIBLE); INSERT INTO Caps VALUES (4);
"""


def test_tables_that_differ_only_in_case_keep_their_names(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    plan, target = _migrated(either, pg15, fresh, _NAMES)
    names_of_risks = {
        r.affected.removeprefix(f"{fresh}."): r.severity.value for r in plan.risks if r.kind in {"Renamed", "InvisibleColumn"}
    }
    long = "a_table_whose_name_has_sixty_four_characters_and_one_is_too_many"
    assert names_of_risks == {
        "Item": "high",
        "ITEM": "high",
        "Caps.hidden": "medium",
        "names": "low",
        long: "medium",
        f"{long}.a_column_whose_name_has_sixty_four_characters_and_one_too_many_x": "medium",
    }
    with target:
        assert target.execute("SELECT id,user_name FROM item").fetchall() == [(2, "b")]
        assert target.execute('SELECT id,username FROM "Item"').fetchall() == [(1, "a")]
        assert target.execute('SELECT id FROM "ITEM"').fetchall() == [(3,)]
        assert target.execute("SELECT a,b FROM both_items").fetchall() == [(1, 2)]
        assert target.execute("SELECT id FROM caps").fetchall() == [(4,)]


def test_days_that_a_month_does_not_have_are_counted_and_follow_the_policy(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    either.sql(
        "SET sql_mode='ALLOW_INVALID_DATES'; CREATE TABLE d (id INT PRIMARY KEY, d DATE NOT NULL, t DATETIME(3));"
        "INSERT INTO d VALUES (1,'2024-02-31','2023-02-29 01:02:03.5'),(2,'2024-02-29','2024-12-31'),(3,'2024-05-00',NULL)",
        either.database(fresh),
    )
    move = run.Move(run.mariadb(either, fresh), run.postgresql(pg15, pg15.database(fresh)))
    assert [r.affected for r in move.plan().blockers] == [f"{fresh}.d.d"]
    move.options = replace(move.options, policies=replace(move.options.policies, zero_dates="Map:1999-01-01"))
    move.run()
    with pg15.connect(fresh) as target:
        rows = target.execute("SELECT d::text,t::text FROM d ORDER BY id").fetchall()
        assert rows == [("1999-01-01", "1999-01-01 00:00:00"), ("2024-02-29", "2024-12-31 00:00:00"), ("1999-01-01", None)]


def test_rights_of_roles_count_and_what_is_not_seen_is_said(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    role, user = f"r_{fresh}", f"u_{fresh}"
    for_user = f"TO {user}@'%'" if isinstance(either, MySql) else f"FOR {user}@'%'"
    either.sql(
        f"CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1); CREATE ROLE {role}; CREATE USER {user}@'%'; GRANT {role} TO {user}@'%';"
        f"GRANT SELECT,SHOW VIEW,TRIGGER,LOCK TABLES ON {fresh}.* TO {role}; GRANT SELECT ON {fresh}.* TO {user}@'%'",
        either.database(fresh),
    )
    move = run.Move(run.mariadb(either, fresh, user), run.postgresql(pg15, pg15.database(fresh)))
    assert f"its roles `{role}`" in move.plan().blockers[0].description
    either.sql(f"SET DEFAULT ROLE {role} {for_user}; SET GLOBAL read_only=1")
    try:
        plan = move.plan()
    finally:
        either.sql("SET GLOBAL read_only=0")
    assert not plan.blockers
    assert {r.mitigation for r in plan.risks if r.kind == "NotVisible"} == {
        f"Grant {privilege} on {fresh}.* to have them listed in the plan." for privilege in ("EXECUTE", "EVENT")
    }
    assert [r.severity.value for r in plan.risks if r.kind == "NotQuiesced"] == ["high"]
    move.run()
    with pg15.connect(fresh) as target:
        assert target.execute("SELECT id FROM t").fetchall() == [(1,)]


def test_keys_without_overlaps_are_said_and_other_forms_once_a_type(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    plan, target = _migrated(
        maria,
        pg15,
        fresh,
        "CREATE TABLE ap (id INT, s DATE, e DATE, PERIOD FOR p(s,e), UNIQUE own(id, p WITHOUT OVERLAPS), UNIQUE plain(s,e));"
        "CREATE TABLE pk (id INT, s DATETIME, e DATETIME, PERIOD FOR p(s,e), PRIMARY KEY (id, p WITHOUT OVERLAPS));"
        "CREATE TABLE f (a TINYINT(1), b TINYINT(1), c SET('p','q'), d INT); INSERT INTO f VALUES (1,0,'p,q',5);"
        "INSERT INTO ap VALUES (1,'2024-01-01','2024-02-01')",
    )
    target.close()
    severities = {
        (r.affected.removeprefix(f"{fresh}."), r.severity.value) for r in plan.risks if r.kind in {"TableFeature", "OtherForm"}
    }
    assert severities == {("ap.own", "high"), ("pk.PRIMARY", "high"), ("boolean", "low"), ("text[]", "low")}
    (truths,) = (r for r in plan.risks if r.affected == "boolean")
    assert f"2 columns become boolean: {fresh}.f.a, {fresh}.f.b;" in truths.description
