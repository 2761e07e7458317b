"""What an application finds after a migration from MySQL or MariaDB: keys, types, defaults, rules and names. One database has all of them."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from landfall.engine.model.options import Options
from landfall.engine.model.plan import Plan
from tests.support import engine as run
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
    options = Options(batch_rows=50, parallelism=2)
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
