"""What others put into the source or the target is not run while planning, and never in place of the system's own."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.engine.errors import TargetInTheWayError
from landfall.engine.model.options import ColumnDecision, Endpoint, Options, SourceCode
from landfall.engine.model.plan import Decision, Plan, Severity
from landfall.lib.plan_code import is_code
from tests.support import engine as run
from tests.support import filling
from tests.support.filling import FILL
from tests.support.servers import MariaDb, PostgreSql

_TRAP = "CREATE SEQUENCE public.trap"
_LOW = """
DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname='low_role') THEN CREATE ROLE low_role; END IF; END $$;
GRANT CREATE, USAGE ON SCHEMA public TO low_role;
GRANT USAGE ON SEQUENCE public.trap TO PUBLIC;
"""
_SHADOW = """
CREATE FUNCTION public.length({0}) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
 'BEGIN PERFORM nextval(''public.trap''); RETURN pg_catalog.length($1::pg_catalog.text); END'
"""


def _trapped(server: PostgreSql, database: str) -> bool:
    with server.connect(database) as connection:
        return connection.execute(b"SELECT is_called FROM public.trap").fetchone() == (True,)


def _target(server: PostgreSql, name: str, low: str = "") -> Endpoint:
    shadow = f"SET ROLE low_role; {low}; RESET ROLE" if low else ""
    return filling.target(server, name, f"{_TRAP}; {_LOW} {shadow}")


def _source(server: PostgreSql, name: str, text: str) -> Endpoint:
    with server.connect(server.database(name)) as connection:
        connection.execute(text.encode())
    return run.postgresql(server, name)


def _kinds(plan: Plan) -> set[tuple[str, str]]:
    return {(r.kind, r.affected) for r in plan.risks}


_NOTES = "CREATE TABLE notes (id int PRIMARY KEY, note text, CONSTRAINT told CHECK (length(note) > 0)); INSERT INTO notes VALUES (1,'a')"


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_function_with_the_name_of_the_systems_own_is_not_run(pg15: PostgreSql, fresh: str, side: str) -> None:
    shadow = _SHADOW.format("text")
    source = _source(pg15, f"{fresh}s", _NOTES + (";" + shadow if side == "source" else ""))
    move = run.Move(source, _target(pg15, fresh, shadow if side == "target" else ""))
    assert ("OpenSchema", "public") in _kinds(move.plan())
    assert move.run().rows == 1
    with pg15.connect(fresh) as connection:
        connection.execute(b"SET search_path=pg_temp")
        constraint = connection.execute(b"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname='told'").fetchone()
        connection.execute(b"INSERT INTO public.notes VALUES (2,'b')")
    assert constraint == ("CHECK ((length(note) > 0))",)
    assert not _trapped(pg15, fresh)


def test_a_strangers_function_that_fits_better_stops_the_plan(pg15: PostgreSql, fresh: str) -> None:
    source = _source(pg15, f"{fresh}s", _NOTES.replace("note text", "note varchar(9)"))
    move = run.Move(source, _target(pg15, fresh, _SHADOW.format("varchar")))
    (blocker,) = move.plan().blockers
    assert (blocker.kind, blocker.affected) == ("Shadowed", "public.length(character varying)")
    assert "low_role" in blocker.description
    assert not _trapped(pg15, fresh)


def test_one_that_appears_while_rows_are_copied_stops_the_run(pg15: PostgreSql, fresh: str) -> None:
    source = _source(pg15, f"{fresh}s", _NOTES.replace("note text", "note varchar(9)"))
    target = _target(pg15, fresh)

    def appear() -> None:
        with pg15.connect(fresh) as connection:
            connection.execute(f"SET ROLE low_role; {_SHADOW.format('varchar')}".encode())

    with pytest.raises(Exception, match=r"public\.length\(character varying\) belongs to low_role"):
        run.Move(source, target, at={"indexing": appear}).run()
    assert not _trapped(pg15, fresh)


@pytest.mark.parametrize("kind", ["text", "varchar"])
def test_what_is_translated_sees_nothing_of_the_targets_schema(maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str) -> None:
    maria.sql("CREATE TABLE notes (id int PRIMARY KEY, note varchar(9), CHECK (char_length(note) > 0))", maria.database(fresh))
    maria.sql("INSERT INTO notes VALUES (1,'a')", fresh)
    move = run.Move(run.mariadb(maria, fresh), _target(pg15, fresh, _SHADOW.format(kind)))
    assert not move.plan().blockers
    assert move.run().rows == 1
    assert not _trapped(pg15, fresh)


def test_planning_runs_nothing_of_the_source(pg15: PostgreSql, fresh: str) -> None:
    evil = """
    CREATE FUNCTION evil_() RETURNS int LANGUAGE plpgsql AS
     'BEGIN IF current_database() LIKE ''%s'' THEN RETURN 1; END IF; RETURN nextval(''public.trap''); END';
    CREATE FUNCTION evil(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN evil_(); END';
    CREATE FUNCTION quiet(n int, OUT a int) LANGUAGE sql IMMUTABLE AS 'SELECT n';
    CREATE FUNCTION many(n int DEFAULT 3) RETURNS TABLE (a int, b text) LANGUAGE sql AS 'SELECT n, ''x''';
    CREATE PROCEDURE act(INOUT n int) LANGUAGE plpgsql AS 'BEGIN n := 1; END';
    CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 3, CHECK (n < 5 OR evil(1) > 0));
    CREATE INDEX ti ON t (n) WHERE evil(2) > 0;
    CREATE INDEX tj ON t ((n + quiet(2)));
    CREATE VIEW v AS SELECT t.id, m.b FROM t, many() m;
    CREATE MATERIALIZED VIEW mv AS SELECT evil_() AS e WITH NO DATA;
    """
    source = _source(pg15, f"{fresh}s", f"{_TRAP}; {evil}")
    move = run.Move(source, _target(pg15, fresh), Options(exclude_tables=("trap",)))
    plan = move.plan()
    assert not _trapped(pg15, fresh)
    assert not [r for r in plan.risks if r.kind == "NotCarried"]
    created = {(s.kind, s.name) for s in plan.statements}
    assert {("materialized view", "mv"), ("view", "v"), ("index", "ti"), ("index", "tj"), ("function", "act")} <= created


def test_code_of_the_source_may_be_left_behind(pg15: PostgreSql, fresh: str) -> None:
    """With the tables, and plain views and checks; not what calls it."""
    code = """
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path=pg_catalog AS 'SELECT n*2';
    REVOKE ALL ON FUNCTION twice FROM PUBLIC;
    COMMENT ON FUNCTION twice IS 'x';
    CREATE AGGREGATE largest(int) (SFUNC=int4larger, STYPE=int);
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER tell BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION tell();
    ALTER TABLE notes DISABLE TRIGGER tell;
    CREATE RULE quiet AS ON DELETE TO notes DO INSTEAD NOTHING;
    CREATE VIEW plain AS SELECT id FROM notes;
    CREATE VIEW calling AS SELECT twice(id) FROM notes;
    CREATE MATERIALIZED VIEW stored AS SELECT id FROM notes;
    CREATE UNIQUE INDEX ON stored (id);
    """
    source = _source(pg15, f"{fresh}s", f"{_NOTES}; {code}")
    move = run.Move(source, _target(pg15, fresh), Options(code=SourceCode.LEAVE))
    plan = move.plan()
    (risk,) = (r for r in plan.risks if r.kind == "CodeLeft")
    assert "1 aggregate, 2 functions, 1 materialized view, 1 rule, 1 trigger of the source are not migrated" in risk.description
    assert {s.name for s in plan.statements if is_code(s.kind)} == {"plain"}
    assert [(r.kind, r.affected) for r in plan.risks if r.severity is Severity.HIGH] == [("NotCarried", "calling")]
    assert move.run().rows == 1
    with pg15.connect(fresh) as connection:
        connection.execute(b"UPDATE notes SET note='b'")
        routines = connection.execute(b"SELECT count(*) FROM pg_proc WHERE pronamespace='public'::regnamespace").fetchone()
    assert routines == (0,)


def test_a_credential_that_may_do_everything_is_named(pg15: PostgreSql, fresh: str) -> None:
    source = _source(pg15, f"{fresh}s", _NOTES)
    (risk,) = (r for r in run.Move(source, _target(pg15, fresh)).plan().risks if r.kind == "Superuser")
    assert (risk.severity, "a superuser" in risk.description) == (Severity.LOW, True)
    with pg15.connect(fresh) as connection:
        connection.execute(
            b"DROP ROLE IF EXISTS plain_role; CREATE ROLE plain_role LOGIN; ALTER SCHEMA public OWNER TO plain_role;"
            b"DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO plain_role', current_database()); END $$"
        )
    without_rights = run.Move(source, run.postgresql(pg15, fresh, "plain_role")).plan()
    assert not [r for r in without_rights.risks if r.kind == "Superuser"]


@pytest.mark.parametrize(
    "ledger_text",
    [
        "CREATE SCHEMA landfall AUTHORIZATION low_role",
        "CREATE SCHEMA landfall; CREATE TABLE landfall.run (id text); ALTER TABLE landfall.run OWNER TO low_role",
    ],
    ids=["schema", "a table in it"],
)
def test_a_ledger_of_another_role_is_refused(pg15: PostgreSql, fresh: str, ledger_text: str) -> None:
    source = _source(pg15, f"{fresh}s", _NOTES)
    move = run.Move(source, filling.target(pg15, fresh, f"{_TRAP}; {_LOW} {ledger_text}"))
    with pytest.raises(TargetInTheWayError, match=r'belongs to low_role, .* ALTER SCHEMA "landfall" OWNER TO postgres'):
        move.run()
    with pg15.connect(fresh) as after:
        assert after.execute(b"SELECT to_regclass('landfall.format')").fetchone() == (None,)


def test_a_column_keeps_its_own_name(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "r.db") as file:
        file.execute(
            "CREATE TABLE link (id integer PRIMARY KEY, group_id int, other_group_id int, other_group_code text, other_group_kind text,"
            " group_code varchar(40))"
        )
        file.execute("INSERT INTO link VALUES (1,1,2,'other','k','mine')")
    target = filling.target(
        pg15,
        fresh,
        "CREATE TABLE link (id bigint PRIMARY KEY, group_id bigint, other_group_id bigint, other_group_code varchar(255),"
        " other_group_kind text, other_group_value text)",
    )
    move = run.Move(run.sqlite(tmp_path / "r.db"), target, FILL)
    assert [(r.kind, r.affected) for r in move.plan().blockers] == [("NoCounterpart", "link.group_code")]
    decision = ColumnDecision("", "link", "group_code", "Exclude")
    assert run.Move(move.source, target, replace(FILL, decisions=(decision,))).run().rows == 1
    with pg15.connect(fresh) as connection:
        row = connection.execute(b"SELECT other_group_code, other_group_value FROM link").fetchone()
    assert row == ("other", None)


def test_a_column_that_takes_the_place_of_one_left_out_is_for_a_person(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "r.db") as file:
        file.execute("CREATE TABLE item (id integer PRIMARY KEY, code varchar(40), item_code varchar(40), label text)")
    target = filling.target(pg15, fresh, "CREATE TABLE item (id bigint PRIMARY KEY, code varchar(40), label text)")
    decision = ColumnDecision("", "item", "code", "Exclude")
    plan = run.Move(run.sqlite(tmp_path / "r.db"), target, replace(FILL, decisions=(decision,), auto_approve_percent=0)).plan()
    columns = {c.source: (c.target, c.decision) for c in plan.tables[0].columns}
    assert columns["item_code"] == ("code", Decision.NEEDS_REVIEW)
    assert columns["label"] == ("label", Decision.AUTO)


def test_functions_that_sqlite_does_not_have_reach_no_target(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "h.db") as file:
        file.execute("CREATE TABLE t (id integer PRIMARY KEY, note text DEFAULT 'x', c text)")
        file.execute("INSERT INTO t VALUES (1,'a','b')")
        file.commit()
        file.execute("PRAGMA writable_schema=on")
        file.execute(
            "UPDATE sqlite_master SET sql='CREATE TABLE t (id integer PRIMARY KEY, note text DEFAULT (nextval(''trap'')), c text,"
            " CHECK (nextval(''trap'') > 0), CHECK (length(pg_read_file(''/etc/hostname'')) > 0))' WHERE name='t'"
        )
    move = run.Move(run.sqlite(tmp_path / "h.db"), _target(pg15, fresh))
    descriptions = " ".join(r.description for r in move.plan().risks)
    assert "it calls NEXTVAL" in descriptions
    assert "it calls PG_READ_FILE" in descriptions
    assert not [s.sql for s in move.plan().statements if "nextval" in s.sql.lower() or "pg_read" in s.sql.lower()]
    assert move.run().rows == 1
    assert not _trapped(pg15, fresh)
