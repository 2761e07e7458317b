"""A plan without blockers can be carried out: what the run will do is done in the dry run, over empty tables and one row of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landfall.engine.model.options import OnExisting, Options
from landfall.engine.model.plan import Plan, Severity
from landfall.engine.sources.postgresql import dialect
from landfall.engine.targets.postgresql import dry_run, row_proof
from landfall.engine.targets.postgresql.row_proof import RowProof
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

_SQLITE = """
create table notes(id integer primary key, t text, len int generated always as (length(t)) virtual, up text as (upper(t)||'!') stored,
  y int as (cast(strftime('%Y',at) as int)), at text, like_a boolean as (t like 'A%'), n int default (abs(-9223372036854775807-1)), check (10/(n-1) > -100));
insert into notes(t,at,n) values('abc','2024-01-01',5),('é','2023-06-01',null);
create view z as select id, t from notes;
create view lost as select id, printf('%05d',id) p from notes;
create view over_lost as select p from lost;
create table parent(a text primary key); create table child(id integer primary key, q references parent(a));
create unique index odd on notes(printf('%d',id));
"""


def _risks_by_object(plan: Plan) -> dict[str, list[tuple[str, str]]]:
    """What the plan says of each object, by its name."""
    kinds_of: dict[str, list[tuple[str, str]]] = {}
    for risk in plan.risks:
        kinds_of.setdefault(risk.affected, []).append((risk.severity.value, risk.kind))
    return kinds_of


def _move(pg: PostgreSql, database: str, path: Path, sql: str) -> run.Move:
    with sqlite3.connect(path) as file:
        file.executescript(sql)
    return run.Move(run.sqlite(path), run.postgresql(pg, pg.database(database)))


def test_each_loss_is_told_once_and_takes_nothing_else_with_it(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    move = _move(pg15, fresh, tmp_path / "s.db", _SQLITE)
    plan = move.plan()
    kinds_of = _risks_by_object(plan)
    assert kinds_of["notes.y"] == [("high", "GeneratedColumn")], "the only one that the target cannot compute"
    assert kinds_of["lost"] == [("high", "NotCarried")]
    assert kinds_of["over_lost"] == [("high", "NotCarried")]
    assert "it reads the view lost" in next(r.description for r in plan.risks if r.affected == "over_lost")
    assert kinds_of["notes.n"] == [("medium", "NotCarried")], "a default that fails whenever it is evaluated"
    assert {name: kinds for name, kinds in kinds_of.items() if len(kinds) > 1} == {}
    assert move.run().rows == 2
    with pg15.connect(fresh) as target:
        target.execute(b"INSERT INTO notes(id,t) VALUES (9,'Axe')")
        rows = target.execute(b"SELECT id,len,up,like_a FROM notes ORDER BY id").fetchall()
    assert rows == [(1, 3, "ABC!", True), (2, 1, "é!", False), (9, 3, "AXE!", True)], "as SQLite folds letters: ASCII only"


@pytest.mark.parametrize("columns", [120, 99])
def test_a_comparison_that_the_target_rejects_is_a_blocker(
    pg15: PostgreSql, fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr(dialect, "_FIELDS", 2000)
    column_list = ",".join(f"c{n} int" for n in range(columns - 1))
    move = _move(
        pg15, fresh, tmp_path / "w.db", f"create table wide(id integer primary key,{column_list}); create table ok(id int);"
    )
    blockers = [(r.kind, r.affected) for r in move.plan().blockers]
    assert blockers == ([("DryRun", "wide")] if columns > 99 else [])


def test_a_query_that_the_source_rejects_is_a_blocker(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    move = _move(pg15, fresh, tmp_path / "g.db", "create table t(id integer primary key); create table u(a int);")
    with sqlite3.connect(tmp_path / "g.db") as file:  # a function that only the application has
        file.create_function("mine", 1, lambda x: x, deterministic=True)
        file.execute("create table v(id integer primary key, a int, b int as (mine(a)))")
    kinds_of = _risks_by_object(move.plan())
    assert kinds_of["v"][0][0] == "blocker", kinds_of


def test_the_time_limit_of_a_row_is_none_of_the_catalog_queries(
    pg15: PostgreSql, fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_proof, "_SECONDS", 3)
    monkeypatch.setattr(row_proof, "_UNSAFE", "SELECT 'none', 'none' FROM pg_sleep(3.2)")
    plan = _move(pg15, fresh, tmp_path / "s.db", "create table t(id integer primary key, v int default (1+1))").plan()
    assert ([t.target for t in plan.tables], plan.blockers) == (["t"], ())


_OTHERS = """
CREATE SCHEMA other; CREATE SEQUENCE other.mark;
CREATE FUNCTION other.next() RETURNS bigint LANGUAGE sql STABLE AS $$SELECT nextval('other.mark')$$;
CREATE FUNCTION other.fixed(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$SELECT n + 0 * nextval('other.mark')$$;
"""
_CODE = """
CREATE TABLE a (id int, m bigint DEFAULT setval('other.mark',99));
CREATE TABLE b (id int CHECK (setval('other.mark',id+99)>0));
CREATE DOMAIN d AS int CHECK (setval('other.mark',99)>0); CREATE TABLE c (id int, e d); CREATE DOMAIN dd AS d; CREATE TABLE cc (id int, e dd);
CREATE DOMAIN f AS bigint DEFAULT setval('other.mark',99); CREATE TABLE g (id int, e f);
CREATE TABLE h (id bigint DEFAULT nextval('other.mark'), note text);
CREATE TABLE i (id bigint DEFAULT nextval('other.mark'::text), note text);
CREATE DOMAIN j AS bigint DEFAULT nextval('other.mark'); CREATE TABLE k (id j, note text); CREATE DOMAIN jj AS j; CREATE TABLE kk (id jj, note text);
CREATE TABLE l (id int, CHECK (id < nextval('other.mark') + 100));
CREATE TABLE m (id bigint DEFAULT other.next(), note text);
CREATE TABLE n (id bigint, twice bigint GENERATED ALWAYS AS (other.fixed(id)) STORED);
CREATE TABLE o (id bigint); CREATE INDEX ON o (other.fixed(id)); CREATE INDEX ON o (id) WHERE other.fixed(id) > 0;
CREATE TABLE p (id bigserial PRIMARY KEY, other bigint DEFAULT nextval('p_id_seq') + nextval('other.mark'));
CREATE TABLE q (id bigserial PRIMARY KEY, word text DEFAULT 'a' || nextval('q_id_seq'));
"""


def test_the_row_executes_no_code_and_takes_no_number_of_a_live_sequence(pg15: PostgreSql, fresh: str) -> None:
    pg15.database(f"{fresh}s"), pg15.database(fresh)
    for name in (f"{fresh}s", fresh):
        with pg15.connect(name) as connection:
            connection.execute(_OTHERS.encode())
    with pg15.connect(f"{fresh}s") as source:
        source.execute(_CODE.encode())
    with pg15.connect(fresh) as target:
        target.execute(
            b"CREATE TABLE q (id bigint PRIMARY KEY, word text); CREATE SEQUENCE kept; CREATE SEQUENCE q_id_seq OWNED BY q.id"
        )
        target.execute(b"ALTER TABLE q ALTER word SET DEFAULT nextval('kept')::text, ALTER id SET DEFAULT nextval('q_id_seq')")
    with pg15.connect(f"{fresh}s") as source:
        source.execute(b"CREATE SEQUENCE kept; CREATE TABLE r (id bigint DEFAULT nextval('kept'), note text)")
    ends = (run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, fresh))
    plan = run.Move(*ends, Options(on_existing=OnExisting.FILL)).plan()
    assert plan.blockers == ()
    assert {t.target for t in plan.tables} >= set("abchiklmnopqr")
    with pg15.connect(fresh) as target:
        for name in (b"other.mark", b"kept", b"q_id_seq"):
            assert target.execute(b"SELECT last_value,is_called FROM " + name).fetchone() == (1, False), name


def test_tables_of_the_target_that_are_in_use_are_locked_only_while_keys_are_tried(
    pg15: PostgreSql, fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "create table notes(id integer primary key, setting int, word text); insert into notes values (1, 7, 'a');"
    move = _move(pg15, fresh, tmp_path / "s.db", f"{sql} create view shown as select word from notes;")
    with pg15.connect(fresh) as target:
        target.execute(
            b"CREATE TABLE settings (id int PRIMARY KEY); INSERT INTO settings VALUES (7); CREATE TABLE users (id int PRIMARY KEY);"
            b"CREATE TABLE notes (id int PRIMARY KEY, setting int CONSTRAINT to_settings REFERENCES settings, word text);"
            b"COMMENT ON CONSTRAINT to_settings ON notes IS 'said'"
        )
    locks: list[tuple[str, list[str]]] = []

    def watched(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            with pg15.connect(fresh) as other:
                query = b"SELECT mode FROM pg_locks WHERE relation IN ('settings'::regclass,'users'::regclass) AND mode<>'AccessShareLock'"
                locks.append((name or str(arguments[-1]), [mode for (mode,) in other.execute(query).fetchall()]))
            return function(*arguments)

        return call

    monkeypatch.setattr(dry_run, "_rounds", watched(vars(dry_run)["_rounds"], ""))
    monkeypatch.setattr(RowProof, "tables", watched(RowProof.tables, "rows"))
    monkeypatch.setattr(RowProof, "views", watched(RowProof.views, "views"))
    plan = replace(move, options=Options(on_existing=OnExisting.FILL)).plan()
    assert plan.blockers == ()
    assert {s.kind for s in plan.statements} >= {"foreign key", "view"}
    assert [name for name, _ in locks if name in {"rows", "views"}] == ["rows", "views"]
    assert [(name, modes) for name, modes in locks if modes] == []


def test_one_row_of_every_kind_is_stored_without_a_false_blocker(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    maria.sql(
        "CREATE TABLE k (id INT AUTO_INCREMENT PRIMARY KEY, e ENUM('x','y'), s SET('p','q'), b BIT(5), t TIME, d DATE, j JSON,"
        " n DECIMAL(3,3), c CHAR(1), y YEAR, u BIGINT UNSIGNED, f INT AS (100 DIV (n-1)) VIRTUAL, CHECK (e='y'), UNIQUE (c), KEY (t,d));"
        "INSERT INTO k(e) VALUES ('y')",
        maria.database(fresh),
    )
    plan = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, pg15.database(fresh))).plan()
    assert [r for r in plan.risks if r.severity is Severity.BLOCKER] == []
