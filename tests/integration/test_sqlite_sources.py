"""SQLite as people use it: options and types of its own, keys with NULL, dates in every form, NOCASE, virtual tables, its own defaults."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest

from landfall.engine.model.options import ColumnDecision, Options, Policies
from landfall.engine.model.plan import Plan
from tests.support import engine as run
from tests.support.servers import PostgreSql


def _move(pg: PostgreSql, database: str, folder: Path, sql: str, options: Options | None = None) -> run.Move:
    with sqlite3.connect(folder / "s.db") as file:
        file.executescript(sql)
    return run.Move(run.sqlite(folder / "s.db"), run.postgresql(pg, pg.database(database)), options or Options(batch_rows=200))


def _told(plan: Plan, *kinds: str) -> dict[str, str]:
    return {r.affected: r.severity.value for r in plan.risks if r.kind in kinds}


def _columns(plan: Plan, table: str) -> dict[str, tuple[str, str]]:
    (table_plan,) = [t for t in plan.tables if t.name == table]
    return {c.source: (c.target_type, c.decision.value) for c in table_plan.columns}


_OPTIONS = """
create table wr(id int primary key, n int check(n>0), g int as (n*2) stored) without rowid; insert into wr(id,n) values(1,5);
create table st(id integer primary key, a any, i int check (i<9)) strict; insert into st values(1,'x',1),(2,5,2);
create table big(id integer primary key, u unsigned big int check(u>0), d blob sub_type text, k text check (k in ("a","b")));
insert into big values(1,7,'x','a');
create table part(id integer primary key, n int); create unique index pn on part(n) where n>0; insert into part(n) values(0),(0),(5);
"""


def test_options_and_types_of_several_words_lose_nothing(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    move = _move(pg15, fresh, tmp_path, _OPTIONS)
    assert _told(move.plan(), "TableFeature", "NotCarried", "Check", "GeneratedColumn", "Index") == {}
    assert move.run().rows == 7
    with pg15.connect(fresh) as target:
        target.execute(b"INSERT INTO wr(id,n) VALUES (2,4)")
        assert target.execute(b"SELECT g FROM wr ORDER BY id").fetchall() == [(10,), (8,)]
        for broken in (
            b"INSERT INTO wr(id,n) VALUES (3,-1)",
            b"INSERT INTO st(id,i) VALUES (3,10)",
            b"INSERT INTO big(id,u) VALUES (2,0)",
            b"INSERT INTO big(id,k) VALUES (2,'c')",
            b"INSERT INTO part(id,n) VALUES (9,5)",
        ):
            with pytest.raises(psycopg.IntegrityError):
                target.execute(broken)


_NULLS = """
create table u(user_id text primary key, n int); insert into u values('a',1),(null,2);
create table nn(a integer auto_increment primary key, b text); insert into nn values(1,'x'),(null,'y'),(null,'z');
create table dd(a integer primary key desc, b int); insert into dd values(null,1),(2,2);
create table cc(a int, b text, primary key(a,b)); insert into cc values(1,null),(1,null),(2,'x');
create table fine(a text primary key); insert into fine values('x');
create table child(id integer primary key, u references U); insert into child values(1,'a');
"""


def test_null_in_a_primary_key_is_counted_and_a_unique_constraint_takes_its_place(
    pg15: PostgreSql, fresh: str, tmp_path: Path
) -> None:
    move = _move(pg15, fresh, tmp_path, _NULLS)
    plan = move.plan()
    assert _told(plan, "NullInKey") == dict.fromkeys(("u.PRIMARY", "nn.PRIMARY", "dd.PRIMARY", "cc.PRIMARY"), "high")
    assert next(r for r in plan.risks if r.affected == "nn.PRIMARY").description.startswith("2 rows hold NULL in a")
    assert move.run().rows == 12
    with pg15.connect(fresh) as target:
        keys = dict(
            target.execute(
                b"SELECT conrelid::regclass::text,string_agg(contype::text,'') FROM pg_constraint"
                b" WHERE contype IN ('p','u') AND conrelid<>0 AND connamespace='public'::regnamespace GROUP BY 1"
            )
        )
        assert keys == {"u": "u", "nn": "u", "dd": "u", "cc": "u", "fine": "p", "child": "p"}
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            target.execute(b"INSERT INTO child VALUES (2,'nobody')")


def test_null_in_a_key_has_other_ways_out(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    replaced = ColumnDecision("", "u", "user_id", "Override", expression="coalesce(user_id,'none')")
    move = _move(pg15, fresh, tmp_path, _NULLS, Options(decisions=(replaced,), exclude_tables=("nn", "dd", "cc")))
    assert _told(move.plan(), "NullInKey") == {}
    move.run()


def test_null_in_a_column_declared_not_null_is_told(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    move = _move(pg15, fresh, tmp_path, "create table t(id integer primary key, a text); insert into t values(1,null),(2,'x')")
    with sqlite3.connect(tmp_path / "s.db") as file:  # as tools do that edit the schema
        file.execute("PRAGMA writable_schema=1")
        file.execute("UPDATE sqlite_master SET sql=replace(sql,'a text','a text not null')")
    plan = move.plan()
    assert _told(plan, "NullInKey") == {"t.a": "high"}
    assert "declared NOT NULL" in next(r.description for r in plan.risks if r.kind == "NullInKey")
    assert move.run().rows == 2


_DATES = """
create table d(id integer primary key, z timestamp, off datetime, mixed datetime, iso datetime, day datetime, moment date,
  sec datetime default (strftime('%s','now')), ms timestamp, julian datetime, days date, odd datetime, some datetime, e enum, none);
insert into d values
 (1,'2024-02-29T12:00:00Z','2024-02-29 12:00:00+02:00','2024-02-29 12:00:00','2024-02-29T12:00:00','2024-02-29','2024-02-29 10:00:00',
  1709208000,1709208000123,2460370.0,19782,'29.02.2024','2024-02-29 12:00','a',null),
 (2,'1969-12-31T23:59:59.999Z','2024-02-29 12:00:00.5-1130','2024-02-29T12:00:00.123456+00','9999-12-31 23:59','2024-03-01','0001-01-01 00:00',
  -1709208000,-1709208000123,2440587.5,0,'x',1709208000,'b',null),
 (3,null,null,null,null,null,null,0,0,null,null,null,'','c',null);
"""


def test_dates_are_read_by_what_every_value_of_the_column_is(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    move = _move(pg15, fresh, tmp_path, _DATES)
    plan = move.plan()
    zoned, needs_review, sure = "timestamp with time zone", "NeedsReview", "AutoApproved"
    assert _columns(plan, "d") == {
        "id": ("bigint", sure),
        "z": (zoned, sure),
        "off": (zoned, sure),
        "mixed": (zoned, needs_review),
        "iso": ("timestamp", sure),
        "day": ("date", sure),
        "moment": ("timestamp", sure),
        "sec": (zoned, needs_review),
        "ms": (zoned, needs_review),
        "julian": (zoned, needs_review),
        "days": ("text", needs_review),
        "odd": ("text", needs_review),
        "some": ("text", needs_review),
        "e": ("text", sure),
        "none": ("text", needs_review),
    }
    assert not [c for t in plan.tables for c in t.columns if c.converted], "no value becomes NULL"
    move.run()
    with pg15.connect(fresh) as target:
        target.execute(b"SET TimeZone='UTC'")
        result = target.execute(
            b"SELECT z::text,off::text,mixed::text,sec::text,ms::text,julian::text,odd FROM d WHERE id<3 ORDER BY id"
        )
        assert result.fetchall() == [
            ("2024-02-29 12:00:00+00", "2024-02-29 10:00:00+00", "2024-02-29 12:00:00+00", "2024-02-29 12:00:00+00",
             "2024-02-29 12:00:00.123+00", "2024-02-29 12:00:00+00", "29.02.2024"),
            ("1969-12-31 23:59:59.999+00", "2024-02-29 23:30:00.5+00", "2024-02-29 12:00:00.123456+00", "1915-11-03 12:00:00+00",
             "1915-11-03 11:59:59.877+00", "1970-01-01 00:00:00+00", "x"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "expected_type"),
    [("Text", "text"), ("Null", "timestamp"), ("Fail", "text")],
    ids=["as text", "as NULL", "as a blocker"],
)
def test_a_policy_decides_instead_of_the_proposal(
    pg15: PostgreSql, fresh: str, tmp_path: Path, policy: str, expected_type: str
) -> None:
    move = _move(pg15, fresh, tmp_path, _DATES, Options(policies=Policies(type_mismatch=policy)))
    plan = move.plan()
    assert _columns(plan, "d")["sec"][0] == expected_type
    assert ("d.sec" in {r.affected for r in plan.blockers}) is (policy == "Fail")
    assert (_columns(plan, "d")["z"][0] == "text") is (policy == "Text"), "what loses nothing is no mismatch"


_NOCASE = """
create table u(id integer primary key, name text collate nocase unique, mail text, other text collate nocase, n int);
create unique index um on u(mail collate nocase, n) where mail is not null; insert into u values(1,'Ann','A@x','q',1);
create table k(a text collate nocase primary key) without rowid; insert into k values('X'),('É'),('é');
create table i(id integer primary key, b text); create index ib on i(b collate nocase);
"""


def test_unique_without_case_stays_unique_without_case(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    move = _move(pg15, fresh, tmp_path, _NOCASE)
    plan = move.plan()
    assert _told(plan, "Collation") == {"u": "medium", "k": "medium", "i": "medium"}
    assert "name, mail, other" in next(r.description for r in plan.risks if r.affected == "u" and r.kind == "Collation")
    assert move.run().rows == 4, "only ASCII letters are the same"
    with pg15.connect(fresh) as target:
        for broken in ("u(id,name) VALUES (2,'ANN')", "u(id,mail,n) VALUES (3,'a@X',1)", "k VALUES ('x')"):
            with pytest.raises(psycopg.errors.UniqueViolation):
                target.execute(f"INSERT INTO {broken}".encode())


_VIRTUAL = """
create virtual table docs using fts5(title, body, tokenize='porter'); insert into docs(rowid,title,body) values(7,'One','fox'),(9,'Two',null);
create virtual table old using fts4(t, rowid_text); insert into old(docid,t) values(3,'three');
create virtual table boxes using rtree(id,minx,maxx,+label text); insert into boxes values(5,0.5,1.25,'here');
create table notes(id integer primary key, t text); insert into notes values(1,'x');
create virtual table over_notes using fts5(t, content='notes', content_rowid='id');
create virtual table bare using fts5(t, content='');
create virtual table words using fts5vocab(docs, row);
create table refers(id integer primary key, doc int); insert into refers values(1,7);
"""


def test_virtual_tables_with_rows_of_their_own_become_tables(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    move = _move(pg15, fresh, tmp_path, _VIRTUAL)
    plan = move.plan()
    assert _told(plan, "TableFeature") == {"docs": "medium", "old": "medium", "boxes": "medium"}
    assert _told(plan, "VirtualTable") == {"over_notes": "low", "bare": "low", "words": "low"}
    move.at["comparing"] = lambda: _damage(pg15, fresh)
    assert move.run().corrected
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT rowid,title,body FROM docs ORDER BY 1").fetchall() == [(7, "One", "fox"), (9, "Two", None)]
        assert target.execute(b"SELECT rowid,t FROM old").fetchall() == [(3, "three")]
        assert target.execute(b"SELECT * FROM boxes").fetchall() == [(5, 0.5, 1.25, "here")]
        assert target.execute(b"INSERT INTO docs(title) VALUES ('new') RETURNING rowid").fetchone() == (10,)


def _damage(pg: PostgreSql, database: str) -> None:
    with pg.connect(database) as target:
        (stage,) = target.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone()
        target.execute(f"UPDATE {stage}.docs SET body='cat' WHERE rowid=7".encode())


_DEFAULTS = """
create table t(id integer primary key, a datetime not null default (datetime('now')), b text default (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  c date default (date('now')), d integer default (strftime('%s','now')), e datetime default current_timestamp,
  f integer default (unixepoch()), g text default (lower(hex(randomblob(16)))), h blob default (randomblob(8)),
  j text default current_timestamp, k text default (datetime('now','localtime')), p int default (random()), q text default "dq",
  x text default (date('now','+1 day')));
"""


def test_defaults_of_sqlite_give_what_sqlite_gives(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    move = _move(pg15, fresh, tmp_path, _DEFAULTS)
    assert _told(move.plan(), "NotCarried", "Default") == {"t.x": "medium", "t.k": "low"}
    move.run()
    with pg15.connect(fresh) as target:
        target.execute(b"SET TimeZone='Asia/Kolkata'")
        near = b"abs(extract(epoch FROM now() AT TIME ZONE 'UTC'-%s))<5"
        row = target.execute(
            b"INSERT INTO t(id) VALUES (1) RETURNING "
            + near % b"a"
            + b","
            + near % b"j::timestamp"
            + b","
            + near % b"e"
            + rb",b ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$',j ~ '^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$',abs(d-extract(epoch FROM now()))<5,"
            b"f-d<5,g ~ '^[0-9a-f]{32}$',length(h),q,c=(now() AT TIME ZONE 'UTC')::date,p IS NOT NULL"
        ).fetchone()
    assert row == (True, True, True, True, True, True, True, True, 8, "dq", True, True)
